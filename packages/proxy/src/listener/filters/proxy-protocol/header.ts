/**
 * The header of the PROXY protocol, of both versions, as HAProxy's paper has it
 * (https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt). It must be there whole and to the letter: whoever reads
 * it otherwise than the proxy before would believe another client.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';

export interface ProxiedAddress {
  readonly host: string;
  readonly port: number;
}

export interface Tlv {
  readonly type: number;
  readonly value: Buffer;
}

/** Whose connection it is; undefined where it is the peer's own, or it does not say. */
export interface ProxiedConnection {
  readonly source: ProxiedAddress;
  readonly destination: ProxiedAddress;
}

export type ProxyHeader =
  | {
      readonly type: 'header';
      readonly version: 1 | 2;
      /** Bytes that the header takes. */
      readonly length: number;
      readonly connection: ProxiedConnection | undefined;
      readonly tlvs: readonly Tlv[];
    }
  /** It may become one; it takes at least so many bytes in all. `version`: where that is known. */
  | { readonly type: 'more'; readonly atLeast: number }
  /** It begins like one of that version, and is none. */
  | { readonly type: 'wrong'; readonly version: 1 | 2 }
  | { readonly type: 'none' };

export const V1_SIGNATURE: Buffer = Buffer.from('PROXY ');
export const V2_SIGNATURE: Buffer = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
/** With the line's end. */
const MAX_V1_BYTES = 107;
const V2_HEAD_BYTES = 16;

const WRONG_V1: ProxyHeader = { type: 'wrong', version: 1 };
const WRONG_V2: ProxyHeader = { type: 'wrong', version: 2 };

function startsLike(bytes: Buffer, signature: Buffer): boolean {
  const size = Math.min(bytes.length, signature.length);
  return bytes.compare(signature, 0, size, 0, size) === 0;
}

/** Reads the start of a connection, as far as it came; `bytes` is not empty. */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsLike(bytes, V2_SIGNATURE)) {
    return bytes.length < V2_HEAD_BYTES ? { type: 'more', atLeast: V2_HEAD_BYTES } : readV2(bytes);
  }
  if (!startsLike(bytes, V1_SIGNATURE)) return { type: 'none' };
  return bytes.length < V1_SIGNATURE.length ? { type: 'more', atLeast: V1_SIGNATURE.length } : readV1(bytes);
}

function readV1(bytes: Buffer): ProxyHeader {
  const end = bytes.indexOf('\r\n');
  if (end === -1 || end + 2 > MAX_V1_BYTES) {
    return end === -1 && bytes.length < MAX_V1_BYTES ? { type: 'more', atLeast: bytes.length + 1 } : WRONG_V1;
  }
  const [, family, source = '', destination = '', sourcePort, destinationPort, ...more] = bytes
    .toString('latin1', 0, end)
    .split(' ');
  const header = { type: 'header', version: 1, length: end + 2, tlvs: [] } as const;
  if (family === 'UNKNOWN') return { ...header, connection: undefined };
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isPlainIPv6 : undefined;
  if (more.length > 0 || !isAddress?.(source) || !isAddress(destination)) return WRONG_V1;
  const ports = [portOf(sourcePort), portOf(destinationPort)] as const;
  if (ports[0] === undefined || ports[1] === undefined) return WRONG_V1;
  if (!isUnicast(source) || !isUnicast(destination)) return WRONG_V1;
  return {
    ...header,
    connection: {
      source: { host: canonical(source), port: ports[0] },
      destination: { host: canonical(destination), port: ports[1] },
    },
  };
}

function isPlainIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

/** Decimal, without a sign or zeros before it. */
function portOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^(?:0|[1-9]\d{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65_535 ? port : undefined;
}

function canonical(address: string): string {
  return isIPv4(address) ? address : new SocketAddress({ address, family: 'ipv6' }).address;
}

/** Nobody's connection comes from, or goes to, all addresses, none, or a group of them. */
function isUnicast(address: string): boolean {
  if (isIPv4(address)) {
    const first = Number(address.slice(0, address.indexOf('.')));
    return address !== '0.0.0.0' && address !== '255.255.255.255' && (first < 224 || first > 239);
  }
  const text = canonical(address);
  return text !== '::' && !/^ff[0-9a-f]{2}:/.test(text);
}

const FAMILIES: Readonly<Record<number, { readonly bytes: number; readonly host: (bytes: Buffer) => string }>> = {
  1: { bytes: 4, host: (bytes) => bytes.join('.') },
  2: {
    bytes: 16,
    host: (bytes) => canonical((bytes.toString('hex').match(/.{4}/g) ?? []).join(':')),
  },
};

function readV2(bytes: Buffer): ProxyHeader {
  const [versionAndCommand, family] = [bytes.readUInt8(12), bytes.readUInt8(13)];
  const length = V2_HEAD_BYTES + bytes.readUInt16BE(14);
  const command = versionAndCommand & 15;
  if (versionAndCommand >> 4 !== 2 || command > 1) return WRONG_V2;
  const addresses = FAMILIES[family >> 4];
  const isTransport = (family & 15) === 1 || (family & 15) === 2;
  const addressBytes = addresses ? 2 * addresses.bytes + 4 : 0;
  if (command === 1 && (!addresses || !isTransport || length < V2_HEAD_BYTES + addressBytes)) return WRONG_V2;
  if (bytes.length < length) return { type: 'more', atLeast: length };
  const header = { type: 'header', version: 2, length } as const;
  // The peer speaks for itself; what else it says is of no account.
  if (command === 0 || !addresses) return { ...header, connection: undefined, tlvs: [] };
  const body = bytes.subarray(V2_HEAD_BYTES, length);
  const [source, destination] = [0, 1].map((index) => ({
    host: addresses.host(body.subarray(index * addresses.bytes, (index + 1) * addresses.bytes)),
    port: body.readUInt16BE(2 * addresses.bytes + 2 * index),
  }));
  const tlvs = readTlvs(body.subarray(addressBytes));
  if (!tlvs || !source || !destination || !isUnicast(source.host) || !isUnicast(destination.host)) return WRONG_V2;
  return { ...header, connection: { source, destination }, tlvs };
}

/** Undefined where they do not fill the bytes. */
function readTlvs(bytes: Buffer): readonly Tlv[] | undefined {
  const tlvs: Tlv[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 3 > bytes.length) return undefined;
    const end = at + 3 + bytes.readUInt16BE(at + 1);
    if (end > bytes.length) return undefined;
    tlvs.push({ type: bytes.readUInt8(at), value: bytes.subarray(at + 3, end) });
    at = end;
  }
  return tlvs;
}
