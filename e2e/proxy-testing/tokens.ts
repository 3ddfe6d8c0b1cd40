/** Tokens as an issuer makes them, and as others forge them. */
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface TokenIssuer {
  /** Texts are taken as they are in place of objects. */
  token(payload: object | string, header?: object): string;
  /** Writes the set of keys as `keys/jwks.json`. */
  writeKeys(folder: string): void;
  /** Signs by HMAC with a text: the public key, say. */
  forged(payload: object, header: object): string;
}

function encode(value: object | string): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

export function makeTokenIssuer(): TokenIssuer {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed25519 = generateKeyPairSync('ed25519');
  const signers: Readonly<Record<string, (data: Buffer) => Buffer>> = {
    RS256: (data) => sign('sha256', data, rsa.privateKey),
    RS512: (data) => sign('sha512', data, rsa.privateKey),
    ES256: (data) => sign('sha256', data, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }),
    EdDSA: (data) => sign(null, data, ed25519.privateKey),
  };
  const jwk = (key: KeyObject, kid: string) => ({ ...key.export({ format: 'jwk' }), kid });
  const keys = [jwk(rsa.publicKey, 'rsa'), jwk(ec.publicKey, 'ec'), jwk(ed25519.publicKey, 'ed25519')];
  return {
    token(payload, header = { alg: 'RS256', kid: 'rsa' }) {
      const data = `${encode(header)}.${encode(payload)}`;
      const { alg } = header as { readonly alg?: string };
      const signer = signers[alg ?? ''] ?? signers.RS256;
      return `${data}.${signer?.(Buffer.from(data)).toString('base64url')}`;
    },
    forged(payload, header) {
      const data = `${encode(header)}.${encode(payload)}`;
      const key = rsa.publicKey.export({ type: 'spki', format: 'pem' });
      return `${data}.${createHmac('sha256', key).update(data).digest('base64url')}`;
    },
    writeKeys(folder) {
      mkdirSync(join(folder, 'keys'), { recursive: true });
      writeFileSync(join(folder, 'keys', 'jwks.json'), JSON.stringify({ keys }));
    },
  };
}
