/** Counts what comes of requests in a thread that does not eject hosts itself. */
import type { OutlierConfig } from '../../config/outlier.ts';
import type { Counts } from '../../counts/cells.ts';
import type { Host } from '../host.ts';
import { outlierCells, type TellEvidence } from '../judging.ts';
import type { HostObserver } from '../observer.ts';
import { type ConsecutiveFailure, HostMonitor, type MonitorOwner } from './monitor.ts';

export class OutlierWitness implements HostObserver, MonitorOwner {
  readonly #cluster: string;
  readonly #config: OutlierConfig;
  readonly #counts: Counts | undefined;
  readonly #tell: TellEvidence;
  readonly #keys = new Map<HostMonitor, string>();

  constructor(cluster: string, config: OutlierConfig, counts: Counts | undefined, tell: TellEvidence) {
    this.#cluster = cluster;
    this.#config = config;
    this.#counts = counts;
    this.#tell = tell;
  }

  hostsChanged(added: readonly Host[], removed: readonly Host[]): void {
    for (const host of removed) {
      if (host.outlier) this.#keys.delete(host.outlier);
      host.outlier = undefined;
    }
    for (const host of added) {
      const isSplit = this.#config.split_external_local_origin_errors;
      const cells = outlierCells(this.#counts, this.#cluster, host);
      host.outlier = new HostMonitor(this, this.#config, isSplit, cells);
      this.#keys.set(host.outlier, host.key);
    }
  }

  onConsecutive(monitor: HostMonitor, failure: ConsecutiveFailure): void {
    const key = this.#keys.get(monitor);
    if (key !== undefined) this.#tell(this.#cluster, key, { type: 'consecutive', failure });
  }

  /** Hosts are checked where they are ejected. */
  onCheckPassed(): undefined {
    return undefined;
  }

  close(): void {
    this.#keys.clear();
  }
}
