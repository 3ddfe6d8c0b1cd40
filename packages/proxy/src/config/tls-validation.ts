/** Schemas of whom TLS contexts believe and accept. */
import { hash, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { parseTrust } from '@weft/identity';
import { dataSource, stringMatcherMessage, type TextPredicate, textPredicate } from './core.ts';
import {
  anyOf,
  built,
  choice,
  flag,
  list,
  message,
  name,
  number,
  only,
  optional,
  type Place,
  required,
  type Schema,
  text,
} from './schema.ts';

export type SanType = 'EMAIL' | 'DNS' | 'URI' | 'IP_ADDRESS';

export interface SanMatcher {
  readonly type: SanType;
  readonly matches: TextPredicate;
  /** The one name that it accepts; undefined where it is a pattern. */
  readonly exact: string | undefined;
  /** Whether it can match SPIFFE IDs alone. */
  readonly isSpiffe: boolean;
  /** Tells it from every other one. */
  readonly text: string;
}

const sanMatcher: Schema<SanMatcher> = built(
  message('envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher', {
    san_type: required(choice(['EMAIL', 'DNS', 'URI', 'IP_ADDRESS'])),
    matcher: required(stringMatcherMessage),
  }),
  ({ san_type, matcher }, place) => {
    const matches = textPredicate(matcher);
    if (!matches) place.within('matcher', () => place.refuse('needs a pattern'));
    const literal = matcher.exact ?? matcher.prefix ?? '';
    const isSpiffe = san_type === 'URI' && literal.startsWith('spiffe://');
    const text = JSON.stringify([
      san_type,
      { ...matcher, safe_regex: matcher.safe_regex && String(matcher.safe_regex) },
    ]);
    return { type: san_type, matches: matches ?? (() => false), exact: matcher.exact, isSpiffe, text };
  },
);

/** Refuses what throws when it is used as it will be. */
export function refuseUnusable(place: Place, field: string, what: string, use: () => void): void {
  try {
    use();
  } catch (error) {
    place.within(field, () => place.refuse(`${what}: ${(error as Error).message}`));
  }
}

const trustDomain = message('envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig.TrustDomain', {
  name: name(),
  trust_bundle: required(dataSource),
});

const spiffeValidator = message(
  'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
  { trust_domains: list(trustDomain, { min: 1 }) },
  ({ trust_domains: domains }, place) => {
    for (const [index, { trust_bundle }] of domains.entries()) {
      const use = () => void parseTrust([trust_bundle.toString()]);
      const refuse = () => refuseUnusable(place, 'trust_bundle', 'the certificates to trust cannot be read', use);
      place.within('trust_domains', () => place.within(index, refuse));
    }
    const names = domains.map((domain) => domain.name);
    const twice = names.find((one, index) => names.indexOf(one) !== index);
    if (twice !== undefined) {
      place.within('trust_domains', () => place.refuse(`has ${JSON.stringify(twice)} twice: a domain has one bundle`));
    }
  },
);

const customValidator = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: text(),
  typed_config: anyOf({ spiffe: spiffeValidator }),
});

const validationContextMessage = message(
  'envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext',
  {
    trusted_ca: optional(dataSource),
    verify_certificate_hash: list(text()),
    verify_certificate_spki: list(text()),
    match_typed_subject_alt_names: list(sanMatcher),
    custom_validator_config: optional(customValidator),
    trust_chain_verification: choice(['VERIFY_TRUST_CHAIN']),
    suppress_client_ca_list: flag(),
    crl: optional(dataSource),
    only_verify_leaf_cert_crl: only((given) => given === false, 'false'),
    max_verify_depth: optional(number(0, { max: 100 })),
  },
  (context, place) => {
    for (const field of ['trusted_ca', 'crl', 'max_verify_depth'] as const) {
      if (!context.custom_validator_config || context[field] === undefined) continue;
      place.within(field, () => place.refuse('is not used with the SPIFFE validator: its bundles are'));
    }
    const { trusted_ca, crl } = context;
    if (trusted_ca) {
      refuseUnusable(place, 'trusted_ca', 'the certificates to trust cannot be read', () => {
        new X509Certificate(trusted_ca);
        for (const list of revocationLists(trusted_ca.toString())) createSecureContext({ crl: list });
      });
    }
    if (crl) {
      refuseUnusable(place, 'crl', 'the revocation lists cannot be read', () => {
        for (const list of revocationLists(crl.toString())) createSecureContext({ crl: list });
      });
    }
    if (crl && revocationLists(crl.toString()).length === 0) {
      place.within('crl', () => place.refuse('holds no certificate revocation list in PEM'));
    }
    if (context.verify_certificate_spki.some((hash) => Buffer.from(hash, 'base64').length !== 32)) {
      place.within('verify_certificate_spki', () => place.refuse('needs SHA-256 hashes in base64'));
    }
    if (context.verify_certificate_hash.some((hash) => !/^([0-9a-f]{2}:?){32}$/i.test(hash))) {
      place.within('verify_certificate_hash', () => place.refuse('needs SHA-256 hashes in hexadecimal'));
    }
  },
);

const REVOCATION_LISTS = /-----BEGIN X509 CRL-----[^-]*-----END X509 CRL-----/g;

/** The certificate revocation lists in a PEM. */
export function revocationLists(pem: string): readonly string[] {
  return pem.match(REVOCATION_LISTS) ?? [];
}

/** Whom to believe, and whom to accept of those. */
export interface ValidationConfig {
  /** PEM; undefined: not said here. */
  readonly trustedCa: string | undefined;
  /** SHA-256 of the certificate, lower-case hexadecimal. Any of them. */
  readonly certificateHashes: readonly string[];
  /** SHA-256 of the public key, base64. Any of them. */
  readonly keyHashes: readonly string[];
  /** Any of them; none: every name is accepted. */
  readonly sanMatchers: readonly SanMatcher[];
  /** PEM of the roots of each SPIFFE trust domain; undefined: the SPIFFE validator is not asked for. */
  readonly spiffeBundles: ReadonlyMap<string, string> | undefined;
  /** PEM; undefined: not said here. Those in `trustedCa` count, too. */
  readonly crl: string | undefined;
  /** How many certificates of CAs may stand above a client's, the trusted one among them; undefined: as many as OpenSSL takes. */
  readonly maxDepth: number | undefined;
  /** By which statistics name `trustedCa`: that of the secret which it came in, where it came in one. */
  readonly statName: string;
}

/** As Envoy tells apart what came in no secret: by the bytes that stand in a field of a message. */
export function inlineName(given: unknown, field: string): string {
  const source = (given as Readonly<Record<string, { readonly inline_bytes?: string }>> | undefined)?.[field];
  return hash('sha256', Buffer.from(source?.inline_bytes ?? '', 'base64')).slice(0, 8);
}

export const validationContext: Schema<ValidationConfig> = {
  description: validationContextMessage.description,
  parse(given, place) {
    const context = validationContextMessage.parse(given, place);
    const spiffe = context.custom_validator_config?.typed_config?.value;
    return {
      trustedCa: context.trusted_ca?.toString(),
      certificateHashes: context.verify_certificate_hash.map((hash) => hash.replaceAll(':', '').toLowerCase()),
      keyHashes: context.verify_certificate_spki,
      sanMatchers: context.match_typed_subject_alt_names,
      spiffeBundles:
        spiffe && new Map(spiffe.trust_domains.map((domain) => [domain.name, domain.trust_bundle.toString()])),
      crl: context.crl?.toString(),
      maxDepth: context.max_verify_depth,
      statName: `unnamed_ca_cert_${inlineName(given, 'trusted_ca')}`,
    };
  },
};
