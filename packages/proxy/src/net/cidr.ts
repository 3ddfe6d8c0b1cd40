/** Ranges of IP addresses (RFC 4632; RFC 4291, 2.3). */
import { isIPv4, isIPv6 } from 'node:net';
import { plainAddress } from './peer.ts';

const V4_BITS = 32;
const V6_BITS = 128;

/** The number that four octets make. */
function v4Number(address: string): number {
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
function v6Number(address: string): bigint {
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
}

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
    contains(given) {
      const plain = plainAddress(given);
      return isIPv6(plain) && v6Number(plain) >> shift === wanted;
    },
  };
}
