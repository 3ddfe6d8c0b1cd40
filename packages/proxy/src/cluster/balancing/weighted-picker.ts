/** Hosts by their turn where weights differ or somebody is cold, and by a simpler rule where all are alike. */
import type { Random } from '../balancer.ts';
import type { Host } from '../host.ts';
import { type HostPicker, haveOneWeight, NO_HOSTS } from './host-picker.ts';
import { Schedule } from './schedule.ts';
import type { SlowStart } from './slow-start.ts';

export abstract class WeightedPicker implements HostPicker {
  protected readonly random: Random;
  readonly #slowStart: SlowStart | undefined;
  #slowUntilMs = Number.NEGATIVE_INFINITY;
  #schedule: Schedule<Host> | undefined;
  hosts: readonly Host[] = NO_HOSTS;

  constructor(random: Random, slowStart: SlowStart | undefined) {
    this.random = random;
    this.#slowStart = slowStart;
  }

  update(hosts: readonly Host[]): void {
    this.hosts = hosts;
    this.#slowUntilMs = this.#slowStart?.endMs(hosts) ?? Number.NEGATIVE_INFINITY;
    const isAlike = hosts.length < 2 || (haveOneWeight(hosts) && !this.#isSlow());
    this.#schedule = isAlike ? undefined : new Schedule(hosts, (host) => this.#weightNow(host), this.random);
  }

  pick(): Host | undefined {
    if (this.#schedule) return this.#schedule.next();
    return this.hosts.length === 0 ? undefined : this.pickAlike(this.hosts);
  }

  /** What a host counts for at this moment, were it warm; more than 0. */
  protected abstract weightOf(host: Host): number;

  /** One of some hosts that are alike; there is at least one. */
  protected abstract pickAlike(hosts: readonly Host[]): Host | undefined;

  #isSlow(): boolean {
    return this.#slowStart?.isBefore(this.#slowUntilMs) === true;
  }

  #weightNow(host: Host): number {
    const weight = this.weightOf(host);
    return this.#slowStart && this.#isSlow() ? weight * this.#slowStart.share(host) : weight;
  }
}
