/**
 * Hosts that have just come get less than their weight until they are warm
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/load_balancing/slow_start).
 */
import type { Clock } from '../../clock.ts';
import type { ReadRuntime } from '../balancer.ts';
import type { Host } from '../host.ts';

export interface SlowStartConfig {
  /** More than 0. */
  readonly windowMs: number;
  /** 1: the weight grows evenly; more: fast first. */
  readonly aggression: number;
  /** What the runtime has another one under; '' where it has none. */
  readonly aggressionKey: string;
  /** The least share of its weight that a host has, from 0 to 1. */
  readonly minShare: number;
}

export class SlowStart {
  readonly #config: SlowStartConfig;
  readonly #clock: Clock;
  readonly #read: ReadRuntime;
  #aggression = 1;

  constructor(config: SlowStartConfig, clock: Clock, read: ReadRuntime) {
    this.#config = config;
    this.#clock = clock;
    this.#read = read;
  }

  /** Until when one of the hosts is still cold, on the monotonic clock. */
  endMs(hosts: readonly Host[]): number {
    const { aggression, aggressionKey } = this.#config;
    const now = aggressionKey === '' ? aggression : this.#read(aggressionKey, aggression);
    this.#aggression = now > 0 ? now : 1;
    let latest = Number.NEGATIVE_INFINITY;
    for (const host of hosts) if (host.health === 'healthy') latest = Math.max(latest, host.healthySinceMs);
    return latest + this.#config.windowMs;
  }

  /** Whether that time has not come. */
  isBefore(endMs: number): boolean {
    return this.#clock.monotonicMs() <= endMs;
  }

  /** The share of its weight that a host has now. */
  share(host: Host): number {
    const { windowMs, minShare } = this.#config;
    const aggression = this.#aggression;
    const sinceMs = this.#clock.monotonicMs() - host.healthySinceMs;
    if (sinceMs >= windowMs || host.health !== 'healthy') return 1;
    const warmth = Math.max(1, sinceMs) / windowMs;
    return Math.max(aggression === 1 ? warmth : warmth ** (1 / aggression), minShare);
  }
}
