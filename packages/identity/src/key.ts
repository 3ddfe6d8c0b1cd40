/** Keys of SVIDs and roots: ECDSA on P-256 alone. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { WeftError } from '@weft/contracts/error';

/** What stands before the 64 octets of an uncompressed point in the SubjectPublicKeyInfo of a P-256 key (RFC 5480). */
const P256_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const P256_SPKI_BYTES = P256_PREFIX.length + 64;

/** A new private key. */
export function generateKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** PKCS #8 in PEM; encrypted with AES-256 when a passphrase is given. */
export function keyToPem(privateKey: KeyObject, passphrase?: string): string {
  const plain = { type: 'pkcs8', format: 'pem' } as const;
  return passphrase === undefined
    ? privateKey.export(plain)
    : privateKey.export({ ...plain, cipher: 'aes-256-cbc', passphrase });
}

/** Reads what {@link keyToPem} writes; throws `WeftError` INVALID_ARGUMENT for any other key or a wrong passphrase. */
export function keyFromPem(pem: string, passphrase?: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(passphrase === undefined ? pem : { key: pem, passphrase });
  } catch (cause) {
    const encrypted = pem.includes('ENCRYPTED') ? ', or its passphrase is wrong or missing' : '';
    throw new WeftError('INVALID_ARGUMENT', `the private key cannot be read: it is not a key in PEM${encrypted}`, {
      cause,
    });
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new WeftError('INVALID_ARGUMENT', 'the private key is not an ECDSA key on the curve P-256');
  }
  return key;
}

/** The SubjectPublicKeyInfo of a key, DER. */
export function spkiOf(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ type: 'spki', format: 'der' });
}

/** The public key in a SubjectPublicKeyInfo, which must be an uncompressed point on P-256. */
export function p256PublicKey(spki: Buffer): KeyObject {
  if (spki.length !== P256_SPKI_BYTES || !spki.subarray(0, P256_PREFIX.length).equals(P256_PREFIX)) {
    throw new WeftError('INVALID_ARGUMENT', 'the public key is not an ECDSA key on the curve P-256');
  }
  return publicKeyOf(spki);
}

/** The public key in any SubjectPublicKeyInfo; throws `WeftError` INVALID_ARGUMENT when it is none. */
export function publicKeyOf(spki: Buffer): KeyObject {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch (cause) {
    throw new WeftError('INVALID_ARGUMENT', 'the public key cannot be read', { cause });
  }
}

/** SHA-256 of a SubjectPublicKeyInfo: what names a root in a join token. */
export function spkiHash(spki: Uint8Array): Buffer {
  return createHash('sha256').update(spki).digest();
}
