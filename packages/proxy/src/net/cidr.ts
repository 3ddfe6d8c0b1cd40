/** Ranges of IP addresses (RFC 4632; RFC 4291, 2.3). */
import { isIPv4, isIPv6 } from 'node:net';
import { plainAddress } from './peer.ts';

const V4_BITS = 32;
const V6_BITS = 128;

/** The number that four octets make. */
export function v4Number(address: string): number {
  let value = 0;
  let octet = 0;
  for (let at = 0; at < address.length; at++) {
    const code = address.charCodeAt(at);
    if (code === 46) {
      value = value * 256 + octet;
      octet = 0;
    } else octet = octet * 10 + code - 48;
  }
  return value * 256 + octet;
}

/** `1::2` and the like, as one number; the zone is of no account. */
export function v6Number(address: string): bigint {
  const [text = ''] = address.split('%', 1);
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const low = dotted ? v4Number(dotted[2] as string) : 0;
  const plain = dotted ? `${dotted[1]}${(low >>> 16).toString(16)}:${(low & 0xffff).toString(16)}` : text;
  const [head = '', tail] = plain.split('::', 2);
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [first, last] = [groups(head), groups(tail ?? '')];
  const zeros = Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0');
  return [...first, ...zeros, ...last].reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

export interface IpRange {
  contains(address: string): boolean;
  /** Bits that its addresses share. */
  readonly length: number;
  /** Those bits as a number: of IPv4 a number, of IPv6 a bigint. */
  readonly prefix: number | bigint;
}

/** No address at all. */
export const NO_ADDRESSES: IpRange = { contains: () => false, length: 0, prefix: -1 };

/**
 * The addresses that share the first `length` bits with `address`; a length that is longer than the address is that of
 * the address. Undefined where `address` is none. What is asked about an address of the other family, or about
 * something that is no address, is answered with no; an IPv4 address that is written as IPv6 counts as IPv4.
 */
export function ipRange(address: string, length: number): IpRange | undefined {
  if (isIPv4(address)) {
    // A shift by 32 bits is one by none.
    const mask = length === 0 ? 0 : -1 << (V4_BITS - Math.min(length, V4_BITS));
    const wanted = v4Number(address) & mask;
    return {
      length: Math.min(length, V4_BITS),
      prefix: wanted,
      contains(given) {
        const plain = plainAddress(given);
        return isIPv4(plain) && (v4Number(plain) & mask) === wanted;
      },
    };
  }
  if (!isIPv6(address)) return undefined;
  const shift = BigInt(V6_BITS - Math.min(length, V6_BITS));
  const wanted = v6Number(address) >> shift;
  return {
    length: Math.min(length, V6_BITS),
    prefix: wanted,
    contains(given) {
      const plain = plainAddress(given);
      return isIPv6(plain) && v6Number(plain) >> shift === wanted;
    },
  };
}

/** Of one length of prefixes. */
interface Layer<T, P extends number | bigint> {
  readonly length: number;
  readonly values: Map<P, T>;
}

/** Values by range; an address finds that of the narrowest range that it is in. */
export class RangeMap<T> {
  /** The longest prefixes first. */
  readonly #v4: Layer<T, number>[] = [];
  readonly #v6: Layer<T, bigint>[] = [];
  #rest: T | undefined;

  /** The value of a range, made where there is none yet; undefined: of what is in no other range. */
  at(range: IpRange | undefined, make: () => T): T {
    if (!range) {
      this.#rest ??= make();
      return this.#rest;
    }
    return typeof range.prefix === 'number'
      ? valueAt(this.#v4, range.length, range.prefix, make)
      : valueAt(this.#v6, range.length, range.prefix, make);
  }

  /** `address` may be '', which is in no range. */
  get(address: string): T | undefined {
    if (this.#v4.length + this.#v6.length === 0) return this.#rest;
    const plain = plainAddress(address);
    return this.#find(plain) ?? this.#rest;
  }

  #find(address: string): T | undefined {
    if (isIPv4(address)) {
      const number = v4Number(address);
      for (const { length, values } of this.#v4) {
        const found = values.get(length === 0 ? 0 : number & (-1 << (V4_BITS - length)));
        if (found !== undefined) return found;
      }
    } else if (isIPv6(address)) {
      const number = v6Number(address);
      for (const { length, values } of this.#v6) {
        const found = values.get(number >> BigInt(V6_BITS - length));
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }
}

function valueAt<T, P extends number | bigint>(layers: Layer<T, P>[], length: number, prefix: P, make: () => T): T {
  let layer = layers.find((one) => one.length === length);
  if (!layer) {
    layer = { length, values: new Map() };
    layers.push(layer);
    layers.sort((a, b) => b.length - a.length);
  }
  let value = layer.values.get(prefix);
  if (value === undefined) {
    value = make();
    layer.values.set(prefix, value);
  }
  return value;
}
