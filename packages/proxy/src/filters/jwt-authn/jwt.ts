/** Reads JSON Web Tokens in their compact form (RFC 7515, 7.1; RFC 7519). Nothing that is read is believed yet. */
import { ALGORITHMS, type AlgorithmName } from './algorithms.ts';
import { type JsonObject, parseObject } from './json.ts';
import type { JwtStatus } from './status.ts';

export interface Jwt {
  readonly header: JsonObject;
  readonly payload: JsonObject;
  readonly algorithm: AlgorithmName;
  /** '' where the token does not name its key. */
  readonly keyId: string;
  readonly issuer: string;
  readonly subject: string;
  readonly audiences: readonly string[];
  /** Seconds since 1970; 0 where it is not said. */
  readonly notBeforeS: number;
  /** Seconds since 1970; undefined where it is not said. */
  readonly expiresS: number | undefined;
  /** As it stands in the token. */
  readonly encodedPayload: string;
  /** What the signature is of. */
  readonly signed: Buffer;
  readonly signature: Buffer;
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const BASE64URL = /^[A-Za-z0-9_-]*$/;

/** Bytes of base64url without padding, in the only form that they have (RFC 7515, 2); undefined for anything else. */
export function decodeBase64url(text: string): Buffer | undefined {
  const left = text.length % 4;
  if (left === 1 || !BASE64URL.test(text)) return undefined;
  // Bits of the last digit that belong to no byte are zero.
  const spare = left === 2 ? 0b1111 : left === 3 ? 0b11 : 0;
  if (spare !== 0 && (DIGITS.indexOf(text.at(-1) as string) & spare) !== 0) return undefined;
  return Buffer.from(text, 'base64url');
}

const MAX_TIME = 2 ** 63;

/** A time in seconds; undefined where it is not there. */
function readTime(payload: JsonObject, name: 'iat' | 'nbf' | 'exp'): number | undefined | JwtStatus {
  if (!Object.hasOwn(payload, name)) return undefined;
  const value = payload[name];
  if (typeof value !== 'number') return `payload-${name}`;
  return value < 0 || value >= MAX_TIME ? `payload-${name}-range` : Math.trunc(value);
}

/** A text; '' where it is not there, undefined where it is something else. */
function readText(object: JsonObject, name: string): string | undefined {
  if (!Object.hasOwn(object, name)) return '';
  const value = object[name];
  return typeof value === 'string' ? value : undefined;
}

function readAudiences(payload: JsonObject): readonly string[] | undefined {
  if (!Object.hasOwn(payload, 'aud')) return [];
  const { aud } = payload;
  if (typeof aud === 'string') return [aud];
  return Array.isArray(aud) && aud.every((entry) => typeof entry === 'string') ? aud : undefined;
}

type Header = Pick<Jwt, 'header' | 'algorithm' | 'keyId'>;

function readHeader(encoded: string): Header | JwtStatus {
  const bytes = decodeBase64url(encoded);
  if (!bytes) return 'header-base64';
  const header = parseObject(bytes);
  if (!header) return 'header-json';
  const algorithm = readText(header, 'alg');
  if (!algorithm) return Object.hasOwn(header, 'alg') && algorithm === '' ? 'header-alg-unknown' : 'header-alg';
  if (!Object.hasOwn(ALGORITHMS, algorithm)) return 'header-alg-unknown';
  const keyId = readText(header, 'kid');
  if (keyId === undefined) return 'header-kid';
  // What must be understood and is not (RFC 7515, 4.1.11): no extension is.
  if (Object.hasOwn(header, 'crit')) return 'verification-fail';
  return { header, algorithm: algorithm as AlgorithmName, keyId };
}

type Claims = Pick<Jwt, 'payload' | 'issuer' | 'subject' | 'audiences' | 'notBeforeS' | 'expiresS'>;

function readClaims(encoded: string): Claims | JwtStatus {
  const bytes = decodeBase64url(encoded);
  if (!bytes) return 'payload-base64';
  const payload = parseObject(bytes);
  if (!payload) return 'payload-json';
  const [issuer, subject] = [readText(payload, 'iss'), readText(payload, 'sub')];
  if (issuer === undefined) return 'payload-iss';
  if (subject === undefined) return 'payload-sub';
  const [issuedAt, notBefore, expires] = [readTime(payload, 'iat'), readTime(payload, 'nbf'), readTime(payload, 'exp')];
  if (typeof issuedAt === 'string') return issuedAt;
  if (typeof notBefore === 'string') return notBefore;
  if (typeof expires === 'string') return expires;
  if (readText(payload, 'jti') === undefined) return 'payload-jti';
  const audiences = readAudiences(payload);
  if (!audiences) return 'payload-aud';
  return { payload, issuer, subject, audiences, notBeforeS: notBefore ?? 0, expiresS: expires };
}

/** What a token says, or what is wrong with it. */
export function parseJwt(token: string): Jwt | JwtStatus {
  const parts = token.split('.');
  const [encodedHeader, encodedPayload, encodedSignature] = parts;
  if (parts.length !== 3 || !encodedHeader || !encodedPayload || !encodedSignature) return 'bad-format';
  const header = readHeader(encodedHeader);
  if (typeof header === 'string') return header;
  const claims = readClaims(encodedPayload);
  if (typeof claims === 'string') return claims;
  const signature = decodeBase64url(encodedSignature);
  if (!signature) return 'signature-base64';
  const signed = Buffer.from(`${encodedHeader}.${encodedPayload}`, 'latin1');
  return { ...header, ...claims, encodedPayload, signed, signature };
}

/** Whether the time is one at which the token holds. Both limits are moved by `skewS` seconds. */
export function checkTime({ notBeforeS, expiresS }: Jwt, nowS: number, skewS: number): JwtStatus {
  if (nowS + skewS < notBeforeS) return 'not-yet-valid';
  return expiresS !== undefined && nowS > expiresS + skewS ? 'expired' : 'ok';
}
