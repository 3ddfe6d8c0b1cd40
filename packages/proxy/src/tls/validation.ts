/** Whom a TLS context believes and accepts, made ready from what configuration and secrets say. */
import { type Certificate, parseTrust } from '@weft/identity';
import { revocationLists, type SanMatcher, type ValidationConfig } from '../config/tls-validation.ts';
import type { Instant } from '../counts/cells.ts';
import { Recent } from './recent.ts';

/** What chains are to end with. */
export interface Trust {
  /** PEM of everything that may end a chain. */
  readonly rootsPem: readonly string[];
  /** PEM; where there are some, each CA of a chain needs one. */
  readonly crls: readonly string[];
  /** Whether a certificate of `rootsPem` ends a chain even if another one has signed it. */
  readonly trustsIntermediates: boolean;
}

export const NOBODY: Trust = { rootsPem: [], crls: [], trustsIntermediates: false };

/** Tells, for a leaf, until when it is known to all threads as accepted. */
export type SharedAcceptance = (leafKey: string) => Instant | undefined;

export interface Validation extends Trust {
  /** Of any of these, where there are some. */
  readonly sanMatchers: readonly SanMatcher[];
  readonly certificateHashes: readonly string[];
  readonly keyHashes: readonly string[];
  /**
   * Set where the SPIFFE validator is asked for: gives the roots of a trust domain, undefined where it is not trusted.
   */
  readonly spiffeRoots: ((trustDomain: string) => readonly Certificate[] | undefined) | undefined;
  /** Whether all names that are accepted are SPIFFE IDs, so that the peer has to have one. */
  readonly asksForSpiffe: boolean;
  /** How many CAs may stand above a leaf; undefined: as many as OpenSSL takes. */
  readonly maxDepth: number | undefined;
  /** Whether more than the leaf is looked at here, so that a session, which has but that, may not say enough. */
  readonly needsChain: boolean;
  /** Chains that were accepted a short while ago by all of the above. */
  readonly accepted: Recent<true>;
  /** Leaves of chains that were accepted: a resumed session has no more of the chain than that. */
  readonly resumable: Recent<Instant | true>;
  /** The same of all threads; undefined: there is one. */
  readonly resumableElsewhere: SharedAcceptance | undefined;
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
    crl: secret.crl ?? own.crl,
    maxDepth: secret.maxDepth ?? own.maxDepth,
    statName: secret.trustedCa === undefined ? own.statName : secret.statName,
  };
}

/** Makes it ready; throws where a certificate cannot be read. */
export function prepareValidation(config: ValidationConfig, resumableElsewhere?: SharedAcceptance): Validation {
  const { trustedCa, sanMatchers, spiffeBundles, maxDepth } = config;
  const rootsPem = spiffeBundles ? [...spiffeBundles.values()] : trustedCa === undefined ? [] : [trustedCa];
  const asksForSpiffe = sanMatchers.length > 0 && sanMatchers.every(({ isSpiffe }) => isSpiffe);
  const spiffeRoots = spiffeBundles && rootsByDomain(spiffeBundles);
  return {
    rootsPem,
    crls: [...revocationLists(config.crl ?? ''), ...(spiffeBundles ? [] : revocationLists(trustedCa ?? ''))],
    trustsIntermediates: !spiffeBundles,
    sanMatchers,
    certificateHashes: config.certificateHashes,
    keyHashes: config.keyHashes,
    spiffeRoots,
    asksForSpiffe,
    maxDepth,
    needsChain: spiffeRoots !== undefined || maxDepth !== undefined,
    accepted: new Recent(),
    resumable: new Recent(),
    resumableElsewhere,
  };
}

/** All that decides whom a context accepts, as values that can be compared by their text. */
export function validationIdentity(config: ValidationConfig | undefined): unknown {
  if (!config) return undefined;
  const { trustedCa, certificateHashes, keyHashes, sanMatchers, spiffeBundles, crl, maxDepth } = config;
  const names = sanMatchers.map(({ text }) => text);
  return [trustedCa, certificateHashes, keyHashes, names, [...(spiffeBundles ?? [])], crl, maxDepth];
}

function rootsByDomain(
  bundles: ReadonlyMap<string, string>,
): (trustDomain: string) => readonly Certificate[] | undefined {
  const parsed = new Map([...bundles].map(([domain, pem]) => [domain, parseTrust([pem])]));
  return (trustDomain) => parsed.get(trustDomain);
}
