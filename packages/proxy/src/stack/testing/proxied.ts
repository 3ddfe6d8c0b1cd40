/** A connection manager on a real socket, in front of clusters of real sockets; for tests. */
import type { Socket } from 'node:net';
import { systemClock } from '../../clock.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { TestUpstream, testCluster, until } from '../../cluster/testing/cluster.ts';
import { httpConnectionManager } from '../../config/http.ts';
import type { LogType } from '../../config/log-filter.ts';
import type { LayeredRuntimeConfig } from '../../config/runtime.ts';
import { Place } from '../../config/schema.ts';
import { RawClient } from '../../http1/testing/server.ts';
import { FlushQueue } from '../../net/flush-queue.ts';
import { Runtime } from '../../runtime/runtime.ts';
import { HttpStats } from '../../stats/groups.ts';
import { StatsRegistry } from '../../stats/registry.ts';
import { ROUTER, routes } from '../../testing/bootstrap.ts';
import { upstreamCalls } from '../../upstream/calls.ts';
import { HttpManager } from '../http-manager.ts';
import { RouteTable } from '../route-table.ts';
import type { DownstreamInfo, StreamInfo } from '../stream-info.ts';
import { downstream } from './downstream.ts';

const tellNothing = (): void => undefined;
const SILENT = { debug: tellNothing, info: tellNothing, warn: tellNothing, error: tellNothing };

export { ROUTER, routes };

/** All requests go to the cluster `c`, with these fields of the action. */
export function forward(action: object = {}, route: object = {}): object {
  return routes({ match: { prefix: '/' }, route: { cluster: 'c', ...action }, ...route });
}

export interface ProxiedOptions {
  /** Fields of the connection manager. */
  readonly manager?: object;
  readonly routeConfig?: object;
  /** Fields of the cluster `c`. */
  readonly cluster?: object;
  /** The port of each other cluster. */
  readonly clusters?: Readonly<Record<string, number>>;
  readonly bufferLimit?: number;
  readonly runtime?: LayeredRuntimeConfig;
  /** What is known of each connection. */
  readonly downstream?: Partial<DownstreamInfo>;
}

export class Proxied implements AsyncDisposable {
  readonly logged: StreamInfo[] = [];
  /** When each of them was logged: a request that is logged again is the same one. */
  readonly logTypes: LogType[] = [];
  readonly registry = new StatsRegistry();
  readonly runtime: Runtime;
  /** Whether the server is not to be sent requests. */
  isFailed = false;
  readonly cluster: Cluster;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly manager: HttpManager;
  readonly #listener: TestUpstream;

  constructor(ports: readonly number[], options: ProxiedOptions = {}) {
    const place = new Place();
    const route_config = options.routeConfig ?? forward();
    const given = { stat_prefix: 'x', route_config, http_filters: [ROUTER], ...options.manager };
    const config = httpConnectionManager.parse(given, place);
    if (place.issues.length > 0 || !config.route_config) throw new Error(JSON.stringify(place.issues));
    this.cluster = testCluster(options.cluster, ports);
    this.clusters = new Map([
      ['c', this.cluster],
      ...Object.entries(options.clusters ?? {}).map(([name, port]) => [name, testCluster({ name }, [port])] as const),
    ]);
    const findCluster = (name: string) => this.clusters.get(name);
    this.runtime = new Runtime(options.runtime, () => 0);
    this.manager = new HttpManager({
      config,
      routes: { current: new RouteTable(config.route_config, this.runtime) },
      stats: new HttpStats(),
      logs: [
        (info) => {
          this.logged.push(info);
          this.logTypes.push(info.logType);
        },
      ],
      findCluster,
      clock: systemClock,
      random: () => 0,
      queue: new FlushQueue(),
      registry: this.registry,
      calls: upstreamCalls(findCluster, systemClock),
      log: SILENT,
      runtime: this.runtime,
      serviceCluster: 'service',
      nodeId: 'node',
      zone: 'zone',
      isFailed: () => this.isFailed,
      bufferLimit: options.bufferLimit ?? 1_048_576,
      listenerPort: 80,
      isDraining: () => false,
    });
    this.#listener = new TestUpstream((socket) => this.manager.accept(socket, downstream(options.downstream)));
  }

  async start(): Promise<this> {
    await this.#listener.start();
    return this;
  }

  client(): RawClient {
    return new RawClient(this.#listener.port);
  }

  /** What a client gets for these bytes, up to the end of the connection or `isThere`. */
  async ask(bytes: string, isThere?: (received: string) => boolean): Promise<string> {
    using client = this.client();
    client.send(bytes);
    return isThere ? await client.until((c) => isThere(c.received)) : await client.toEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.manager.destroy();
    for (const cluster of this.clusters.values()) cluster.destroy();
    await this.#listener[Symbol.asyncDispose]();
  }
}

/** An upstream that reads bytes as text, and answers each request that `answer` gives something for. */
export class TextUpstream extends TestUpstream {
  /** What each connection sent so far. */
  readonly received: string[] = [];
  closed = 0;

  constructor(answer: (text: string, socket: Socket, index: number) => string | undefined = () => undefined) {
    super((socket) => {
      const index = this.received.push('') - 1;
      socket.on('data', (chunk: Buffer) => {
        this.received[index] += chunk.toString('latin1');
        const reply = answer(chunk.toString('latin1'), socket, index);
        if (reply !== undefined) socket.write(Buffer.from(reply, 'latin1'));
      });
      socket.on('end', () => socket.end());
      socket.on('close', () => this.closed++);
    });
  }

  async receives(text: string): Promise<void> {
    await until(() => this.received.some((received) => received.includes(text)), text);
  }
}
