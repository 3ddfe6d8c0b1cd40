/** Checks the signatures in a chain, with algorithms that are not weak. */
import { type KeyObject, verify } from 'node:crypto';
import type { Certificate } from './certificate.ts';
import { publicKeyOf } from './key.ts';
import { OID } from './oids.ts';

const MIN_RSA_BITS = 2048;
const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

interface Algorithm {
  readonly key: 'ec' | 'rsa' | 'ed25519';
  readonly digest: string | null;
}

const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  [OID.ecdsaWithSha256]: { key: 'ec', digest: 'sha256' },
  [OID.ecdsaWithSha384]: { key: 'ec', digest: 'sha384' },
  [OID.ecdsaWithSha512]: { key: 'ec', digest: 'sha512' },
  [OID.sha256WithRsa]: { key: 'rsa', digest: 'sha256' },
  [OID.sha384WithRsa]: { key: 'rsa', digest: 'sha384' },
  [OID.sha512WithRsa]: { key: 'rsa', digest: 'sha512' },
  [OID.ed25519]: { key: 'ed25519', digest: null },
};

/** Whether a public key is of a kind and size that X.509 may still be trusted with. */
export function isStrongKey(key: KeyObject): boolean {
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec') return CURVES.has(namedCurve);
  if (key.asymmetricKeyType === 'rsa') return modulusLength >= MIN_RSA_BITS;
  return key.asymmetricKeyType === 'ed25519';
}

/** Whether `issuer` signed `certificate`, with a strong key and algorithm. */
export function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  const algorithm = ALGORITHMS[certificate.signatureAlgorithm];
  if (!algorithm) return false;
  const key = publicKeyOf(issuer.spki);
  if (key.asymmetricKeyType !== algorithm.key || !isStrongKey(key)) return false;
  const options = algorithm.key === 'ec' ? ({ key, dsaEncoding: 'der' } as const) : key;
  return verify(algorithm.digest, certificate.tbs, options, certificate.signature);
}
