/** Names in certificates: general names (RFC 5280 4.2.1.6) and distinguished names (4.1.2.4). */
import { contextTag, type DerReader, encode, encodeSequence, malformed, TAG } from './der.ts';
import { encodeOid } from './der-types.ts';

export type GeneralName =
  | { readonly type: 'uri' | 'dns' | 'email'; readonly text: string }
  /** 4 or 16 octets; in name constraints with as many of a mask. */
  | { readonly type: 'ip'; readonly octets: Buffer }
  /** Directory names, other names and the like: Weft writes none and matches none. */
  | { readonly type: 'other'; readonly tag: number };

const TEXT_TYPES = new Map<number, 'uri' | 'dns' | 'email'>([
  [contextTag(1, false), 'email'],
  [contextTag(2, false), 'dns'],
  [contextTag(6, false), 'uri'],
]);
const IP_ADDRESS = contextTag(7, false);
const FORMS: ReadonlySet<number> = new Set([0xa0, 0x81, 0x82, 0xa3, 0xa4, 0xa5, 0x86, 0x87, 0x88]);

/** Reads one name; its text must be printable ASCII, without which no two readers would agree on it. */
export function readGeneralName(reader: DerReader): GeneralName {
  const { tag, body } = reader.any('an alternative name');
  if (!FORMS.has(tag)) throw malformed(`an alternative name has the unknown tag 0x${tag.toString(16)}`);
  const type = TEXT_TYPES.get(tag);
  if (type) {
    const text = body.toString('latin1');
    if (!/^[\x20-\x7e]*$/.test(text)) throw malformed('an alternative name holds characters outside printable ASCII');
    return { type, text };
  }
  return tag === IP_ADDRESS ? { type: 'ip', octets: body } : { type: 'other', tag };
}

export function readGeneralNames(reader: DerReader): GeneralName[] {
  const names: GeneralName[] = [];
  do names.push(readGeneralName(reader));
  while (!reader.atEnd);
  return names;
}

export function uriName(uri: string): Buffer {
  return encode(contextTag(6, false), Buffer.from(uri, 'latin1'));
}

export function dnsName(name: string): Buffer {
  return encode(contextTag(2, false), Buffer.from(name, 'latin1'));
}

/** A distinguished name of one attribute each, in order, as UTF8String. */
export function distinguishedName(attributes: readonly (readonly [oid: string, text: string])[]): Buffer {
  const parts = attributes.map(([oid, text]) =>
    encode(TAG.set, encodeSequence(encodeOid(oid), encode(TAG.utf8String, Buffer.from(text)))),
  );
  return encodeSequence(...parts);
}

/** Checks that the next value is a distinguished name, and gives it whole; names are compared by their bytes. */
export function readDistinguishedName(reader: DerReader, what: string): Buffer {
  const { whole } = reader.read(TAG.sequence, what);
  return whole;
}
