/** Serves ADS: brings each connected proxy to the snapshot of its view of the mesh. */
import type { Problem } from '@weft/contracts/bus';
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
  #mesh: Mesh | undefined;

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

  /** The newest connection of each proxy that is served, by proxy. */
  proxies(): ReadonlyMap<string, Connection> {
    const proxies = new Map<string, Connection>();
    for (const connection of this.#connections) {
      const { proxyId, stream } = connection;
      if (proxyId !== undefined && stream.snapshot) proxies.set(proxyId, connection);
    }
    return proxies;
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

  /** Ends all streams. */
  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  async #serve(variant: Variant, raw: RawStream, call: CallContext): Promise<void> {
    const connection = this.#connect(variant, raw, call);
    this.#connections.add(connection);
    try {
      for await (const message of connection.messages()) {
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
      this.#tell(connection);
    }
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
