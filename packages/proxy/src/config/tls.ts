/** Schemas of TLS: contexts of both directions, and secrets. */
import { configSource, type ResourceSource } from './config-source.ts';
import { dataSource, stringMatcherMessage, type TextPredicate, textPredicate } from './core.ts';
import {
  anyOf,
  built,
  choice,
  durationMs,
  flag,
  list,
  message,
  name,
  number,
  only,
  optional,
  type Parsed,
  Place,
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
  /** Whether it can match SPIFFE IDs alone, so that the peer must hold to their rules. */
  readonly isSpiffe: boolean;
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
    return { type: san_type, matches: matches ?? (() => false), exact: matcher.exact, isSpiffe };
  },
);

const trustDomain = message('envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig.TrustDomain', {
  name: name(),
  trust_bundle: required(dataSource),
});

const spiffeValidator = message(
  'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
  { trust_domains: list(trustDomain, { min: 1 }) },
  ({ trust_domains: domains }, place) => {
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
  },
  (context, place) => {
    if (context.custom_validator_config && context.trusted_ca) {
      place.within('trusted_ca', () => place.refuse('is not used with the SPIFFE validator: its bundles are'));
    }
    if (context.verify_certificate_hash.some((hash) => !/^([0-9a-f]{2}:?){32}$/i.test(hash))) {
      place.within('verify_certificate_hash', () => place.refuse('needs SHA-256 hashes in hexadecimal'));
    }
  },
);

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
}

export const validationContext: Schema<ValidationConfig> = built(validationContextMessage, (context) => ({
  trustedCa: context.trusted_ca?.toString(),
  certificateHashes: context.verify_certificate_hash.map((hash) => hash.replaceAll(':', '').toLowerCase()),
  keyHashes: context.verify_certificate_spki,
  sanMatchers: context.match_typed_subject_alt_names,
  spiffeBundles:
    context.custom_validator_config &&
    new Map(
      context.custom_validator_config.typed_config.value.trust_domains.map((domain) => [
        domain.name,
        domain.trust_bundle.toString(),
      ]),
    ),
}));

/** PEM of a certificate chain, the leaf first, and of its key. */
export interface CertificateConfig {
  readonly chain: string;
  readonly key: string;
  readonly passphrase: string | undefined;
}

const tlsCertificate: Schema<CertificateConfig> = built(
  message('envoy.extensions.transport_sockets.tls.v3.TlsCertificate', {
    certificate_chain: required(dataSource),
    private_key: required(dataSource),
    password: optional(dataSource),
  }),
  ({ certificate_chain, private_key, password }) => ({
    chain: certificate_chain?.toString() ?? '',
    key: private_key?.toString() ?? '',
    passphrase: password?.toString(),
  }),
);

/** A secret by its name, from a source; without a source it is one of the bootstrap's own. */
export interface SecretReference {
  readonly name: string;
  readonly source: ResourceSource | undefined;
}

const secretReference: Schema<SecretReference> = built(
  message('envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig', {
    name: name(),
    sds_config: optional(configSource),
  }),
  ({ name: secret, sds_config }) => ({ name: secret, source: sds_config }),
);

const versions = choice(['TLS_AUTO', 'TLSv1_2', 'TLSv1_3']);

const tlsParameters = message('envoy.extensions.transport_sockets.tls.v3.TlsParameters', {
  tls_minimum_protocol_version: versions,
  tls_maximum_protocol_version: versions,
  cipher_suites: list(text()),
  ecdh_curves: list(text()),
});

const combinedValidation = message(
  'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext',
  {
    default_validation_context: required(validationContext),
    validation_context_sds_secret_config: required(secretReference),
  },
);

const commonTlsContext = message(
  'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext',
  {
    tls_params: optional(tlsParameters),
    tls_certificates: list(tlsCertificate, { max: 1 }),
    tls_certificate_sds_secret_configs: list(secretReference, { max: 1 }),
    validation_context: optional(validationContext),
    validation_context_sds_secret_config: optional(secretReference),
    combined_validation_context: optional(combinedValidation),
    alpn_protocols: list(text()),
  },
  (context, place) => {
    const own = context.validation_context;
    if (own && own.sanMatchers.length > 0 && own.trustedCa === undefined && !own.spiffeBundles) {
      place.within('validation_context', () => place.refuse('matches names without a trusted_ca to vouch for them'));
    }
  },
);

