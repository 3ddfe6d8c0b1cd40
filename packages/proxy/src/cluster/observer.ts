/** Who is told of the hosts of a cluster as they come and go: outlier detection, health checks. */
import type { Host } from './host.ts';

export interface HostObserver {
  /** Told before the balancer knows of the change; `added` and `removed` may both be empty. */
  hostsChanged(added: readonly Host[], removed: readonly Host[]): void;
  /** The cluster is not used any more. */
  close(): void;
}
