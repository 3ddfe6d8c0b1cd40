/**
 * Which host gets the next request
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/load_balancing/load_balancers).
 */
import type { Host } from './host.ts';
import type { PickContext } from './pick-context.ts';

export interface Balancer {
  /** The host for the next request; undefined where there is none. */
  pick(context?: PickContext): Host | undefined;
  /** Takes these hosts from now on. */
  update(hosts: readonly Host[]): void;
}

/** A number from 0 up to, but not including, 1. */
export type Random = () => number;

function haveOneWeight(hosts: readonly Host[]): boolean {
  return hosts.every(({ endpoint }) => endpoint.weight === hosts[0]?.endpoint.weight);
}

interface Turn {
  readonly host: Host;
  /** When it is this host's turn again; the least is next. */
  deadline: number;
}

/** Earliest deadline first: each host comes in proportion to its weight, spread out evenly. */
class Schedule {
  readonly #heap: Turn[] = [];

  constructor(hosts: readonly Host[], random: Random) {
    // Hosts start at different points of their period, so that proxies do not all begin with the same one.
    for (const host of hosts) this.#push({ host, deadline: random() / host.endpoint.weight });
  }

  next(): Host | undefined {
    const turn = this.#heap[0];
    if (!turn) return undefined;
    turn.deadline += 1 / turn.host.endpoint.weight;
    this.#sink(0);
    return turn.host;
  }

  #at(index: number): Turn {
    return this.#heap[index] as Turn;
  }

  #push(turn: Turn): void {
    this.#heap.push(turn);
    let at = this.#heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#at(parent).deadline <= turn.deadline) break;
      this.#heap[at] = this.#at(parent);
      this.#heap[parent] = turn;
      at = parent;
    }
  }

  #sink(start: number): void {
    const turn = this.#at(start);
    let at = start;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#heap.length) return;
      if (child + 1 < this.#heap.length && this.#at(child + 1).deadline < this.#at(child).deadline) child++;
      if (this.#at(child).deadline >= turn.deadline) return;
      this.#heap[at] = this.#at(child);
      this.#heap[child] = turn;
      at = child;
    }
  }
}

export class RoundRobin implements Balancer {
  readonly #random: Random;
  #hosts: readonly Host[] = [];
  #schedule: Schedule | undefined;
  #turn: number;

  constructor(random: Random) {
    this.#random = random;
    this.#turn = Math.floor(random() * 1_000_000);
  }

  update(hosts: readonly Host[]): void {
    this.#hosts = hosts;
    this.#schedule = haveOneWeight(hosts) ? undefined : new Schedule(hosts, this.#random);
  }

  pick(): Host | undefined {
    if (this.#schedule) return this.#schedule.next();
    const { length } = this.#hosts;
    return length === 0 ? undefined : this.#hosts[this.#turn++ % length];
  }
}

/** Of a few hosts chosen at random, the one with the fewest requests under way for its weight. */
export class LeastRequest implements Balancer {
  readonly #random: Random;
  readonly #choices: number;
  #hosts: readonly Host[] = [];

  constructor(random: Random, choices: number) {
    this.#random = random;
    this.#choices = choices;
  }

  update(hosts: readonly Host[]): void {
    this.#hosts = hosts;
  }

  pick(): Host | undefined {
    const hosts = this.#hosts;
    let best: Host | undefined;
    let bestLoad = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#choices; i++) {
      const host = hosts[Math.floor(this.#random() * hosts.length)];
      if (!host) return undefined;
      const load = (host.requestsActive + 1) / host.endpoint.weight;
      if (load >= bestLoad) continue;
      best = host;
      bestLoad = load;
    }
    return best;
  }
}
