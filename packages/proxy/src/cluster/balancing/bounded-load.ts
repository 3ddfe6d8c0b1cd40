/**
 * A table whose hosts take only so much more than their share of what is under way; what is above goes to others, always
 * to the same ones for the same key (V. Mirrokni and others, https://arxiv.org/abs/1608.01350).
 */
import type { Host } from '../host.ts';
import type { HashTable, ShareOut } from './hash-table.ts';
import type { Hash64 } from './hash64.ts';
import { MersenneTwister } from './mt19937.ts';

export class BoundedLoad implements HashTable {
  readonly #table: HashTable;
  readonly #share: ShareOut;
  readonly #shareOf: ReadonlyMap<Host, number>;
  readonly #percent: number;
  readonly #stats: { readonly upstream_rq_active: number };

  /** `percent`: what a host may have, of its share of all requests under way. */
  constructor(table: HashTable, share: ShareOut, percent: number, stats: { readonly upstream_rq_active: number }) {
    this.#table = table;
    this.#share = share;
    this.#shareOf = new Map(share.hosts.map((host, i) => [host, share.shares[i] as number]));
    this.#percent = percent;
    this.#stats = stats;
  }

  find(hash: Hash64, attempt: number): Host | undefined {
    const first = this.#table.find(hash, attempt);
    if (!first) return undefined;
    const overload = this.#overload(first, this.#shareOf.get(first) as number);
    return overload <= 1 ? first : this.#findOther(hash, first, overload);
  }

  /** How many times more than it may have a host has. */
  #overload(host: Host, share: number): number {
    const slots = Math.floor(((this.#stats.upstream_rq_active + 1) * this.#percent + 99) / 100);
    return host.requestsActive / Math.max(1, Math.ceil(slots * share));
  }

  #findOther(hash: Hash64, first: Host, firstOverload: number): Host {
    const { hosts, shares } = this.#share;
    const random = new MersenneTwister(hash.low);
    // Shuffled as far as is looked at; places that were not moved hold themselves.
    const moved = new Map<number, number>();
    let least = first;
    let leastOverload = firstOverload;
    for (let i = 0; i < hosts.length; i++) {
      const j = i + random.below(hosts.length - i);
      const place = moved.get(j) ?? j;
      moved.set(j, moved.get(i) ?? i);
      const host = hosts[place] as Host;
      if (host === first) continue;
      const overload = this.#overload(host, shares[place] as number);
      if (overload <= 1) return host;
      if (overload < leastOverload) {
        least = host;
        leastOverload = overload;
      }
    }
    return least;
  }
}
