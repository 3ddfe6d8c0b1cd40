/** Each host in its turn (`ROUND_ROBIN`); by weight where weights differ. */
import type { Random } from '../balancer.ts';
import type { Host } from '../host.ts';
import type { SlowStart } from './slow-start.ts';
import { WeightedPicker } from './weighted-picker.ts';

export class RoundRobin extends WeightedPicker {
  #turn: number;

  constructor(random: Random, slowStart?: SlowStart) {
    super(random, slowStart);
    this.#turn = Math.floor(random() * 1_000_000);
  }

  protected override weightOf({ endpoint }: Host): number {
    return endpoint.weight;
  }

  protected override pickAlike(hosts: readonly Host[]): Host | undefined {
    if (this.#turn >= hosts.length) this.#turn %= hosts.length;
    return hosts[this.#turn++];
  }
}
