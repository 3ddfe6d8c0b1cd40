/**
 * Ketama's ring: each host stands at many places of a circle of hashes, and a key belongs to the next one
 * (`RING_HASH`). Places are those where Envoy puts them.
 */
import type { Host } from '../host.ts';
import { type HashTable, hashKey, type ShareOut } from './hash-table.ts';
import { type Hash64, murmurHash2, xxHash64 } from './hash64.ts';

export interface RingHashConfig {
  readonly minSize: number;
  readonly maxSize: number;
  readonly hash: 'xx' | 'murmur';
  readonly usesHostname: boolean;
}

/** `cluster.<name>.ring_hash_lb.` */
export class RingHashStats {
  size = 0;
  min_hashes_per_host = 0;
  max_hashes_per_host = 0;
}

const isGreater = (high: number, low: number, hash: Hash64): boolean =>
  high > hash.high || (high === hash.high && low > hash.low);

/** Places on the ring, before they are in order. */
interface Places {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  readonly host: Uint32Array;
}

/** Sorted by hash, byte by byte from the last one: in time that grows with their number alone. */
function sorted(places: Places, size: number): Places {
  let from = Uint32Array.from({ length: size }, (_, i) => i);
  let to = new Uint32Array(size);
  for (const half of [places.low, places.high]) {
    for (let shift = 0; shift < 32; shift += 8) {
      const starts = new Uint32Array(257);
      for (let i = 0; i < size; i++) {
        const digit = ((half[i] as number) >>> shift) & 0xff;
        starts[digit + 1] = (starts[digit + 1] as number) + 1;
      }
      for (let i = 1; i < 257; i++) starts[i] = (starts[i] as number) + (starts[i - 1] as number);
      for (const place of from) {
        const digit = ((half[place] as number) >>> shift) & 0xff;
        const at = starts[digit] as number;
        to[at] = place;
        starts[digit] = at + 1;
      }
      [from, to] = [to, from];
    }
  }
  const pick = (half: Uint32Array): Uint32Array => Uint32Array.from(from, (place) => half[place] as number);
  return { high: pick(places.high), low: pick(places.low), host: pick(places.host) };
}

export class HashRing implements HashTable {
  readonly #hosts: readonly Host[];
  readonly #places: Places;
  readonly #size: number;

  constructor({ hosts, shares, least }: ShareOut, config: RingHashConfig, stats: RingHashStats) {
    this.#hosts = hosts;
    const { minSize, maxSize, usesHostname } = config;
    const hash = config.hash === 'murmur' ? murmurHash2 : xxHash64;
    // The host with the least weight gets a whole number of places, as long as the ring does not grow too large by that.
    const scale = hosts.length === 0 ? 0 : Math.min(Math.ceil(least * minSize) / least, maxSize);
    const room = Math.ceil(scale) + 1;
    const places = { high: new Uint32Array(room), low: new Uint32Array(room), host: new Uint32Array(room) };
    let size = 0;
    let target = 0;
    let fewest = Math.ceil(scale);
    let most = 0;
    for (const [index, host] of hosts.entries()) {
      const key = `${hashKey(host, usesHostname)}_`;
      target += scale * (shares[index] as number);
      let count = 0;
      for (; size < target && size < room; size++) {
        const { high, low } = hash(key + count++);
        places.high[size] = high;
        places.low[size] = low;
        places.host[size] = index;
      }
      fewest = Math.min(fewest, count);
      most = Math.max(most, count);
    }
    this.#size = size;
    this.#places = sorted(places, size);
    stats.size = Math.ceil(scale);
    stats.min_hashes_per_host = fewest;
    stats.max_hashes_per_host = most;
  }

  find(hash: Hash64, attempt: number): Host | undefined {
    if (this.#size === 0) return undefined;
    const { high, low, host } = this.#places;
    let from = 0;
    let to = this.#size;
    // The first place that is not before the hash; after the last one comes the first again.
    while (from < to) {
      const middle = (from + to) >>> 1;
      const h = high[middle] as number;
      const l = low[middle] as number;
      if (isGreater(h, l, hash) || (h === hash.high && l === hash.low)) to = middle;
      else from = middle + 1;
    }
    const at = ((from === this.#size ? 0 : from) + attempt) % this.#size;
    return this.#hosts[host[at] as number];
  }
}
