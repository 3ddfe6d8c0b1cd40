/** Schemas of TLS: contexts of both directions, and secrets. */
import { isIP } from 'node:net';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { configSource, type ResourceSource } from './config-source.ts';
import { dataSource } from './core.ts';
import {
  built,
  choice,
  durationMs,
  flag,
  list,
  message,
  NOT_SUPPORTED,
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
import { inlineName, refuseUnusable, type ValidationConfig, validationContext } from './tls-validation.ts';

/** PEM of a certificate chain, the leaf first, and of its key. */
export interface CertificateConfig {
  readonly chain: string;
  readonly key: string;
  readonly passphrase: string | undefined;
  /** By which statistics name it: that of the secret which it came in, where it came in one. */
  readonly statName: string;
}

const tlsCertificateMessage = message(
  'envoy.extensions.transport_sockets.tls.v3.TlsCertificate',
  { certificate_chain: required(dataSource), private_key: required(dataSource), password: optional(dataSource) },
  ({ certificate_chain: cert, private_key: key, password }, place) =>
    refuseUnusable(place, 'private_key', 'the certificate and its key cannot be used', () => {
      createSecureContext({ cert, key, ...(password === undefined ? {} : { passphrase: password.toString() }) });
    }),
);

const tlsCertificate: Schema<CertificateConfig> = {
  description: tlsCertificateMessage.description,
  parse(given, place) {
    const { certificate_chain, private_key, password } = tlsCertificateMessage.parse(given, place);
    return {
      chain: certificate_chain?.toString() ?? '',
      key: private_key?.toString() ?? '',
      passphrase: password?.toString(),
      statName: `unnamed_cert_${inlineName(given, 'certificate_chain')}`,
    };
  },
};

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

/** A name that OpenSSL knows; each is tried by itself, since of several it passes over those that it does not know. */
function known(use: (name: string) => SecureContextOptions): Schema<string> {
  return built(text(), (given, place) => {
    try {
      createSecureContext(use(given));
    } catch {
      place.refuse(`${JSON.stringify(given)} is ${NOT_SUPPORTED}: OpenSSL knows nothing of that name`);
    }
    return given;
  });
}

/** BoringSSL has groups of equal ones, in brackets; OpenSSL takes their members one after the other. */
const cipherSuites = list(known((suite) => ({ ciphers: membersOf(suite).join(':') })));

function membersOf(suite: string): readonly string[] {
  return suite.replace(/^\[|\]$/g, '').split('|');
}

const tlsParameters = message('envoy.extensions.transport_sockets.tls.v3.TlsParameters', {
  tls_minimum_protocol_version: versions,
  tls_maximum_protocol_version: versions,
  cipher_suites: cipherSuites,
  ecdh_curves: list(known((ecdhCurve) => ({ ecdhCurve }))),
  signature_algorithms: list(known((sigalgs) => ({ sigalgs }))),
});

const combinedValidation = message(
  'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext',
  {
    default_validation_context: required(validationContext),
    validation_context_sds_secret_config: required(secretReference),
  },
);

const MAX_NAME_BYTES = 255;

/** RFC 7301, 3.1. */
const alpnProtocol = built(text(), (protocol, place) => {
  const { length } = Buffer.from(protocol);
  if (length === 0 || length > MAX_NAME_BYTES) place.refuse(`must have 1 to ${MAX_NAME_BYTES} bytes, got ${length}`);
  return protocol;
});

/** RFC 6066, 3. */
const serverName = built(text(), (sni, place) => {
  if (isIP(sni) !== 0) place.refuse(`must be a host name: TLS cannot ask for the address ${sni}`);
  else if (sni.length > MAX_NAME_BYTES)
    place.refuse(`must have at most ${MAX_NAME_BYTES} characters, got ${sni.length}`);
  return sni;
});

const commonTlsContext = message(
  'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext',
  {
    tls_params: optional(tlsParameters),
    tls_certificates: list(tlsCertificate),
    tls_certificate_sds_secret_configs: list(secretReference),
    validation_context: optional(validationContext),
    validation_context_sds_secret_config: optional(secretReference),
    combined_validation_context: optional(combinedValidation),
    alpn_protocols: list(alpnProtocol),
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
  /** Of several, the one to present is chosen by what the client asks for. */
  readonly certificates: readonly CertificateConfig[];
  /** None where there are `certificates`, which go before them. */
  readonly certificateSecrets: readonly SecretReference[];
  /** What is said here about validation; what the secret says is added to it. Neither: peers are not validated. */
  readonly validation: ValidationConfig | undefined;
  readonly validationSecret: SecretReference | undefined;
  readonly alpn: readonly string[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3';
  /** OpenSSL's list of ciphers for TLS 1.2; undefined: the defaults. */
  readonly ciphers: string | undefined;
  readonly curves: string | undefined;
  /** OpenSSL's list of those to sign with and to verify; undefined: the defaults. */
  readonly signatureAlgorithms: string | undefined;
}

function joined(names: readonly string[] | undefined): string | undefined {
  return names && names.length > 0 ? names.join(':') : undefined;
}

function tlsConfig(context: Parsed<typeof commonTlsContext>): TlsConfig {
  const { tls_params: parameters, combined_validation_context: combined } = context;
  const ciphers = parameters?.cipher_suites.flatMap(membersOf);
  return {
    certificates: context.tls_certificates,
    certificateSecrets: context.tls_certificates.length > 0 ? [] : context.tls_certificate_sds_secret_configs,
    validation: combined?.default_validation_context ?? context.validation_context,
    validationSecret: combined?.validation_context_sds_secret_config ?? context.validation_context_sds_secret_config,
    alpn: context.alpn_protocols,
    minVersion: parameters?.tls_minimum_protocol_version === 'TLSv1_3' ? 'TLSv1.3' : 'TLSv1.2',
    maxVersion: parameters?.tls_maximum_protocol_version === 'TLSv1_2' ? 'TLSv1.2' : 'TLSv1.3',
    ciphers: joined(ciphers),
    curves: joined(parameters?.ecdh_curves),
    signatureAlgorithms: joined(parameters?.signature_algorithms),
  };
}

export interface UpstreamTlsConfig extends TlsConfig {
  /** '': no server name is sent. */
  readonly sni: string;
  /** How many sessions are kept to come back to servers with; 0: none. */
  readonly maxSessions: number;
}

export const upstreamTlsContext = message(
  'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
  {
    common_tls_context: optional(commonTlsContext),
    sni: serverName,
    max_session_keys: number(1),
  },
  ({ common_tls_context: common }, place) => {
    for (const field of ['tls_certificates', 'tls_certificate_sds_secret_configs'] as const) {
      if (!common || common[field].length < 2) continue;
      const refuse = () => place.refuse('has several certificates: a client has one');
      place.within('common_tls_context', () => place.within(field, refuse));
    }
  },
);

/** The bytes of one key: a name of 16, and 32 each to sign and to encrypt with. */
const TICKET_KEY_BYTES = 80;

const sessionTicketKeys: Schema<readonly Buffer[]> = built(
  message(
    'envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys',
    { keys: list(dataSource, { min: 1 }) },
    ({ keys }, place) => {
      for (const [index, { length }] of keys.entries()) {
        if (length === TICKET_KEY_BYTES) continue;
        const refuse = () => place.refuse(`has ${length} bytes; a key has ${TICKET_KEY_BYTES}`);
        place.within('keys', () => place.within(index, refuse));
      }
    },
  ),
  ({ keys }) => keys,
);

/** The longest that sessions are kept: what Node counts in 32 bits, 68 years. */
const MAX_SESSION_SECONDS = 0x7fff_ffff;

export const downstreamTlsContext = message(
  'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
  {
    common_tls_context: required(commonTlsContext),
    require_client_certificate: flag(),
    require_sni: only((given) => given === false, 'false'),
    session_ticket_keys: optional(sessionTicketKeys),
    session_ticket_keys_sds_secret_config: optional(secretReference),
    disable_stateless_session_resumption: flag(),
    disable_stateful_session_resumption: flag(),
    session_timeout: optional(durationMs()),
    full_scan_certs_on_sni_mismatch: flag(),
    prefer_client_ciphers: flag(),
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
  /** What tickets are made with: the first; the others are for those that were made before. None: the process has its own. */
  readonly ticketKeys: readonly Buffer[];
  readonly ticketKeysSecret: SecretReference | undefined;
  /** How long a session is taken, in whole seconds; undefined: OpenSSL's time, two hours. */
  readonly sessionSeconds: number | undefined;
  /** Whether all certificates are looked at for a server name that none of them has; else it is the first one then. */
  readonly scansAllCertificates: boolean;
  /** Of TLS 1.2 and before. */
  readonly prefersClientCiphers: boolean;
}

export function upstreamTlsConfig(context: Parsed<typeof upstreamTlsContext>): UpstreamTlsConfig {
  const common = context.common_tls_context ?? commonTlsContext.parse({}, new Place());
  return { ...tlsConfig(common), sni: context.sni, maxSessions: context.max_session_keys };
}

export function downstreamTlsConfig(context: Parsed<typeof downstreamTlsContext>): DownstreamTlsConfig {
  // As in BoringSSL, no time at all is the usual one.
  const seconds = Math.min(Math.floor((context.session_timeout ?? 0) / 1000), MAX_SESSION_SECONDS);
  return {
    ...tlsConfig(context.common_tls_context),
    requiresClientCertificate: context.require_client_certificate,
    givesTickets: !context.disable_stateless_session_resumption,
    ticketKeys: context.session_ticket_keys ?? [],
    ticketKeysSecret: context.session_ticket_keys_sds_secret_config,
    sessionSeconds: seconds > 0 ? seconds : undefined,
    scansAllCertificates: context.full_scan_certs_on_sni_mismatch,
    prefersClientCiphers: context.prefer_client_ciphers,
  };
}

/** What a secret holds. */
export type SecretConfig =
  | { readonly type: 'certificate'; readonly name: string; readonly certificate: CertificateConfig }
  | { readonly type: 'validation'; readonly name: string; readonly validation: ValidationConfig }
  | { readonly type: 'ticket-keys'; readonly name: string; readonly keys: readonly Buffer[] }
  | { readonly type: 'none'; readonly name: string };

export const secret: Schema<SecretConfig> = built(
  message('envoy.extensions.transport_sockets.tls.v3.Secret', {
    name: text(),
    tls_certificate: optional(tlsCertificate),
    validation_context: optional(validationContext),
    session_ticket_keys: optional(sessionTicketKeys),
  }),
  (value, place): SecretConfig => {
    const { name: statName, tls_certificate: certificate, validation_context: validation } = value;
    if (certificate) return { type: 'certificate', name: statName, certificate: { ...certificate, statName } };
    if (validation) return { type: 'validation', name: statName, validation: { ...validation, statName } };
    if (value.session_ticket_keys) return { type: 'ticket-keys', name: statName, keys: value.session_ticket_keys };
    place.refuse('needs a tls_certificate, a validation_context or session_ticket_keys');
    return { type: 'none', name: value.name };
  },
);
