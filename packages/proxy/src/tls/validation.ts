/** Whom a TLS context believes and accepts, made ready from what configuration and secrets say. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { type Certificate, parseTrust } from '@weft/identity';
import type { CertificateConfig, SanMatcher, ValidationConfig } from '../config/tls.ts';
import { Recent } from './recent.ts';

export interface Validation {
  /** PEM of everything that may end a chain. */
  readonly rootsPem: readonly string[];
  /** Of any of these, where there are some. */
  readonly sanMatchers: readonly SanMatcher[];
  readonly certificateHashes: readonly string[];
  readonly keyHashes: readonly string[];
  /**
   * Set where the peer must prove a SPIFFE ID: gives the roots of a trust domain, undefined where it is not trusted.
   */
  readonly spiffeRoots: ((trustDomain: string) => readonly Certificate[] | undefined) | undefined;
  /** Chains that were accepted a short while ago by all of the above. */
  readonly accepted: Recent<true>;
  /** Leaves of chains that were accepted: a resumed session has no more of the chain than that. */
  readonly resumable: Recent<true>;
}

/** What a context says and what its secret says, as one: lists are joined, the secret's single values win. */
export function mergeValidation(
  own: ValidationConfig | undefined,
  secret: ValidationConfig | undefined,
): ValidationConfig | undefined {
  if (!own || !secret) return own ?? secret;
  return {
    trustedCa: secret.trustedCa ?? own.trustedCa,
    certificateHashes: [...own.certificateHashes, ...secret.certificateHashes],
    keyHashes: [...own.keyHashes, ...secret.keyHashes],
    sanMatchers: [...own.sanMatchers, ...secret.sanMatchers],
    spiffeBundles: secret.spiffeBundles ?? own.spiffeBundles,
  };
}

/** Makes it ready; throws where a certificate cannot be read. */
export function prepareValidation(config: ValidationConfig): Validation {
  const { trustedCa, sanMatchers, spiffeBundles } = config;
  const rootsPem = spiffeBundles ? [...spiffeBundles.values()] : trustedCa === undefined ? [] : [trustedCa];
  const asksForSpiffe = sanMatchers.length > 0 && sanMatchers.every(({ isSpiffe }) => isSpiffe);
  return {
    rootsPem,
    sanMatchers,
    certificateHashes: config.certificateHashes,
    keyHashes: config.keyHashes,
    spiffeRoots: spiffeBundles
      ? rootsByDomain(spiffeBundles)
      : asksForSpiffe && trustedCa !== undefined
        ? rootsOfAll(trustedCa)
        : undefined,
    accepted: new Recent(),
    resumable: new Recent(),
  };
}

function rootsByDomain(
  bundles: ReadonlyMap<string, string>,
): (trustDomain: string) => readonly Certificate[] | undefined {
  const parsed = new Map([...bundles].map(([domain, pem]) => [domain, parseTrust([pem])]));
  return (trustDomain) => parsed.get(trustDomain);
}

function rootsOfAll(pem: string): () => readonly Certificate[] {
  const roots = parseTrust([pem]);
  return () => roots;
}

/** What is wrong with a validation context; undefined where nothing is. */
export function checkValidation(config: ValidationConfig): string | undefined {
  try {
    const { rootsPem } = prepareValidation(config);
    for (const pem of rootsPem) new X509Certificate(pem);
    return undefined;
  } catch (error) {
    return `the certificates to trust cannot be read: ${(error as Error).message}`;
  }
}

/** What is wrong with a certificate and its key; undefined where they are well and belong together. */
export function checkCertificate({ chain, key, passphrase }: CertificateConfig): string | undefined {
  try {
    createSecureContext({ cert: chain, key, ...(passphrase === undefined ? {} : { passphrase }) });
    return undefined;
  } catch (error) {
    return `the certificate and its key cannot be used: ${(error as Error).message}`;
  }
}
