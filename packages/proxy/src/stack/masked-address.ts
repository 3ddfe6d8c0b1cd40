/** Networks of addresses, as text. */
import { isIPv4, isIPv6 } from 'node:net';
import { v6Text } from '../net/address-text.ts';

const V4_BITS = 32;
const V6_BITS = 128;
const GROUP_BITS = 16;

function v4(address: string, length: number): string {
  const number = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  // A shift by 32 bits is one by none.
  const kept = length === 0 ? 0 : (number & (-1 << (V4_BITS - length))) >>> 0;
  return [24, 16, 8, 0].map((shift) => (kept >>> shift) & 255).join('.');
}

/** The eight groups of an address. */
function groupsOf(address: string): readonly number[] {
  const [plain = ''] = address.split('%', 1);
  const [head = '', tail] = plain.split('::', 2);
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [first, last] = [groups(head), groups(tail ?? '')];
  const zeros = Array<string>(Math.max(0, V6_BITS / GROUP_BITS - first.length - last.length)).fill('0');
  return [...first, ...zeros, ...last].map((group) => Number.parseInt(group, 16));
}

function v6(address: string, length: number): string {
  const kept = groupsOf(address).map((group, index) => {
    const bits = Math.min(GROUP_BITS, Math.max(0, length - index * GROUP_BITS));
    return (group & (0xffff << (GROUP_BITS - bits)) & 0xffff).toString(16);
  });
  return v6Text(kept.join(':'));
}

/** `10.1.2.3` with 24 bits is `10.1.2.0/24`. Undefined where the address is none of IP. */
export function maskedAddress(address: string, v4Length: number, v6Length: number): string | undefined {
  if (isIPv4(address)) return `${v4(address, v4Length)}/${v4Length}`;
  return isIPv6(address) ? `${v6(address, v6Length)}/${v6Length}` : undefined;
}
