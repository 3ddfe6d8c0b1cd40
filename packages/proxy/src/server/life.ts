/** Where a proxy is in its life, what it says of its health, and whom it asks to leave. */
import type { ServerState } from '../admin/context.ts';
import type { Clock } from '../clock.ts';
import type { Random } from '../cluster/balancer.ts';
import type { ListenerConfig } from '../config/listener.ts';
import { Draining } from '../drain.ts';
import type { TrafficDirection } from '../listener/chain.ts';

export class Life {
  state: ServerState = 'PRE_INITIALIZING';
  /** As `/healthcheck/fail` and `/healthcheck/ok` have it. */
  isHealthy = true;
  readonly draining: Draining;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  readonly #clock: Clock;
  readonly #startedAt: number;

  constructor(clock: Clock, random: Random) {
    this.draining = new Draining(clock, random);
    this.#clock = clock;
    this.startedMs = clock.wallMs();
    this.#startedAt = clock.monotonicMs();
  }

  /** Milliseconds since it was started. */
  get ageMs(): number {
    return this.#clock.monotonicMs() - this.#startedAt;
  }

  /** As others are shown it: one that is to be sent nothing is as one that drains. */
  get shown(): ServerState {
    return this.isHealthy ? this.state : 'DRAINING';
  }

  /** Whether health checks of this proxy fail. */
  get isFailed(): boolean {
    return this.shown === 'DRAINING';
  }

  /** Whether connections of listeners of that direction and `drain_type` are asked to leave. */
  isDraining(direction: TrafficDirection, type: ListenerConfig['drain_type']): boolean {
    return this.draining.isAsked(direction) || (type === 'DEFAULT' && !this.isHealthy);
  }
}
