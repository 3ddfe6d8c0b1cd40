/** What tells a server who its client is: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt. */
import { isIPv4, isIPv6 } from 'node:net';
import type { ProxyProtocolVersion } from '../config/transport-socket.ts';
import { ipRange } from './cidr.ts';

/** The two ends of a connection, as addresses of the internet; '' where an end has none. */
export interface AddressPair {
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localHost: string;
  readonly localPort: number;
}

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const VERSION_LOCAL = 0x20;
const VERSION_PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;
/** Version and command, family, and the length of what follows. */
const FIXED_BYTES = 4;
const V6_BITS = 128;

function familyOf({ remoteHost, localHost }: AddressPair): 4 | 6 | undefined {
  if (isIPv4(remoteHost) && isIPv4(localHost)) return 4;
  return isIPv6(remoteHost) && isIPv6(localHost) ? 6 : undefined;
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const prefix = ipRange(address, V6_BITS)?.prefix ?? 0;
  return Buffer.from(prefix.toString(16).padStart(V6_BITS / 4, '0'), 'hex');
}

/** Section 2.1; a client without addresses of one family is not told of. */
function version1(client: AddressPair): Buffer {
  const family = familyOf(client);
  if (family === undefined) return Buffer.from('PROXY UNKNOWN\r\n');
  const { remoteHost, remotePort, localHost, localPort } = client;
  return Buffer.from(`PROXY TCP${family} ${remoteHost} ${localHost} ${remotePort} ${localPort}\r\n`);
}

/** Section 2.2; LOCAL where there is nobody to be told of. */
function version2(client: AddressPair | undefined): Buffer {
  const family = client && familyOf(client);
  if (!client || family === undefined) return Buffer.concat([SIGNATURE, Buffer.from([VERSION_LOCAL, 0, 0, 0])]);
  const addresses = Buffer.concat([addressBytes(client.remoteHost), addressBytes(client.localHost)]);
  const header = Buffer.alloc(FIXED_BYTES + addresses.length + 4);
  header.writeUInt8(VERSION_PROXY, 0);
  header.writeUInt8(family === 4 ? TCP4 : TCP6, 1);
  header.writeUInt16BE(addresses.length + 4, 2);
  header.set(addresses, FIXED_BYTES);
  header.writeUInt16BE(client.remotePort, FIXED_BYTES + addresses.length);
  header.writeUInt16BE(client.localPort, FIXED_BYTES + addresses.length + 2);
  return Buffer.concat([SIGNATURE, header]);
}

/**
 * The header for a connection on behalf of `client`. Without one (a check of health, a call of the proxy's own) version
 * 1 tells of the connection itself, `own`, as Envoy does, and version 2 says LOCAL.
 */
export function proxyHeader(version: ProxyProtocolVersion, client: AddressPair | undefined, own: AddressPair): Buffer {
  return version === 'V1' ? version1(client ?? own) : version2(client);
}
