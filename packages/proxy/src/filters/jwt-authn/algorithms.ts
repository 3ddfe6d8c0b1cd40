/** Algorithms of signatures (RFC 7518, 3; RFC 8037), and which keys each goes with. `none` is not one of them. */

export type KeyType = 'RSA' | 'EC' | 'oct' | 'OKP';

export interface Algorithm {
  readonly keyType: KeyType;
  readonly hash: 'sha256' | 'sha384' | 'sha512' | undefined;
  /** Of EC: the only curve that it goes with. */
  readonly curve?: 'P-256' | 'P-384' | 'P-521';
  /** Of RSA. */
  readonly isPss?: boolean;
}

export const ALGORITHMS = {
  RS256: { keyType: 'RSA', hash: 'sha256' },
  RS384: { keyType: 'RSA', hash: 'sha384' },
  RS512: { keyType: 'RSA', hash: 'sha512' },
  PS256: { keyType: 'RSA', hash: 'sha256', isPss: true },
  PS384: { keyType: 'RSA', hash: 'sha384', isPss: true },
  PS512: { keyType: 'RSA', hash: 'sha512', isPss: true },
  ES256: { keyType: 'EC', hash: 'sha256', curve: 'P-256' },
  ES384: { keyType: 'EC', hash: 'sha384', curve: 'P-384' },
  ES512: { keyType: 'EC', hash: 'sha512', curve: 'P-521' },
  HS256: { keyType: 'oct', hash: 'sha256' },
  HS384: { keyType: 'oct', hash: 'sha384' },
  HS512: { keyType: 'oct', hash: 'sha512' },
  EdDSA: { keyType: 'OKP', hash: undefined },
} as const satisfies Readonly<Record<string, Algorithm>>;

export type AlgorithmName = keyof typeof ALGORITHMS;
