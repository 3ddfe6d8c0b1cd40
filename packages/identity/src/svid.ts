/** An identity document with its key, as a workload holds it. */
import { WeftError } from '@weft/contracts/error';
import { parseCertificate } from './certificate.ts';
import { keyFromPem, spkiOf } from './key.ts';
import { chainToPem, pemToDer } from './pem.ts';
import { parseSpiffeId, type SpiffeId } from './spiffe.ts';

export interface Svid {
  readonly id: SpiffeId;
  /** DER, the leaf first, without the root. */
  readonly chain: readonly Buffer[];
  readonly chainPem: string;
  /** PKCS #8. */
  readonly keyPem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/**
 * Puts a chain (DER, the leaf first, or PEM) and its key together. Throws `WeftError` INVALID_ARGUMENT when the leaf
 * names no identity of Weft's form or is not of that key. Whether it is to be trusted is `verifySvid`'s to say.
 */
export function createSvid(chain: readonly Uint8Array[] | string, keyPem: string): Svid {
  const ders = typeof chain === 'string' ? pemToDer(chain) : chain.map((der) => Buffer.from(der));
  const [leafDer] = ders;
  if (!leafDer) throw new WeftError('INVALID_ARGUMENT', 'the chain of the identity is empty');
  const leaf = parseCertificate(leafDer);
  const uri = leaf.extensions.names?.find((name) => name.type === 'uri');
  if (uri?.type !== 'uri') throw new WeftError('INVALID_ARGUMENT', 'the certificate names no identity');
  if (!spkiOf(keyFromPem(keyPem)).equals(leaf.spki)) {
    throw new WeftError('INVALID_ARGUMENT', 'the private key is not that of the certificate');
  }
  return {
    id: parseSpiffeId(uri.text),
    chain: ders,
    chainPem: chainToPem(ders),
    keyPem,
    notBeforeMs: leaf.notBeforeMs,
    notAfterMs: leaf.notAfterMs,
  };
}

/** When to renew: a random moment between half and two thirds of what is left of the life at `fromMs`. */
export function renewAtMs(svid: Pick<Svid, 'notAfterMs'>, fromMs: number, random: () => number = Math.random): number {
  const leftMs = Math.max(0, svid.notAfterMs - fromMs);
  return fromMs + leftMs * (0.5 + random() * (2 / 3 - 0.5));
}
