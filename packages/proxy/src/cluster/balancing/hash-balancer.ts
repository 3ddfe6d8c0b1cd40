/** Chooses by the hash of a request: the same one goes to the same host, as long as the hosts stay the same. */
import type { Balancer, Random } from '../balancer.ts';
import type { Host } from '../host.ts';
import { NO_CONTEXT, type PickContext } from '../pick-context.ts';
import { type HashTable, type ShareOut, shareOut } from './hash-table.ts';
import { type Hash64, modulo } from './hash64.ts';
import type { HostSet } from './host-sets.ts';
import { choosePriority, type PriorityLoad, priorityLoad } from './priority-load.ts';
import type { BalancerStats } from './stats.ts';

export interface HashBalancerOptions {
  readonly makeTable: (share: ShareOut) => HashTable;
  readonly panicPercent: () => number;
  readonly weighsLocalities: boolean;
  readonly stats: BalancerStats;
  readonly random: Random;
}

export class HashBalancer implements Balancer {
  readonly #options: HashBalancerOptions;
  #sets: readonly HostSet[] = [];
  #load: PriorityLoad = { healthy: [100], degraded: [0], panic: [false] };
  /** By priority; made when first looked at. */
  #tables: (HashTable | undefined)[] = [];

  constructor(options: HashBalancerOptions) {
    this.#options = options;
  }

  update(sets: readonly HostSet[]): void {
    this.#sets = sets;
    this.#load = priorityLoad(sets, this.#options.panicPercent());
    this.#tables = [];
  }

  pick(context: PickContext = NO_CONTEXT): Host | undefined {
    const hash = context.hash ?? this.#anyHash();
    const chosen = choosePriority(this.#load, modulo(hash, 100));
    const priority = chosen < 0 ? -1 - chosen : chosen;
    const isInPanic = this.#load.panic[priority] === true;
    if (isInPanic) this.#options.stats.lb_healthy_panic++;
    const table = this.#table(priority, isInPanic);
    let host = table?.find(hash, 0);
    for (let attempt = 1; attempt <= context.hostAttempts && host && context.passesOver(host); attempt++) {
      host = table?.find(hash, attempt);
    }
    return host;
  }

  #table(priority: number, isInPanic: boolean): HashTable | undefined {
    const known = this.#tables[priority];
    if (known) return known;
    const set = this.#sets[priority];
    if (!set) return undefined;
    const { makeTable, weighsLocalities } = this.#options;
    const made = makeTable(shareOut(set, isInPanic, weighsLocalities));
    this.#tables[priority] = made;
    return made;
  }

  #anyHash(): Hash64 {
    const { random } = this.#options;
    return { high: Math.floor(random() * 0x1_0000_0000), low: Math.floor(random() * 0x1_0000_0000) };
  }
}
