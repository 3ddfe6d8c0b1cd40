/** How connections are asked to leave (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/operations/draining). */
import type { Clock } from './clock.ts';
import type { Random } from './cluster/balancer.ts';
import type { TrafficDirection } from './listener/chain.ts';

/** How a proxy is asked to end what it serves. */
export interface DrainRequest {
  /** How long what runs may take. */
  readonly timeoutMs: number;
  /** Of listeners of that direction; default: of all. */
  readonly direction?: 'INBOUND' | 'OUTBOUND';
}

/** How `/drain_listeners` asks. */
export interface DrainListeners {
  /** Lets connections end for the drain time before listeners close, rather than closing listeners now. */
  readonly graceful: boolean;
  readonly inboundOnly: boolean;
  /** Leaves listeners open once connections were told to end. */
  readonly skipExit: boolean;
}

/** `gradual`: connections are asked over the drain time, so that their clients do not all come again at once. */
export const DRAIN_STRATEGIES = ['gradual', 'immediate'] as const;
export type DrainStrategy = (typeof DRAIN_STRATEGIES)[number];

interface Drain {
  readonly startMs: number;
  /** Over which time all connections are asked; 0: each at its next response. */
  readonly overMs: number;
}

/** Which connections are asked to leave. */
export class Draining {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #drains = new Map<TrafficDirection | 'ALL', Drain>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Connections of listeners of that direction, or of all, are asked from now on. A faster drain that runs goes on. */
  begin(direction: TrafficDirection | undefined, overMs: number): void {
    const drain = { startMs: this.#clock.monotonicMs(), overMs };
    const running = this.#drains.get(direction ?? 'ALL');
    if (running && running.startMs + running.overMs <= drain.startMs + overMs) return;
    this.#drains.set(direction ?? 'ALL', drain);
  }

  /** Whether a connection is to be asked with what it is sent now. */
  isAsked(direction: TrafficDirection): boolean {
    if (this.#drains.size === 0) return false;
    return this.#isDue(this.#drains.get('ALL')) || this.#isDue(this.#drains.get(direction));
  }

  #isDue(drain: Drain | undefined): boolean {
    if (!drain) return false;
    if (drain.overMs === 0) return true;
    return (this.#clock.monotonicMs() - drain.startMs) / drain.overMs > this.#random();
  }
}
