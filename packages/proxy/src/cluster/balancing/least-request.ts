/**
 * The host with the fewest requests under way (`LEAST_REQUEST`): the best of a few that are chosen at random, or of all.
 * Where weights differ each has its turn instead, for its weight divided by what it has under way.
 */
import type { Random, ReadRuntime } from '../balancer.ts';
import type { Host } from '../host.ts';
import type { SlowStart } from './slow-start.ts';
import { WeightedPicker } from './weighted-picker.ts';

export interface LeastRequestConfig {
  /** How many are compared; at least 2. */
  readonly choices: number;
  /** Compares all of them. */
  readonly scansAll: boolean;
  /** The power to which requests under way count against a weight; 0: they do not. */
  readonly bias: number;
  /** What the runtime has another one under; '' where it has none. */
  readonly biasKey: string;
}

export class LeastRequest extends WeightedPicker {
  readonly #config: LeastRequestConfig;
  readonly #read: ReadRuntime;
  #bias = 1;

  constructor(random: Random, config: LeastRequestConfig, read: ReadRuntime, slowStart?: SlowStart) {
    super(random, slowStart);
    this.#config = config;
    this.#read = read;
  }

  override update(hosts: readonly Host[]): void {
    const { bias, biasKey } = this.#config;
    const now = biasKey === '' ? bias : this.#read(biasKey, bias);
    // As Envoy has it, a negative one counts as if it were not there.
    this.#bias = now < 0 ? 1 : now;
    super.update(hosts);
  }

  protected override weightOf({ endpoint, requestsActive }: Host): number {
    const bias = this.#bias;
    if (bias === 0) return endpoint.weight;
    return endpoint.weight / (bias === 1 ? requestsActive + 1 : (requestsActive + 1) ** bias);
  }

  protected override pickAlike(hosts: readonly Host[]): Host | undefined {
    return this.#config.scansAll ? this.#bestOfAll(hosts) : this.#bestOfSome(hosts);
  }

  #bestOfSome(hosts: readonly Host[]): Host | undefined {
    let best = hosts[Math.floor(this.random() * hosts.length)] as Host;
    for (let i = 1; i < this.#config.choices; i++) {
      const other = hosts[Math.floor(this.random() * hosts.length)] as Host;
      if (other.requestsActive < best.requestsActive) best = other;
    }
    return best;
  }

  /** Of those that have the fewest each is as likely as another. */
  #bestOfAll(hosts: readonly Host[]): Host | undefined {
    let best: Host | undefined;
    let alike = 0;
    for (const host of hosts) {
      if (!best || host.requestsActive < best.requestsActive) {
        best = host;
        alike = 1;
      } else if (host.requestsActive === best.requestsActive && this.random() * ++alike < 1) best = host;
    }
    return best;
  }
}
