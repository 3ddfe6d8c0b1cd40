/** A proxy that runs, as those see it who started it. */
import type { ClusterManager } from '../cluster/manager.ts';
import type { DrainListeners, DrainRequest } from '../drain.ts';
import type { ListeningSocket } from '../listener/inherited.ts';
import type { LogLevel } from '../log.ts';
import type { RuntimeChange } from '../runtime/runtime.ts';
import type { StatsRegistry } from '../stats/registry.ts';

export interface RunningProxy {
  /** Whether everything that it was first given is in use. */
  isReady(): boolean;
  /** Resolves when it is. */
  ready(): Promise<void>;
  /** Resolves, with a sentence, when the address of one of the bootstrap's own listeners cannot be had. */
  failed(): Promise<string>;
  /** Why it is not ready, as far as that is known: a sentence each. */
  troubles(): readonly string[];
  /** Of the admin interface, as bound; undefined where there is none. */
  readonly adminAddress: string | undefined;
  /** Frees the address of the admin interface. */
  closeAdmin(): Promise<void>;
  /** Has the admin interface back. Throws `WeftError` UNAVAILABLE where its address is taken. */
  openAdmin(): Promise<void>;
  /** Whether the paths of Unix sockets stay when this process closes, because another one listens there, too. */
  keepPaths(keeps: boolean): void;
  /** Of clients, in all threads. */
  connections(): number;
  /** How many connections the process before this one still has, for statistics. */
  setParentConnections(connections: number): void;
  /** The sockets that listen in this thread. */
  sockets(): readonly ListeningSocket[];
  /** The sockets that listen in all threads, for a process that takes over. */
  allSockets(): Promise<readonly ListeningSocket[]>;
  /** As `/drain_listeners` does. */
  drainListeners(options: DrainListeners): void;
  /** As `/healthcheck/fail` and `/healthcheck/ok` do. */
  setHealthy(isHealthy: boolean): void;
  /** Changes values of the runtime; false: the bootstrap keeps no layer for that. */
  overrideRuntime(changes: readonly RuntimeChange[]): boolean;
  setLogLevel(level: LogLevel): void;
  /** Goes on in access log files of the same names, after what was there was moved away. */
  reopenLogs(): void;
  readonly stats: StatsRegistry;
  readonly clusters: Pick<ClusterManager, 'active'>;
  /** Requests and TCP connections that are being served. */
  activeRequests(direction?: DrainRequest['direction']): number;
  /**
   * Takes no more connections, tells the clients of those that are there to leave (`connection: close`), and resolves as
   * soon as nothing is being served, or after the timeout. Clients that have not heard of it are refused before they
   * have sent anything, and go elsewhere.
   */
  drain(request: DrainRequest): Promise<void>;
  /** Frees addresses, ends connections, and writes what logs still hold. */
  close(): Promise<void>;
}
