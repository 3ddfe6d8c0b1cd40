/** What the admin interface shows of the proxy, and what it can ask of it. */
import type { Clock } from '../clock.ts';
import type { Host, HostCounts } from '../cluster/host.ts';
import type { ClusterManager } from '../cluster/manager.ts';
import type { DrainListeners } from '../drain.ts';
import type { Log } from '../log.ts';
import type { Runtime, RuntimeChange } from '../runtime/runtime.ts';
import type { StatsRegistry } from '../stats/registry.ts';
import type { SecretStore } from '../tls/secrets.ts';

/** Envoy's words for where a server is in its life (`envoy.admin.v3.ServerInfo.State`). */
export type ServerState = 'LIVE' | 'DRAINING' | 'PRE_INITIALIZING' | 'INITIALIZING';

/** Envoy's words for how much is logged, from most to least. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** One listener, in one of its states: a listener that is replaced shows up once as active and once as warming. */
export interface AdminListener {
  readonly name: string;
  /** As bound: `127.0.0.1:10000`, or the path of a socket; '' where nothing is bound. */
  readonly address: string;
  /** The resource as ProtoJSON; undefined where none was ever taken. */
  readonly resource: unknown;
  /** As the control plane named it; '' of the bootstrap's own. */
  readonly version: string;
  readonly isStatic: boolean;
  /** Milliseconds since 1970. */
  readonly updatedMs: number;
  /** `refused`: its first resource was, so that there is nothing but `issues`. */
  readonly state: 'active' | 'warming' | 'draining' | 'refused';
  /** What it waits for, in words. */
  readonly missing?: readonly string[];
  /** What was wrong with the last update that was refused, until one is taken. */
  readonly issues?: string;
}

/** One route configuration that is in use. */
export interface AdminRoutes {
  readonly name: string;
  /** As ProtoJSON. */
  readonly resource: unknown;
  readonly version: string;
  /** Written in the listener itself, rather than sent by RDS. */
  readonly isStatic: boolean;
  /** Milliseconds since 1970. */
  readonly updatedMs: number;
}

export interface AdminActions {
  drainListeners(options: DrainListeners): void;
  /** From now on the proxy says that it is no longer to be sent requests. */
  failHealthcheck(): void;
  okHealthcheck(): void;
  /** Ends the process as SIGTERM would. Called when the answer was sent. */
  quit(): void;
  setLogLevel(level: LogLevel): void;
  /** Goes on in access log files of the same names, after what was there was moved away. */
  reopenLogs(): void;
  resetCounters(): void;
  /** As {@link Runtime.override}, in every thread. */
  overrideRuntime(changes: readonly RuntimeChange[]): boolean;
}

/** What is read of other threads: all that they count, of which there can be much, or what their heaps take. */
export type Reads = 'counts' | 'heaps';

export interface AdminContext {
  readonly stats: StatsRegistry;
  readonly clusters: Pick<ClusterManager, 'active' | 'warming'>;
  readonly secrets: Pick<SecretStore, 'known'>;
  readonly runtime: Pick<Runtime, 'shown'>;
  listeners(): Iterable<AdminListener>;
  routes(): Iterable<AdminRoutes>;
  state(): ServerState;
  /** Has what other threads count, or what their heaps take, be read as it stands now. */
  refresh(what: Reads): Promise<void>;
  /** What other threads have counted of a host. */
  countsElsewhere(cluster: string, host: Host): HostCounts | undefined;
  /** Bytes that the heaps of other threads take. */
  heapElsewhere(): { readonly used: number; readonly total: number };
  logLevel(): LogLevel;
  /** `envoy.config.bootstrap.v3.Bootstrap` as ProtoJSON. */
  readonly bootstrap: object;
  /** `envoy.config.core.v3.Node` as ProtoJSON. */
  readonly node: object;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  /** Milliseconds since then, whatever was done to the clock of the machine meanwhile. */
  ageMs(): number;
  /** Of Weft: `0.1.0`. */
  readonly version: string;
  /** `envoy.admin.v3.CommandLineOptions` as ProtoJSON, as far as the options were given. */
  readonly commandLine: Readonly<Record<string, unknown>>;
  /** Processes of which version can take over from this one; `disabled`: none can. */
  readonly hotRestartVersion: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly actions: AdminActions;
}

export interface Admin {
  /** As bound: `127.0.0.1:9901`, or the path of a socket. */
  readonly address: string;
  /** Ends every connection and frees the port. */
  close(): Promise<void>;
}
