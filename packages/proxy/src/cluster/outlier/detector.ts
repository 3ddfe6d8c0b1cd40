/**
 * Outlier detection: hosts that fail more than others, or too often in a row, get no requests for a while
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/outlier).
 */
import type { Cancel, Clock } from '../../clock.ts';
import { maxEjectionMs, type OutlierConfig } from '../../config/outlier.ts';
import type { Cells } from '../../counts/cells.ts';
import type { Random } from '../balancer.ts';
import type { Host } from '../host.ts';
import type { HostObserver } from '../observer.ts';
import { type ConsecutiveFailure, HostMonitor, type MonitorOwner, type SuccessRate } from './monitor.ts';
import type { OutlierStats } from './stats.ts';

/** Why a host is ejected; statistics have these names. */
type Ejection =
  | ConsecutiveFailure
  | 'success_rate'
  | 'local_origin_success_rate'
  | 'failure_percentage'
  | 'local_origin_failure_percentage';

const ENFORCING = {
  consecutive_5xx: 'enforcing_consecutive_5xx',
  consecutive_gateway_failure: 'enforcing_consecutive_gateway_failure',
  consecutive_local_origin_failure: 'enforcing_consecutive_local_origin_failure',
  success_rate: 'enforcing_success_rate',
  local_origin_success_rate: 'enforcing_local_origin_success_rate',
  failure_percentage: 'enforcing_failure_percentage',
  local_origin_failure_percentage: 'enforcing_failure_percentage_local_origin',
} as const satisfies { readonly [K in Ejection]: keyof OutlierConfig };

/** Which of a host's rates is judged, and what its ejections are called. */
interface Origin {
  readonly rate: 'external' | 'local';
  readonly bySuccessRate: 'success_rate' | 'local_origin_success_rate';
  readonly byFailurePercentage: 'failure_percentage' | 'local_origin_failure_percentage';
}

const ORIGINS: readonly Origin[] = [
  { rate: 'external', bySuccessRate: 'success_rate', byFailurePercentage: 'failure_percentage' },
  {
    rate: 'local',
    bySuccessRate: 'local_origin_success_rate',
    byFailurePercentage: 'local_origin_failure_percentage',
  },
];

/** The factor of the standard deviation is given in thousandths. */
const STDEV_UNIT = 1000;

/** Below which success rate, of 0 to 100, a host is an outlier: the mean less some standard deviations. */
export function successRateThreshold(percents: readonly number[], stdevFactor: number): number {
  const mean = percents.reduce((sum, percent) => sum + percent, 0) / percents.length;
  const variance = percents.reduce((sum, percent) => sum + (percent - mean) ** 2, 0) / percents.length;
  return mean - (stdevFactor / STDEV_UNIT) * Math.sqrt(variance);
}

export interface OutlierOptions {
  readonly config: OutlierConfig;
  readonly stats: OutlierStats;
  readonly clock: Clock;
  readonly random: Random;
  readonly cluster: JudgedCluster;
  /** What comes of requests to a host, in all threads; default: there is one thread. */
  readonly cellsOf?: ((host: Host) => Cells | undefined) | undefined;
}

/** The cluster, as the detection sees it. */
export interface JudgedCluster {
  /** Hosts were ejected, or came back. */
  healthChanged(): void;
  /** A host was ejected. */
  hostFailed(host: Host): void;
  /** A host was ejected, or came back. */
  hostJudged?(host: Host): void;
}

export class OutlierDetector implements HostObserver, MonitorOwner {
  readonly #config: OutlierConfig;
  readonly #stats: OutlierStats;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #cluster: JudgedCluster;
  readonly #cellsOf: OutlierOptions['cellsOf'];
  readonly #maxEjectionMs: number;
  readonly #hosts = new Map<HostMonitor, Host>();
  #ejected = 0;
  #cancel: Cancel;

  constructor({ config, stats, clock, random, cluster, cellsOf }: OutlierOptions) {
    this.#cellsOf = cellsOf;
    this.#config = config;
    this.#stats = stats;
    this.#clock = clock;
    this.#random = random;
    this.#cluster = cluster;
    this.#maxEjectionMs = maxEjectionMs(config);
    this.#cancel = clock.after(config.interval, this.#onInterval);
  }

  hostsChanged(added: readonly Host[], removed: readonly Host[]): void {
    for (const host of added) {
      const isSplit = this.#config.split_external_local_origin_errors;
      host.outlier = new HostMonitor(this, this.#config, isSplit, this.#cellsOf?.(host));
      // Of a host that was there before, other threads may have counted still.
      host.outlier.forgetAll();
      this.#hosts.set(host.outlier, host);
    }
    for (const host of removed) {
      if (host.outlier) this.#hosts.delete(host.outlier);
      if (host.isEjected) this.#countEjected(-1);
      host.outlier = undefined;
    }
  }

  #countEjected(change: number): void {
    this.#ejected += change;
    this.#stats.ejections_active += change;
  }

  // Failures in a row.

