/** Checks the signatures of tokens (RFC 7515, 5.2). A key is used with the algorithms of its own type alone. */
import { constants, createHmac, timingSafeEqual, verify } from 'node:crypto';
import { ALGORITHMS, type Algorithm } from './algorithms.ts';
import type { Jwk, KeySet } from './jwks.ts';
import type { Jwt } from './jwt.ts';
import type { JwtStatus } from './status.ts';

const ED25519_BYTES = 64;

function isSignedBy({ key }: Jwk, { keyType, hash, isPss }: Algorithm, { signed, signature }: Jwt): boolean {
  switch (keyType) {
    case 'oct': {
      const expected = createHmac(hash ?? '', key)
        .update(signed)
        .digest();
      return expected.length === signature.length && timingSafeEqual(expected, signature);
    }
    case 'EC':
      return verify(hash, signed, { key, dsaEncoding: 'ieee-p1363' }, signature);
    case 'OKP':
      return verify(null, signed, key, signature);
    case 'RSA': {
      if (!isPss) return verify(hash, signed, { key, padding: constants.RSA_PKCS1_PADDING }, signature);
      const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
      return verify(hash, signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature);
    }
  }
}

/**
 * Whether one of the keys signed the token. A key that names itself is tried for tokens that name it, or none; a key that
 * names an algorithm for tokens of that algorithm.
 */
export function verifySignature(jwt: Jwt, keys: KeySet): JwtStatus {
  const algorithm: Algorithm = ALGORITHMS[jwt.algorithm];
  let hasCandidate = false;
  for (const key of keys) {
    if (jwt.keyId !== '' && key.id !== '' && key.id !== jwt.keyId) continue;
    if (key.algorithm !== undefined && key.algorithm !== jwt.algorithm) continue;
    hasCandidate = true;
    // As Envoy: what cannot be of such a key ends the search, whatever other keys there are.
    if (key.type === 'OKP' && jwt.signature.length !== ED25519_BYTES) return 'ed25519-length';
    if (key.type !== algorithm.keyType || (algorithm.curve !== undefined && key.curve !== algorithm.curve)) continue;
    if (isSignedBy(key, algorithm, jwt)) return 'ok';
  }
  return hasCandidate ? 'verification-fail' : 'no-key-matches';
}
