/** Reads sets of public keys (RFC 7517; RFC 7518, 6; RFC 8037, 2), and certificates by their key ids. */
import { createPublicKey, createSecretKey, type KeyObject, X509Certificate } from 'node:crypto';
import { ALGORITHMS, type AlgorithmName, type KeyType } from './algorithms.ts';
import { type JsonObject, parseObject } from './json.ts';
import { decodeBase64url } from './jwt.ts';

export interface Jwk {
  /** '' where it is not said: fits every token. */
  readonly id: string;
  readonly type: KeyType;
  /** The only algorithm that it may be used with; undefined where it is not said. */
  readonly algorithm: AlgorithmName | undefined;
  /** Of EC. */
  readonly curve: string | undefined;
  readonly key: KeyObject;
}

/** The keys of one set, as one value: another set is another value. */
export type KeySet = readonly Jwk[];

function text(object: JsonObject, name: string): string | undefined {
  const value = object[name];
  return typeof value === 'string' ? value : undefined;
}

const CURVES: readonly unknown[] = ['P-256', 'P-384', 'P-521'];

/** Members that make up the key of each type. */
const MEMBERS: Readonly<Record<Exclude<KeyType, 'oct'>, readonly string[]>> = {
  RSA: ['n', 'e'],
  EC: ['x', 'y'],
  OKP: ['x'],
};

const MIN_RSA_BITS = 1024;

function publicKey(type: Exclude<KeyType, 'oct'>, jwk: JsonObject, crv: string | undefined): KeyObject | undefined {
  const members: Record<string, string> = { kty: type, ...(crv === undefined ? {} : { crv }) };
  for (const name of MEMBERS[type]) {
    const value = text(jwk, name);
    if (value === undefined || !decodeBase64url(value.replace(/=+$/, ''))) return undefined;
    members[name] = value;
  }
  try {
    const key = createPublicKey({ key: members, format: 'jwk' });
    const bits = key.asymmetricKeyDetails?.modulusLength;
    return bits !== undefined && bits < MIN_RSA_BITS ? undefined : key;
  } catch {
    // A key that cannot be one is left out, as one of an unknown type is.
    return undefined;
  }
}

function secretKey(jwk: JsonObject): KeyObject | undefined {
  const bytes = decodeBase64url((text(jwk, 'k') ?? '').replace(/=+$/, ''));
  return bytes && bytes.length > 0 ? createSecretKey(bytes) : undefined;
}

/** The curve of an EC key: where it is not said its algorithm says it. */
function curveOf(jwk: JsonObject, algorithm: AlgorithmName | undefined): string | undefined {
  const ofAlgorithm = algorithm && 'curve' in ALGORITHMS[algorithm] ? ALGORITHMS[algorithm].curve : undefined;
  const curve = jwk.crv === undefined ? (ofAlgorithm ?? 'P-256') : jwk.crv;
  if (!CURVES.includes(curve) || (ofAlgorithm !== undefined && ofAlgorithm !== curve)) return undefined;
  return curve as string;
}

/** A key of a set; undefined for one that is malformed or of a type that is not supported. */
function readKey(jwk: JsonObject): Jwk | undefined {
  const [type, id = '', named] = [text(jwk, 'kty'), text(jwk, 'kid'), text(jwk, 'alg')];
  if (named !== undefined && !Object.hasOwn(ALGORITHMS, named)) return undefined;
  const algorithm = named as AlgorithmName | undefined;
  if (algorithm && ALGORITHMS[algorithm].keyType !== type) return undefined;
  const made = (key: KeyObject | undefined, keyType: KeyType, curve?: string): Jwk | undefined =>
    key && { id, type: keyType, algorithm, curve, key };
  switch (type) {
    case 'RSA':
      return made(publicKey('RSA', jwk, undefined), 'RSA');
    case 'EC': {
      const curve = curveOf(jwk, algorithm);
      return curve === undefined ? undefined : made(publicKey('EC', jwk, curve), 'EC', curve);
    }
    case 'OKP':
      return jwk.crv === 'Ed25519' ? made(publicKey('OKP', jwk, 'Ed25519'), 'OKP') : undefined;
    case 'oct':
      return made(secretKey(jwk), 'oct');
    default:
      return undefined;
  }
}

/** An object of certificates in PEM, by the ids of their keys, as Google publishes them. */
function readCertificates(object: JsonObject): KeySet | undefined {
  const keys: Jwk[] = [];
  for (const [id, pem] of Object.entries(object)) {
    if (id === '' || typeof pem !== 'string') return undefined;
    try {
      const key = new X509Certificate(pem).publicKey;
      if (key.asymmetricKeyType !== 'rsa') return undefined;
      keys.push({ id, type: 'RSA', algorithm: undefined, curve: undefined, key });
    } catch {
      // One that is no certificate makes the others doubtful.
      return undefined;
    }
  }
  return keys;
}

/** The keys of a set, without those that cannot be used; or, in words, why there is none. */
export function parseJwks(bytes: Buffer): KeySet | string {
  const set = parseObject(bytes);
  if (!set) return 'Jwks is an invalid JSON';
  const { keys } = set;
  if (keys === undefined) {
    const certificates = readCertificates(set);
    return certificates && certificates.length > 0 ? certificates : 'Jwks does not have [keys] field';
  }
  if (!Array.isArray(keys)) return '[keys] in Jwks is not an array';
  const usable: Jwk[] = [];
  for (const jwk of keys as readonly unknown[]) {
    const key = typeof jwk === 'object' && jwk !== null && !Array.isArray(jwk) ? readKey(jwk as JsonObject) : undefined;
    if (key) usable.push(key);
  }
  return usable.length > 0 ? usable : "Jwks doesn't have any valid public key";
}
