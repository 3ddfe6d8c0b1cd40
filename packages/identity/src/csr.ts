/** Certificate signing requests: PKCS #10, RFC 2986. */
import { type KeyObject, sign, verify } from 'node:crypto';
import { WeftError } from '@weft/contracts/error';
import { contextTag, DerReader, encode, encodeSequence, malformed, TAG } from './der.ts';
import {
  encodeAlgorithm,
  encodeBitString,
  encodeSmallInteger,
  readOctetBits,
  readOid,
  readSmallInteger,
} from './der-types.ts';
import { p256PublicKey, spkiOf } from './key.ts';
import { readDistinguishedName } from './names.ts';
import { OID } from './oids.ts';

const MAX_CSR_BYTES = 16 * 1024;

/**
 * A request for a certificate of that key, signed by it, DER. It names nobody: who the certificate is for is decided by
 * what the CA knows of the caller.
 */
export function createCsr(privateKey: KeyObject): Buffer {
  const info = encodeSequence(encodeSmallInteger(0), encodeSequence(), spkiOf(privateKey), encode(contextTag(0)));
  const signature = sign('sha256', info, { key: privateKey, dsaEncoding: 'der' });
  return encodeSequence(info, encodeAlgorithm(OID.ecdsaWithSha256), encodeBitString(signature));
}

/**
 * Reads a request and checks that it is signed by the key that it asks for (proof of possession). Gives the
 * SubjectPublicKeyInfo of that P-256 key. Names and attributes in it are passed over. Throws `WeftError`
 * INVALID_ARGUMENT for anything else.
 */
export function parseCsr(der: Uint8Array): Buffer {
  if (der.length > MAX_CSR_BYTES) throw malformed(`a certificate signing request of ${der.length} bytes is too large`);
  const outer = new DerReader(Buffer.from(der));
  const request = outer.sequence('the certificate signing request');
  outer.end('the certificate signing request');
  const info = request.read(TAG.sequence, 'the signed part');
  const algorithm = request.sequence('the signature algorithm');
  const oid = readOid(algorithm, 'the signature algorithm');
  const signature = readOctetBits(request, 'the signature');
  request.end('the signature');
  if (oid !== OID.ecdsaWithSha256 || !algorithm.atEnd) {
    throw new WeftError('INVALID_ARGUMENT', 'the certificate signing request is not signed with ECDSA and SHA-256');
  }
  const reader = new DerReader(info.body);
  if (readSmallInteger(reader, 'the version') !== 0) throw malformed('the signing request is not of version 1');
  readDistinguishedName(reader, 'the subject');
  const spki = reader.read(TAG.sequence, 'the public key').whole;
  reader.read(contextTag(0), 'the attributes');
  reader.end('the attributes');
  const key = p256PublicKey(spki);
  if (!verify('sha256', info.whole, { key, dsaEncoding: 'der' }, signature)) {
    throw new WeftError(
      'INVALID_ARGUMENT',
      'the certificate signing request is not signed by the key that it asks a certificate for',
    );
  }
  return Buffer.from(spki);
}
