/** What may be wrong with a token or a set of keys, in Envoy's words and with its numbers. */

interface StatusText {
  /** As `failed_status_in_metadata` tells it. */
  readonly code: number;
  /** As clients, logs and metadata get it. */
  readonly text: string;
}

const STATUSES = {
  ok: { code: 0, text: 'OK' },
  missing: { code: 1, text: 'Jwt is missing' },
  'not-yet-valid': { code: 2, text: 'Jwt not yet valid' },
  expired: { code: 3, text: 'Jwt is expired' },
  'bad-format': {
    code: 4,
    text: 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
  },
  'header-base64': { code: 5, text: 'Jwt header is an invalid Base64url encoded' },
  'header-json': { code: 6, text: 'Jwt header is an invalid JSON' },
  'header-alg': { code: 7, text: 'Jwt header [alg] field is required and must be a string' },
  'header-alg-unknown': { code: 8, text: 'Jwt header [alg] is not supported' },
  'header-kid': { code: 9, text: 'Jwt header [kid] field is not a string' },
  'payload-base64': { code: 10, text: 'Jwt payload is an invalid Base64url encoded' },
  'payload-json': { code: 11, text: 'Jwt payload is an invalid JSON' },
  'payload-iss': { code: 12, text: 'Jwt payload [iss] field is not a string' },
  'payload-sub': { code: 13, text: 'Jwt payload [sub] field is not a string' },
  'payload-iat': { code: 14, text: 'Jwt payload [iat] field is not an integer' },
  'payload-iat-range': { code: 15, text: 'Jwt payload [iat] field is not a positive 64 bit integer' },
  'payload-nbf': { code: 16, text: 'Jwt payload [nbf] field is not an integer' },
  'payload-nbf-range': { code: 17, text: 'Jwt payload [nbf] field is not a positive 64 bit integer' },
  'payload-exp': { code: 18, text: 'Jwt payload [exp] field is not an integer' },
  'payload-exp-range': { code: 19, text: 'Jwt payload [exp] field is not a positive 64 bit integer' },
  'payload-jti': { code: 20, text: 'Jwt payload [jti] field is not a string' },
  'payload-aud': { code: 21, text: 'Jwt payload [aud] field is not a string or string list' },
  'signature-base64': { code: 22, text: 'Jwt signature is an invalid Base64url encoded' },
  'ed25519-length': { code: 23, text: 'Jwt ED25519 signature is wrong length' },
  'unknown-issuer': { code: 24, text: 'Jwt issuer is not configured' },
  'audience-not-allowed': { code: 25, text: 'Audiences in Jwt are not allowed' },
  'verification-fail': { code: 26, text: 'Jwt verification fails' },
  'no-key-matches': { code: 32, text: "Jwks doesn't have key to match kid or alg from Jwt" },
  'fetch-fail': { code: 40, text: 'Jwks remote fetch is failed' },
} as const satisfies Readonly<Record<string, StatusText>>;

export type JwtStatus = keyof typeof STATUSES;

export function statusText(status: JwtStatus): string {
  return STATUSES[status].text;
}

/** As metadata tells it. */
export function statusMetadata(status: JwtStatus): { readonly code: number; readonly message: string } {
  const { code, text } = STATUSES[status];
  return { code, message: text };
}
