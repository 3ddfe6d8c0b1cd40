/** Issuers of tokens, and sets of their keys; for tests. */
import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { ALGORITHMS, type Algorithm, type AlgorithmName } from '../algorithms.ts';

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const SECRET = Buffer.from('a secret of forty bytes, as HMAC likes it');

/** Signs tokens with one key for each type, whose id is the type's name. */
export class Issuer {
  readonly rsa: Pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  readonly ec: Readonly<Record<string, Pair>> = {
    'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    'P-384': generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    'P-521': generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  };
  readonly ed25519: Pair = generateKeyPairSync('ed25519');

  /** As JSON Web Keys, with their ids. */
  get keys(): readonly Readonly<Record<string, unknown>>[] {
    const jwk = ({ publicKey }: Pair, kid: string) => ({ ...publicKey.export({ format: 'jwk' }), kid });
    return [
      jwk(this.rsa, 'RSA'),
      ...Object.entries(this.ec).map(([curve, pair]) => jwk(pair, curve)),
      jwk(this.ed25519, 'OKP'),
      { kty: 'oct', kid: 'oct', k: SECRET.toString('base64url') },
    ];
  }

  get jwks(): string {
    return JSON.stringify({ keys: this.keys });
  }

  signature(algorithm: AlgorithmName, data: string): Buffer {
    const { keyType, hash, curve, isPss }: Algorithm = ALGORITHMS[algorithm];
    const bytes = Buffer.from(data);
    switch (keyType) {
      case 'RSA': {
        const padding = isPss ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
        return sign(hash, bytes, { key: this.rsa.privateKey, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST });
      }
      case 'EC':
        return sign(hash, bytes, { key: (this.ec[curve ?? ''] as Pair).privateKey, dsaEncoding: 'ieee-p1363' });
      case 'OKP':
        return sign(null, bytes, this.ed25519.privateKey);
      case 'oct':
        return createHmac(hash ?? '', SECRET)
          .update(bytes)
          .digest();
    }
  }

  /** A token; texts are taken as they are in place of objects. */
  token(payload: object | string, header: object | string = { alg: 'RS256', kid: 'RSA' }): string {
    const encode = (value: object | string) =>
      Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
    const data = `${encode(header)}.${encode(payload)}`;
    const algorithm = typeof header === 'string' ? undefined : (header as { readonly alg?: unknown }).alg;
    const isKnown = typeof algorithm === 'string' && Object.hasOwn(ALGORITHMS, algorithm);
    const signature = this.signature(isKnown ? (algorithm as AlgorithmName) : 'RS256', data);
    return `${data}.${signature.toString('base64url')}`;
  }
}
