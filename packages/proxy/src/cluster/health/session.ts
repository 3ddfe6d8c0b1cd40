/** The checks of one host: when the next one is due, and what they make of the host. */
import { type Clock, Deadline } from '../../clock.ts';
import type { HealthCheckConfig } from '../../config/health-check.ts';
import type { Random } from '../balancer.ts';
import type { Host } from '../host.ts';
import type { FailureType, HealthEvents } from './events.ts';
import type { Probe, ProbeOutcome, ProbeOwner } from './probe.ts';
import type { HealthStats } from './stats.ts';

/** What a failure is of: `passive` is a response to a request that says so. */
type FailureCause = 'active' | 'network' | 'timeout' | 'passive';

/** `pending`: some more checks like this one will change what the host counts as. */
type Transition = 'unchanged' | 'pending' | 'changed';

export interface SessionOwner {
  /** A check ended. `isFailure`: the host counts as failed from now on. */
  onChecked(host: Host, transition: Transition, isFailure: boolean): void;
  /** Whether the cluster has ever been used. */
  hasTraffic(): boolean;
}

export interface SessionOptions {
  readonly config: HealthCheckConfig;
  readonly stats: HealthStats;
  readonly clock: Clock;
  readonly random: Random;
  readonly owner: SessionOwner;
  readonly makeProbe: (host: Host, owner: ProbeOwner) => Probe;
  /** Told what becomes of hosts; undefined where nobody asks. */
  readonly events?: HealthEvents | undefined;
}

const FAILURE_TYPES: { readonly [C in FailureCause]: FailureType } = {
  active: 'ACTIVE',
  passive: 'PASSIVE',
  network: 'NETWORK',
  timeout: 'NETWORK_TIMEOUT',
};

export class HostSession implements ProbeOwner {
  readonly #host: Host;
  readonly #options: SessionOptions;
  readonly #probe: Probe;
  readonly #interval: Deadline;
  readonly #timeout: Deadline;
  #isFirst = true;
  #isFailed = true;
  #isDegraded = false;
  #passes = 0;
  #failures = 0;
  #isClosed = false;

  constructor(host: Host, options: SessionOptions, isExcluded: boolean) {
    const { clock, makeProbe } = options;
    this.#host = host;
    this.#options = options;
    this.#probe = makeProbe(host, this);
    this.#interval = new Deadline(clock, () => this.#begin());
    this.#timeout = new Deadline(clock, () => this.#onTimeout());
    host.check = 'pending';
    host.isExcluded = isExcluded ? 'pending' : 'no';
    host.failCheck = () => this.#failAtOnce();
  }

  /** Whether no check has ended yet. */
  get isFirst(): boolean {
    return this.#isFirst;
  }

  start(): void {
    const { config, random } = this.#options;
    if (config.initial_jitter === 0) this.#begin();
    else this.#interval.set(Math.max(1, Math.floor(random() * config.initial_jitter)));
  }