  onConsecutive(monitor: HostMonitor, type: ConsecutiveFailure): void {
    const host = this.#hosts.get(monitor);
    if (!host || host.isEjected) return;
    this.#stats[`ejections_detected_${type}`]++;
    if (this.#eject(host, monitor, type)) this.#cluster.healthChanged();
    if (type === 'consecutive_5xx') this.#stats.ejections_consecutive_5xx++;
    monitor.forget(type);
  }

  /** Whether the host was ejected: not where too many are, or where this kind of failure is only counted. */
  #eject(host: Host, monitor: HostMonitor, type: Ejection): boolean {
    const stats = this.#stats;
    const config = this.#config;
    const percent = ((this.#ejected + 1) * 100) / this.#hosts.size;
    const isFirst = config.always_eject_one_host && this.#ejected === 0;
    if (!isFirst && percent > config.max_ejection_percent) {
      stats.ejections_overflow++;
      return false;
    }
    if (type === 'consecutive_5xx' || type === 'success_rate') stats.ejections_total++;
    if (this.#random() * 100 >= config[ENFORCING[type]]) return false;
    host.isEjected = true;
    this.#countEjected(1);
    stats.ejections_enforced_total++;
    stats[`ejections_enforced_${type}`]++;
    monitor.ejections++;
    monitor.ejectedMs = this.#clock.monotonicMs();
    monitor.jitterMs = Math.floor(this.#random() * (config.max_ejection_time_jitter + 1));
    const base = config.base_ejection_time;
    if (monitor.backOff * base < this.#maxEjectionMs + base) monitor.backOff++;
    this.#cluster.hostFailed(host);
    this.#cluster.hostJudged?.(host);
    return true;
  }

  // The way back.

  #return(host: Host, monitor: HostMonitor): void {
    host.isEjected = false;
    this.#countEjected(-1);
    monitor.forgetAll();
    monitor.returnedMs = this.#clock.monotonicMs();
    this.#cluster.hostJudged?.(host);
  }

  #isOver(monitor: HostMonitor, nowMs: number): boolean {
    const ejectionMs = Math.min(this.#config.base_ejection_time * monitor.backOff, this.#maxEjectionMs);
    return ejectionMs + monitor.jitterMs <= nowMs - monitor.ejectedMs;
  }

  onCheckPassed(monitor: HostMonitor): void {
    const host = this.#hosts.get(monitor);
    if (!host?.isEjected || !this.#config.successful_active_health_check_uneject_host) return;
    this.#return(host, monitor);
    this.#cluster.healthChanged();
  }

  // What is looked at from time to time.

  readonly #onInterval = (): void => {
    const nowMs = this.#clock.monotonicMs();
    let isChanged = false;
    for (const [monitor, host] of this.#hosts) {
      if (host.isEjected && this.#isOver(monitor, nowMs)) {
        this.#return(host, monitor);
        isChanged = true;
      }
      monitor.external.turn();
      monitor.local.turn();
    }
    for (const origin of ORIGINS) if (this.#ejectOutliers(origin)) isChanged = true;
    this.#forgive(nowMs);
    if (isChanged) this.#cluster.healthChanged();
    this.#cancel = this.#clock.after(this.#config.interval, this.#onInterval);
  };

  /** Whether any host was ejected. */
  #ejectOutliers({ rate, bySuccessRate, byFailurePercentage }: Origin): boolean {
    const config = this.#config;
    const { success_rate_request_volume: rateVolume, failure_percentage_request_volume: failureVolume } = config;
    const known = this.#hosts.size;
    if (known < config.success_rate_minimum_hosts && known < config.failure_percentage_minimum_hosts) return false;
    const judged = [...this.#hosts.keys()].filter((monitor) => {
      return monitor[rate].volume > 0 && !this.#hosts.get(monitor)?.isEjected;
    });
    for (const monitor of judged) show(monitor[rate], Math.min(rateVolume, failureVolume));
    let isChanged = false;
    const eject = (monitor: HostMonitor, type: Ejection) => {
      this.#stats[`ejections_detected_${type}`]++;
      const host = this.#hosts.get(monitor);
      if (host && !host.isEjected && this.#eject(host, monitor, type)) isChanged = true;
    };
    const byRate = judged.filter((monitor) => monitor[rate].volume >= rateVolume);
    const byFailure = judged.filter((monitor) => monitor[rate].volume >= failureVolume);
    if (byRate.length > 0 && byRate.length >= config.success_rate_minimum_hosts) {
      const percents = byRate.map((monitor) => monitor[rate].percent);
      const threshold = successRateThreshold(percents, config.success_rate_stdev_factor);
      for (const monitor of byRate) {
        if (monitor[rate].percent >= threshold) continue;
        this.#stats.ejections_success_rate++;
        eject(monitor, bySuccessRate);
      }
    }
    if (byFailure.length === 0 || byFailure.length < config.failure_percentage_minimum_hosts) return isChanged;
    for (const monitor of byFailure) {
      if (100 - monitor[rate].percent >= config.failure_percentage_threshold) eject(monitor, byFailurePercentage);
    }
    return isChanged;
  }

  /** Hosts that have been back for an interval: another ejection will be shorter than the last one. */
  #forgive(nowMs: number): void {
    for (const [monitor, host] of this.#hosts) {
      if (host.isEjected || monitor.returnedMs === undefined || monitor.backOff === 0) continue;
      if (nowMs - monitor.returnedMs >= this.#config.interval) monitor.backOff--;
    }
  }

  close(): void {
    this.#cancel();
    this.#countEjected(-this.#ejected);
  }
}

function show(rate: SuccessRate, volume: number): void {
  if (rate.volume >= volume) rate.shown = rate.percent;
}
