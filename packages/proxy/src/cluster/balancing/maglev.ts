/**
 * Maglev's table (D. Eisenbud and others, 2016, section 3.4): hosts take turns to fill it, each in an order of its own
 * (`MAGLEV`). It is filled as Envoy fills it.
 */
import type { Host } from '../host.ts';
import { type HashTable, hashKey, type ShareOut } from './hash-table.ts';
import { type Hash64, modulo, xxHash64 } from './hash64.ts';

export interface MaglevConfig {
  /** A prime number. */
  readonly tableSize: number;
  readonly usesHostname: boolean;
}

/** `cluster.<name>.maglev_lb.` */
export class MaglevStats {
  min_entries_per_host = 0;
  max_entries_per_host = 0;
}

interface Entry {
  readonly index: number;
  readonly share: number;
  readonly skip: number;
  /** The place that it would like next. */
  place: number;
  target: number;
  count: number;
}

const SECOND: Hash64 = { high: 0, low: 1 };
const ALL_BITS = 0xffff_ffff;

function entriesOf({ hosts, shares }: ShareOut, { tableSize, usesHostname }: MaglevConfig): readonly Entry[] {
  const keyed = hosts.map((host, index) => ({ index, key: hashKey(host, usesHostname) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return keyed.map(({ index, key }) => ({
    index,
    share: shares[index] as number,
    place: modulo(xxHash64(key), tableSize),
    skip: modulo(xxHash64(key, SECOND), tableSize - 1) + 1,
    target: 0,
    count: 0,
  }));
}

export class MaglevTable implements HashTable {
  readonly #hosts: readonly Host[];
  readonly #size: number;
  /** Places in `#hosts`, plus 1; 0: free. */
  readonly #table: Uint32Array;

  constructor(share: ShareOut, config: MaglevConfig, stats: MaglevStats) {
    this.#hosts = share.hosts;
    this.#size = config.tableSize;
    this.#table = new Uint32Array(share.hosts.length === 0 ? 0 : config.tableSize);
    const entries = entriesOf(share, config);
    if (entries.length > 0) this.#fill(entries, share.most);
    stats.min_entries_per_host = entries.reduce((min, { count }) => Math.min(min, count), config.tableSize);
    stats.max_entries_per_host = entries.reduce((max, { count }) => Math.max(max, count), 0);
  }

  #fill(entries: readonly Entry[], most: number): void {
    const table = this.#table;
    const size = this.#size;
    let filled = 0;
    for (let round = 1; filled < size; round++) {
      for (const entry of entries) {
        if (filled === size) return;
        // Hosts with half of the most weight take every other turn, and so on.
        if (round * entry.share < entry.target) continue;
        entry.target += most;
        while (table[entry.place] !== 0) entry.place = (entry.place + entry.skip) % size;
        table[entry.place] = entry.index + 1;
        entry.place = (entry.place + entry.skip) % size;
        entry.count++;
        filled++;
      }
    }
  }

  find(hash: Hash64, attempt: number): Host | undefined {
    if (this.#table.length === 0) return undefined;
    const given =
      attempt === 0 ? hash : { high: (hash.high ^ ALL_BITS) >>> 0, low: (hash.low ^ (-attempt >>> 0)) >>> 0 };
    return this.#hosts[(this.#table[modulo(given, this.#size)] as number) - 1];
  }
}
