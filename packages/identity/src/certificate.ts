/** Reads X.509 v3 certificates: RFC 5280 4.1, in strict DER. */
import { contextTag, DerReader, malformed, TAG } from './der.ts';
import { readInteger, readOctetBits, readOid, readSmallInteger, readTime } from './der-types.ts';
import { type Extensions, readExtensions } from './extensions.ts';
import { spkiHash } from './key.ts';
import { readDistinguishedName } from './names.ts';
import { pemToDer } from './pem.ts';

/** No certificate of a mesh is larger; what is larger is refused unread. */
const MAX_CERTIFICATE_BYTES = 64 * 1024;

export interface Certificate {
  readonly der: Buffer;
  /** What the issuer signed. */
  readonly tbs: Buffer;
  /** The octets of the serial number. */
  readonly serial: Buffer;
  readonly signatureAlgorithm: string;
  readonly signature: Buffer;
  /** Distinguished names, DER. */
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly notBeforeMs: number;
  /** The last moment at which it is valid. */
  readonly notAfterMs: number;
  /** The SubjectPublicKeyInfo, DER. */
  readonly spki: Buffer;
  readonly extensions: Extensions;
}

/** Reads an algorithm; its parameters are absent or NULL in all that Weft knows. Gives its name and its bytes. */
function readAlgorithm(reader: DerReader, what: string): { readonly oid: string; readonly whole: Buffer } {
  const { body, whole } = reader.read(TAG.sequence, what);
  const inner = new DerReader(body);
  const oid = readOid(inner, what);
  if (!inner.atEnd) inner.any(`the parameters of ${what}`);
  inner.end(what);
  return { oid, whole };
}

/** Reads one certificate; throws `WeftError` INVALID_ARGUMENT for whatever is not one, to the last byte. */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > MAX_CERTIFICATE_BYTES) throw malformed(`a certificate of ${der.length} bytes is too large`);
  const bytes = Buffer.from(der);
  const outer = new DerReader(bytes);
  const certificate = outer.sequence('the certificate');
  outer.end('the certificate');
  const { body, whole: tbs } = certificate.read(TAG.sequence, 'the signed part');
  const algorithm = readAlgorithm(certificate, 'the signature algorithm');
  const signature = readOctetBits(certificate, 'the signature');
  certificate.end('the signature');

  const reader = new DerReader(body);
  const version = readSmallInteger(reader.enter(contextTag(0), 'the version (X.509 v3)'), 'the version');
  if (version !== 2) throw malformed('the certificate is not X.509 v3');
  const serial = readInteger(reader, 'the serial number');
  if (serial.length > 20) throw malformed('the serial number is longer than 20 octets');
  if (!readAlgorithm(reader, 'the signature algorithm').whole.equals(algorithm.whole)) {
    throw malformed('the two signature algorithms of the certificate differ');
  }
  const issuer = readDistinguishedName(reader, 'the issuer');
  const validity = reader.sequence('the validity');
  const notBeforeMs = readTime(validity, 'the start of the validity');
  const notAfterMs = readTime(validity, 'the end of the validity');
  validity.end('the validity');
  const subject = readDistinguishedName(reader, 'the subject');
  const spki = reader.read(TAG.sequence, 'the public key').whole;
  const list = reader.enter(contextTag(3), 'the extensions');
  reader.end('the extensions');
  const extensions = readExtensions(list.sequence('the extensions'));
  list.end('the extensions');
  return {
    der: bytes,
    tbs,
    serial,
    signatureAlgorithm: algorithm.oid,
    signature,
    issuer,
    subject,
    notBeforeMs,
    notAfterMs,
    spki,
    extensions,
  };
}

/** Every certificate in a PEM text, in order. */
export function parsePemCertificates(pem: string): Certificate[] {
  return pemToDer(pem).map(parseCertificate);
}

/** SHA-256 of the certificate's public key: what a join token names a root by. */
export function publicKeyHash(certificate: Certificate): Buffer {
  return spkiHash(certificate.spki);
}
