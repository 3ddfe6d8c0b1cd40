/** What both directions of TLS say to OpenSSL about certificates and ciphers. */
import { X509Certificate } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import type { CertificateConfig, TlsConfig } from '../config/tls.ts';
import type { Trust } from './validation.ts';

/**
 * Of TLS 1.3, which `cipher_suites` does not speak of. With 128 bits first, as BoringSSL has it where the processor knows
 * AES, and so what two Envoys agree on: 14 rounds cost two fifths more than 10, and SHA-384 more than SHA-256.
 */
const TLS13_CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';

/** Of TLS 1.2 where the configuration names none: those of Envoy, all with forward secrecy and authenticated. */
export const TLS12_CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
].join(':');

const CERTIFICATES = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/**
 * The chain to present. To a leaf that stands alone OpenSSL adds, in every handshake, the roots below which it stands, and
 * checks signatures to find them. Said beforehand, that is not done again.
 */
export function presentedChain(chain: string, rootsPem: readonly string[]): string {
  if (chain.match(CERTIFICATES)?.length !== 1) return chain;
  const leaf = new X509Certificate(chain);
  const root = rootsPem
    .flatMap(splitPem)
    .map((pem) => new X509Certificate(pem))
    .find((candidate) => leaf.checkIssued(candidate) && leaf.verify(candidate.publicKey));
  return root && !root.raw.equals(leaf.raw) ? `${chain.trimEnd()}\n${root.toString()}` : chain;
}

/** The certificates of a PEM, one by one. */
export function splitPem(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
}

/** `trust`: whom this side believes. */
export function contextOptions(
  { ciphers, curves, signatureAlgorithms, minVersion, maxVersion }: TlsConfig,
  certificate: CertificateConfig | undefined,
  { rootsPem, crls, trustsIntermediates }: Trust,
): SecureContextOptions {
  return {
    minVersion,
    maxVersion,
    ca: [...rootsPem],
    ...(crls.length > 0 && { crl: [...crls] }),
    ...(trustsIntermediates && { allowPartialTrustChain: true }),
    ciphers: `${TLS13_CIPHERS}:${ciphers ?? TLS12_CIPHERS}`,
    honorCipherOrder: true,
    ...(curves === undefined ? {} : { ecdhCurve: curves }),
    ...(signatureAlgorithms === undefined ? {} : { sigalgs: signatureAlgorithms }),
    ...(certificate && { cert: presentedChain(certificate.chain, rootsPem), key: certificate.key }),
    ...(certificate?.passphrase === undefined ? {} : { passphrase: certificate.passphrase }),
  };
}
