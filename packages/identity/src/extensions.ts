/** The extensions of X.509 v3 that Weft writes and reads: RFC 5280 4.2. */
import { createHash } from 'node:crypto';
import { contextTag, DerReader, encode, encodeSequence, malformed, TAG } from './der.ts';
import {
  encodeBitString,
  encodeOid,
  encodeSmallInteger,
  readBitString,
  readBoolean,
  readOid,
  readSmallInteger,
} from './der-types.ts';
import { type NameConstraints, readNameConstraints } from './name-constraints.ts';
import { type GeneralName, readGeneralNames } from './names.ts';
import { OID } from './oids.ts';

export type KeyUsage = 'digitalSignature' | 'keyCertSign' | 'cRLSign' | 'other';

/** By the number of the bit: RFC 5280 4.2.1.3. */
const KEY_USAGE_BITS: readonly KeyUsage[] = [
  'digitalSignature',
  'other',
  'other',
  'other',
  'other',
  'keyCertSign',
  'cRLSign',
  'other',
  'other',
];

/** What a certificate says of itself; undefined where it says nothing. */
export interface Extensions {
  readonly basicConstraints?: { readonly ca: boolean; readonly pathLength: number | undefined };
  readonly keyUsage?: ReadonlySet<KeyUsage>;
  readonly keyUsageCritical?: boolean;
  /** Object identifiers. */
  readonly extendedKeyUsage?: ReadonlySet<string>;
  readonly names?: readonly GeneralName[];
  readonly nameConstraints?: NameConstraints;
  readonly subjectKeyId?: Buffer;
  readonly authorityKeyId?: Buffer;
  /** Critical extensions that are none of the above. */
  readonly unknownCritical: readonly string[];
}

type Mutable = { -readonly [K in keyof Extensions]: Extensions[K] };
type ReadExtension = (value: DerReader, into: Mutable, critical: boolean) => void;

const READERS: Readonly<Record<string, ReadExtension>> = {
  [OID.basicConstraints](value, into) {
    const reader = value.sequence('the basic constraints');
    const ca = reader.peek() === TAG.boolean && readBoolean(reader, 'the CA bit');
    if (!ca && !reader.atEnd) throw malformed('the basic constraints write out a default, or limit a path without CA');
    const pathLength = reader.atEnd ? undefined : readSmallInteger(reader, 'the path length');
    reader.end('the basic constraints');
    into.basicConstraints = { ca, pathLength };
  },
  [OID.keyUsage](value, into, critical) {
    const { bits } = readBitString(value, 'the key usage');
    into.keyUsage = new Set(KEY_USAGE_BITS.filter((_, bit) => ((bits[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0));
    into.keyUsageCritical = critical;
  },
  [OID.extendedKeyUsage](value, into) {
    const reader = value.sequence('the extended key usage');
    const usages = new Set<string>();
    do usages.add(readOid(reader, 'an extended key usage'));
    while (!reader.atEnd);
    into.extendedKeyUsage = usages;
  },
  [OID.subjectAltName](value, into) {
    into.names = readGeneralNames(value.sequence('the alternative names'));
  },
  [OID.nameConstraints](value, into) {
    into.nameConstraints = readNameConstraints(value.sequence('the name constraints'));
  },
  [OID.subjectKeyIdentifier](value, into) {
    into.subjectKeyId = value.read(TAG.octetString, 'the subject key identifier').body;
  },
  [OID.authorityKeyIdentifier](value, into) {
    const reader = value.sequence('the authority key identifier');
    const id = reader.optional(contextTag(0, false), 'the key identifier');
    if (id) into.authorityKeyId = id.body;
    reader.optional(contextTag(1), 'the issuer of the authority key identifier');
    reader.optional(contextTag(2, false), 'the serial of the authority key identifier');
    reader.end('the authority key identifier');
  },
};

/** Reads the extensions of a certificate, each at most once. */
export function readExtensions(list: DerReader): Extensions {
  const seen = new Set<string>();
  const unknownCritical: string[] = [];
  const into: Mutable = { unknownCritical };
  do {
    const extension = list.sequence('an extension');
    const oid = readOid(extension, 'the name of an extension');
    if (seen.has(oid)) throw malformed(`the extension ${oid} is there twice`);
    seen.add(oid);
    const critical = extension.peek() === TAG.boolean && readBoolean(extension, 'whether an extension is critical');
    const value = new DerReader(extension.read(TAG.octetString, 'the value of an extension').body);
    extension.end('an extension');
    const read = READERS[oid];
    if (read) {
      read(value, into, critical);
      value.end(`the extension ${oid}`);
    } else if (critical) unknownCritical.push(oid);
  } while (!list.atEnd);
  return into;
}

function extension(oid: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [encode(TAG.boolean, Buffer.from([0xff]))] : [];
  return encodeSequence(encodeOid(oid), ...flag, encode(TAG.octetString, value));
}

export function basicConstraints(ca: { readonly pathLength: number | undefined } | undefined): Buffer {
  const limit = ca?.pathLength === undefined ? [] : [encodeSmallInteger(ca.pathLength)];
  const body = ca ? [encode(TAG.boolean, Buffer.from([0xff])), ...limit] : [];
  return extension(OID.basicConstraints, true, encodeSequence(...body));
}

/** The bits of key usages, and how many at the end are not used (RFC 5280, 4.2.1.3). */
const USAGE_BITS = {
  digitalSignature: [0x80, 7],
  keyAgreement: [0x08, 3],
  certSign: [0x06, 1],
} as const;

export function keyUsage(usage: keyof typeof USAGE_BITS): Buffer {
  const [bits, unused] = USAGE_BITS[usage];
  return extension(OID.keyUsage, true, encodeBitString(Buffer.from([bits]), unused));
}

export function extendedKeyUsage(...usages: readonly string[]): Buffer {
  return extension(OID.extendedKeyUsage, false, encodeSequence(...usages.map(encodeOid)));
}

/** `names` are encoded general names. Critical, as RFC 5280 4.1.2.6 wants it where the subject is empty. */
export function subjectAltName(names: readonly Buffer[], critical: boolean): Buffer {
  return extension(OID.subjectAltName, critical, encodeSequence(...names));
}

/** Permits URIs of one host alone. */
export function permittedUriHost(host: string): Buffer {
  const subtree = encodeSequence(encode(contextTag(6, false), Buffer.from(host, 'latin1')));
  return extension(OID.nameConstraints, true, encodeSequence(encode(contextTag(0), subtree)));
}

/** What names a public key: the first 160 bits of SHA-256 over the key (RFC 7093 2, method 1). */
export function keyId(spki: Buffer): Buffer {
  const reader = new DerReader(spki).sequence('the public key');
  reader.sequence('the algorithm of the public key');
  const { bits } = readBitString(reader, 'the public key');
  return createHash('sha256').update(bits).digest().subarray(0, 20);
}

export function subjectKeyIdentifier(id: Buffer): Buffer {
  return extension(OID.subjectKeyIdentifier, false, encode(TAG.octetString, id));
}

export function authorityKeyIdentifier(id: Buffer): Buffer {
  return extension(OID.authorityKeyIdentifier, false, encodeSequence(encode(contextTag(0, false), id)));
}