  #begin(): void {
    const { config, stats } = this.#options;
    this.#timeout.set(config.timeout);
    stats.attempt++;
    this.#probe.start();
  }

  // What came of it.

  onOutcome(outcome: ProbeOutcome): void {
    if (this.#isClosed) return;
    if (outcome.type === 'passed') {
      this.#plan('healthy', this.#passed(outcome.isDegraded));
      return;
    }
    if (outcome.isExcluding) this.#host.isExcluded = 'immediate-failure';
    this.#plan('unhealthy', this.#failed(outcome.cause, outcome.isRetriable, outcome.status));
  }

  #onTimeout(): void {
    this.#probe.giveUp();
    this.#plan('unhealthy', this.#failed('timeout', false));
  }

  /** A response to a request said that the host is to be left alone. */
  #failAtOnce(): void {
    if (this.#isClosed) return;
    this.#host.isExcluded = 'immediate-failure';
    this.#failed('passive', false);
  }

  #passed(isDegraded: boolean): Transition {
    const { config, stats, events } = this.#options;
    const host = this.#host;
    let transition: Transition = 'unchanged';
    this.#failures = 0;
    if (this.#isFailed) {
      // The first check decides alone, so that a cluster is of use soon.
      if (this.#isFirst || ++this.#passes === config.healthy_threshold) {
        this.#isFailed = false;
        host.isExcluded = 'no';
        host.hasCheckTimedOut = false;
        stats.healthy++;
        transition = 'changed';
        events?.tell(host, { type: 'add_healthy_event', isFirst: this.#isFirst });
      } else transition = 'pending';
    } else if (config.always_log_health_check_success) events?.tell(host, { type: 'successful_health_check_event' });
    if (this.#endExclusion()) transition = 'changed';
    if (isDegraded !== this.#isDegraded) {
      this.#isDegraded = isDegraded;
      stats.degraded += isDegraded ? 1 : -1;
      events?.tell(host, { type: isDegraded ? 'degraded_healthy_host' : 'no_longer_degraded_host' });
      if (transition === 'unchanged') transition = 'changed';
    }
    stats.success++;
    this.#show(transition, false);
    if (!this.#isFailed) host.outlier?.checkPassed();
    return transition;
  }

  #failed(cause: FailureCause, isRetriable: boolean, status = 0): Transition {
    const { config, stats, events } = this.#options;
    let transition: Transition = 'unchanged';
    this.#passes = 0;
    const isNetwork = cause === 'network' || cause === 'timeout';
    if (!this.#isFailed) {
      if ((!isNetwork && !isRetriable) || ++this.#failures === config.unhealthy_threshold) {
        this.#isFailed = true;
        stats.healthy--;
        transition = 'changed';
        events?.tell(this.#host, { type: 'eject_unhealthy_event', failure: FAILURE_TYPES[cause], status });
      } else transition = 'pending';
    }
    if (events && (this.#isFirst || config.always_log_health_check_failures)) {
      const failure = FAILURE_TYPES[cause];
      events.tell(this.#host, { type: 'health_check_failure_event', failure, isFirst: this.#isFirst, status });
    }
    this.#host.hasCheckTimedOut = cause === 'timeout' && this.#isFailed;
    if (this.#endExclusion()) transition = 'changed';
    stats.failure++;
    if (isNetwork) stats.network_failure++;
    else if (cause === 'passive') stats.passive_failure++;
    this.#show(transition, this.#isFailed);
    return transition;
  }

  #endExclusion(): boolean {
    if (this.#host.isExcluded !== 'pending') return false;
    this.#host.isExcluded = 'no';
    return true;
  }

  #show(transition: Transition, isFailure: boolean): void {
    this.#isFirst = false;
    this.#host.check = this.#isFailed ? 'failed' : this.#isDegraded ? 'degraded' : 'healthy';
    this.#options.owner.onChecked(this.#host, transition, isFailure);
  }

  // The next one.

  #plan(state: 'healthy' | 'unhealthy', transition: Transition): void {
    if (this.#isClosed) return;
    this.#timeout.clear();
    this.#interval.set(this.#withJitter(this.#intervalMs(state, transition)));
  }

  #intervalMs(state: 'healthy' | 'unhealthy', transition: Transition): number {
    const { config, owner } = this.#options;
    const { interval, unhealthy_interval: unhealthyMs = interval, no_traffic_interval: quietMs } = config;
    if (!owner.hasTraffic()) {
      return state === 'healthy' && transition !== 'pending'
        ? (config.no_traffic_healthy_interval ?? quietMs)
        : quietMs;
    }
    if (state === 'unhealthy') {
      return transition === 'pending' ? (config.unhealthy_edge_interval ?? unhealthyMs) : unhealthyMs;
    }
    return transition === 'pending' ? (config.healthy_edge_interval ?? interval) : interval;
  }

  #withJitter(intervalMs: number): number {
    const { config, random } = this.#options;
    const shareMs = (config.interval_jitter_percent * intervalMs) / 100;
    return Math.max(1, intervalMs + Math.floor(random() * shareMs) + Math.floor(random() * config.interval_jitter));
  }

  close(): void {
    const { stats } = this.#options;
    this.#isClosed = true;
    this.#interval.dispose();
    this.#timeout.dispose();
    this.#probe.close();
    if (!this.#isFailed) stats.healthy--;
    if (this.#isDegraded) stats.degraded--;
    this.#host.failCheck = undefined;
  }
}
