/** Issues certificates: SVIDs (https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md) and roots. */
import { type KeyObject, randomBytes, sign } from 'node:crypto';
import { type Certificate, parseCertificate } from './certificate.ts';
import { contextTag, encode, encodeSequence } from './der.ts';
import { encodeAlgorithm, encodeBitString, encodeSmallInteger, encodeTime, encodeUnsigned } from './der-types.ts';
import {
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  keyId,
  keyUsage,
  permittedUriHost,
  subjectAltName,
  subjectKeyIdentifier,
} from './extensions.ts';
import { spkiOf } from './key.ts';
import { distinguishedName, uriName } from './names.ts';
import { OID } from './oids.ts';
import { formatSpiffeId, type SpiffeId } from './spiffe.ts';

/** Certificates count from this long before they are made, for clocks that are behind. */
export const BACKDATE_MS = 60_000;

/** A certificate with the key to sign with. */
export interface Issuer {
  readonly certificate: Certificate;
  readonly privateKey: KeyObject;
}

/** The fields of a certificate, encoded but for the times. */
export interface CertificateFields {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly spki: Buffer;
  readonly extensions: readonly Buffer[];
}

/** A random, positive serial of 128 bits, the highest of them set so that all are of one length. */
function randomSerial(): Buffer {
  const octets = randomBytes(16);
  octets[0] = (octets[0] ?? 0) | 0x80;
  return octets;
}

/** Signs a certificate of just these fields with ECDSA and SHA-256. */
export function signCertificate(fields: CertificateFields, privateKey: KeyObject): Buffer {
  const algorithm = encodeAlgorithm(OID.ecdsaWithSha256);
  const tbs = encodeSequence(
    encode(contextTag(0), encodeSmallInteger(2)),
    encodeUnsigned(randomSerial()),
    algorithm,
    fields.issuer,
    encodeSequence(encodeTime(fields.notBeforeMs), encodeTime(fields.notAfterMs)),
    fields.subject,
    fields.spki,
    encode(contextTag(3), encodeSequence(...fields.extensions)),
  );
  const signature = sign('sha256', tbs, { key: privateKey, dsaEncoding: 'der' });
  return encodeSequence(tbs, algorithm, encodeBitString(signature));
}

/** The validity of a certificate made now: whole seconds, as X.509 counts, never shorter than asked for. */
function validity(nowMs: number, lifeMs: number): { readonly notBeforeMs: number; readonly notAfterMs: number } {
  return {
    notBeforeMs: Math.floor((nowMs - BACKDATE_MS) / 1000) * 1000,
    notAfterMs: Math.ceil((nowMs + lifeMs) / 1000) * 1000,
  };
}

export interface IssueOptions {
  readonly issuer: Issuer;
  readonly id: SpiffeId;
  /** SubjectPublicKeyInfo of the key that the certificate is for, as `parseCsr` gives it. */
  readonly spki: Buffer;
  readonly nowMs: number;
  /** How long from now it is valid; cut where the issuer's own validity ends. */
  readonly lifeMs: number;
}

/** Issues an X.509-SVID for servers and clients, valid from a minute ago. Gives its DER. */
export function issueCertificate({ issuer, id, spki, nowMs, lifeMs }: IssueOptions): Buffer {
  const { notBeforeMs, notAfterMs } = validity(nowMs, lifeMs);
  const { certificate } = issuer;
  const extensions = [
    basicConstraints(undefined),
    keyUsage('digitalSignature'),
    extendedKeyUsage(OID.serverAuth, OID.clientAuth),
    subjectAltName([uriName(formatSpiffeId(id))], true),
    subjectKeyIdentifier(keyId(spki)),
    authorityKeyIdentifier(certificate.extensions.subjectKeyId ?? keyId(certificate.spki)),
  ];
  const fields: CertificateFields = {
    issuer: certificate.subject,
    subject: encodeSequence(),
    notBeforeMs: Math.max(notBeforeMs, certificate.notBeforeMs),
    notAfterMs: Math.min(notAfterMs, certificate.notAfterMs),
    spki,
    extensions,
  };
  return signCertificate(fields, issuer.privateKey);
}

export interface RootOptions {
  readonly trustDomain: string;
  readonly privateKey: KeyObject;
  readonly nowMs: number;
  readonly lifeMs: number;
}

/**
 * A trust domain that certificate libraries take for a host name. A name constraint on an IP address is an error to
 * some, so a root of a trust domain that reads like one goes without.
 */
function canBeConstrained(trustDomain: string): boolean {
  return /[a-z]/.test(trustDomain) && !/^[.-]|\.\.|[.-]$/.test(trustDomain);
}

/**
 * Makes a self-signed root that signs leaves alone (path length 0) and, by a name constraint that OpenSSL, BoringSSL
 * and Go all hold, URIs of its own trust domain alone.
 */
export function createRoot({ trustDomain, privateKey, nowMs, lifeMs }: RootOptions): Certificate {
  const spki = spkiOf(privateKey);
  const id = keyId(spki);
  const name = distinguishedName([
    [OID.organization, 'Weft'],
    [OID.commonName, `${trustDomain.slice(0, 40)} root ${id.toString('hex').slice(0, 8)}`],
  ]);
  const constraint = canBeConstrained(trustDomain) ? [permittedUriHost(trustDomain)] : [];
  const fields: CertificateFields = {
    issuer: name,
    subject: name,
    ...validity(nowMs, lifeMs),
    spki,
    extensions: [
      basicConstraints({ pathLength: 0 }),
      keyUsage('certSign'),
      ...constraint,
      subjectAltName([uriName(`spiffe://${trustDomain}`)], false),
      subjectKeyIdentifier(id),
    ],
  };
  return parseCertificate(signCertificate(fields, privateKey));
}