/** What TLS contexts of both directions say. */
export interface TlsConfig {
  readonly certificate: CertificateConfig | undefined;
  readonly certificateSecret: SecretReference | undefined;
  /** What is said here about validation; what the secret says is added to it. Neither: peers are not validated. */
  readonly validation: ValidationConfig | undefined;
  readonly validationSecret: SecretReference | undefined;
  readonly alpn: readonly string[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3';
  /** OpenSSL's list of ciphers for TLS 1.2; undefined: the defaults. */
  readonly ciphers: string | undefined;
  readonly curves: string | undefined;
}

function tlsConfig(context: Parsed<typeof commonTlsContext>): TlsConfig {
  const { tls_params: parameters, combined_validation_context: combined } = context;
  const ciphers = parameters?.cipher_suites.map((suite) => suite.replace(/^\[|\]$/g, '').replaceAll('|', ':'));
  return {
    certificate: context.tls_certificates[0],
    certificateSecret: context.tls_certificate_sds_secret_configs[0],
    validation: combined?.default_validation_context ?? context.validation_context,
    validationSecret: combined?.validation_context_sds_secret_config ?? context.validation_context_sds_secret_config,
    alpn: context.alpn_protocols,
    minVersion: parameters?.tls_minimum_protocol_version === 'TLSv1_3' ? 'TLSv1.3' : 'TLSv1.2',
    maxVersion: parameters?.tls_maximum_protocol_version === 'TLSv1_2' ? 'TLSv1.2' : 'TLSv1.3',
    ciphers: ciphers && ciphers.length > 0 ? ciphers.join(':') : undefined,
    curves: parameters && parameters.ecdh_curves.length > 0 ? parameters.ecdh_curves.join(':') : undefined,
  };
}

export interface UpstreamTlsConfig extends TlsConfig {
  /** '': no server name is sent. */
  readonly sni: string;
  /** How many sessions are kept to come back to servers with; 0: none. */
  readonly maxSessions: number;
}

export const upstreamTlsContext = message('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
  common_tls_context: optional(commonTlsContext),
  sni: text(),
  max_session_keys: number(1),
});

export const downstreamTlsContext = message(
  'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
  {
    common_tls_context: required(commonTlsContext),
    require_client_certificate: flag(),
    require_sni: only((given) => given === false, 'false'),
    disable_stateless_session_resumption: flag(),
    disable_stateful_session_resumption: flag(),
    session_timeout: optional(durationMs()),
  },
  (context, place) => {
    const { tls_certificates, tls_certificate_sds_secret_configs } = context.common_tls_context;
    if (tls_certificates.length + tls_certificate_sds_secret_configs.length === 0) {
      place.within('common_tls_context', () => place.refuse('needs a certificate'));
    }
    const tls = tlsConfig(context.common_tls_context);
    if (context.require_client_certificate && !tls.validation && !tls.validationSecret) {
      place.within('require_client_certificate', () => place.refuse('needs a validation context'));
    }
  },
);

export interface DownstreamTlsConfig extends TlsConfig {
  readonly requiresClientCertificate: boolean;
  /** Whether clients are given tickets to come back with. */
  readonly givesTickets: boolean;
  /** How long a ticket is taken; undefined: OpenSSL's time, five minutes. */
  readonly ticketLifeMs: number | undefined;
}

export function upstreamTlsConfig(context: Parsed<typeof upstreamTlsContext>): UpstreamTlsConfig {
  const common = context.common_tls_context ?? commonTlsContext.parse({}, new Place());
  return { ...tlsConfig(common), sni: context.sni, maxSessions: context.max_session_keys };
}

export function downstreamTlsConfig(context: Parsed<typeof downstreamTlsContext>): DownstreamTlsConfig {
  return {
    ...tlsConfig(context.common_tls_context),
    requiresClientCertificate: context.require_client_certificate,
    givesTickets: !context.disable_stateless_session_resumption,
    ticketLifeMs: context.session_timeout,
  };
}

/** What a secret holds. */
export type SecretConfig =
  | { readonly type: 'certificate'; readonly name: string; readonly certificate: CertificateConfig }
  | { readonly type: 'validation'; readonly name: string; readonly validation: ValidationConfig }
  | { readonly type: 'none'; readonly name: string };

export const secret: Schema<SecretConfig> = built(
  message('envoy.extensions.transport_sockets.tls.v3.Secret', {
    name: text(),
    tls_certificate: optional(tlsCertificate),
    validation_context: optional(validationContext),
  }),
  (value, place): SecretConfig => {
    if (value.tls_certificate) return { type: 'certificate', name: value.name, certificate: value.tls_certificate };
    if (value.validation_context) return { type: 'validation', name: value.name, validation: value.validation_context };
    place.refuse('needs a tls_certificate or a validation_context');
    return { type: 'none', name: value.name };
  },
);
