/** IP addresses, and addresses as logs show them. */
import { SocketAddress } from 'node:net';

/**
 * An IP address of 4 or 16 octets, IPv6 in its shortest form (RFC 5952); undefined where there are more or fewer of them.
 */
export function ipText(octets: Uint8Array): string | undefined {
  if (octets.length === 4) return octets.join('.');
  if (octets.length !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((octets[2 * index] ?? 0) << 8) | (octets[2 * index + 1] ?? 0)).toString(16),
  );
  return v6Text(groups.join(':'));
}

/** An IPv6 address in its shortest form, of whatever form `address` is. */
export function v6Text(address: string): string {
  return new SocketAddress({ address, family: 'ipv6' }).address;
}

function portAt(address: string): number {
  return address.startsWith('/') || address.startsWith('@') ? -1 : address.lastIndexOf(':');
}

/** The host of `10.0.0.1:80` and `[::1]:80`; the path of a unix socket as it is. */
export function hostOf(address: string): string {
  const colon = portAt(address);
  if (colon === -1) return address;
  return address.startsWith('[') ? address.slice(1, colon - 1) : address.slice(0, colon);
}

/** The port of `10.0.0.1:80`; undefined of a unix socket. */
export function portOf(address: string): number | undefined {
  const colon = portAt(address);
  return colon === -1 ? undefined : Number(address.slice(colon + 1));
}
