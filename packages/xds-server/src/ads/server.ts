/** Serves ADS: brings each connected proxy to the snapshot of its view of the mesh. */
import type { Problem } from '@weft/contracts/bus';
import { WeftError } from '@weft/contracts/error';
import { type Mesh, project } from '@weft/model';
import { type CallContext, type MountedService, type RawStream, rawService } from '@weft/rpc';
import type { ServiceContext } from '@weft/service';
import { Compiler } from '../compile/compiler.ts';
import type { XdsMetrics } from '../metrics.ts';
import { Connection } from './connection.ts';
import { Differences } from './differences.ts';
import { DELTA, SOTW, type Variant } from './wire.ts';

const SERVICE = '/envoy.service.discovery.v3.AggregatedDiscoveryService';

export interface AdsServerOptions {
  readonly context: Pick<ServiceContext, 'log' | 'clock' | 'instanceId'>;
  readonly metrics: XdsMetrics;
  readonly requireIdentity: boolean;
  readonly patienceMs: number;
  /** Told when something about a proxy may have changed: it came, went on, or left. */
  readonly onProxy: (proxyId: string) => void;
}

export class AdsServer {
  readonly #options: AdsServerOptions;
  readonly #compiler = new Compiler();
  readonly #differences = new Differences();
  readonly #connections = new Set<Connection>();
  /** Those that said which proxy they are, oldest first. */
  readonly #byProxy = new Map<string, Connection[]>();
  #mesh: Mesh | undefined;
  #closed = false;

  constructor(options: AdsServerOptions) {
    this.#options = options;
  }

  /** Both variants, to be mounted on a server. */
  service(): MountedService {
    return rawService({
      [`${SERVICE}/StreamAggregatedResources`]: (stream, call) => void this.#serve(SOTW, stream, call),
      [`${SERVICE}/DeltaAggregatedResources`]: (stream, call) => void this.#serve(DELTA, stream, call),
    });
  }

  /** The newest connection of a proxy that is served. */
  connectionOf(proxyId: string): Connection | undefined {
    return this.#byProxy.get(proxyId)?.findLast(({ stream }) => stream.snapshot !== undefined);
  }

  /** The newest connection of each proxy that is served. */
  *connections(): Generator<Connection> {
    for (const proxyId of this.#byProxy.keys()) {
      const connection = this.connectionOf(proxyId);
      if (connection) yield connection;
    }
  }

  /** How many clients are connected, served or not. */
  get connected(): number {
    return this.#connections.size;
  }

  problems(): readonly Problem[] {
    return this.#compiler.problems();
  }

  /** Takes up a new mesh, and brings every proxy to it. */
  publish(mesh: Mesh): void {
    this.#mesh = mesh;
    this.#compiler.update(mesh);
    for (const connection of this.#connections) connection.guard(() => this.#offer(connection));
    this.#compiler.sweep();
  }

  /** Ends all streams, and every one that is opened after it. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#connections) connection.close();
  }

  async #serve(variant: Variant, raw: RawStream, call: CallContext): Promise<void> {
    if (this.#closed) {
      raw.end(new WeftError('UNAVAILABLE', 'this xds-server is stopping: ask another'));
      return;
    }
    const connection = this.#connect(variant, raw, call);
    this.#connections.add(connection);
    try {
      for await (const message of connection.messages()) {
        this.#register(connection);
        if (message.refusal !== undefined) this.#tellRefusal(connection, message.typeUrl, message.refusal);
        connection.stream.hear(message);
        if (!connection.stream.snapshot) this.#offer(connection);
        this.#tell(connection);
      }
      connection.close();
    } catch (thrown) {
      connection.close(thrown);
      this.#options.context.log.debug({ proxy: connection.proxyId, err: thrown }, 'the stream of a proxy ended');
    } finally {
      this.#connections.delete(connection);
      this.#unregister(connection);
      this.#tell(connection);
    }
  }

  #register(connection: Connection): void {
    const { proxyId = '' } = connection;
    const all = this.#byProxy.get(proxyId);
    if (!all) this.#byProxy.set(proxyId, [connection]);
    else if (!all.includes(connection)) all.push(connection);
  }

  #unregister(connection: Connection): void {
    const { proxyId = '' } = connection;
    const rest = (this.#byProxy.get(proxyId) ?? []).filter((one) => one !== connection);
    if (rest.length > 0) this.#byProxy.set(proxyId, rest);
    else this.#byProxy.delete(proxyId);
  }

  #connect(variant: Variant, raw: RawStream, call: CallContext): Connection {
    const { context, metrics, requireIdentity, patienceMs } = this.#options;
    const now = () => context.clock.now();
    return new Connection({
      raw,
      call,
      variant,
      requireIdentity,
      connectedAtMs: now(),
      onSent: metrics.pushed,
      stream: { identifier: context.instanceId, now, patienceMs, later, onAccepted: metrics.accepted },
    });
  }

  /** Brings a proxy to the snapshot of the mesh as it is; one whose workload was never registered waits. */
  #offer(connection: Connection): void {
    const { proxyId, stream } = connection;
    const mesh = this.#mesh;
    if (proxyId === undefined || !mesh) return;
    const workload = mesh.world.workloads.get(proxyId);
    if (workload) connection.admit(workload);
    const view = project(mesh, proxyId, connection.workload);
    if (!view) return;
    const snapshot = this.#compiler.compile(view);
    const { revision, registryRevision } = view;
    const changes = stream.snapshot ? this.#differences.between(stream.snapshot, snapshot) : undefined;
    stream.offer(snapshot, { revision, registryRevision }, changes);
    this.#tell(connection);
  }

  #tell({ proxyId }: Connection): void {
    if (proxyId !== undefined) this.#options.onProxy(proxyId);
  }

  #tellRefusal({ proxyId }: Connection, typeUrl: string, message: string): void {
    this.#options.metrics.refused(typeUrl);
    this.#options.context.log.warn(
      { proxy: proxyId, type: typeUrl, reason: message },
      'a proxy refused its configuration',
    );
  }
}

function later(milliseconds: number, callback: () => void): () => void {
  const timer = setTimeout(callback, milliseconds);
  return () => clearTimeout(timer);
}
