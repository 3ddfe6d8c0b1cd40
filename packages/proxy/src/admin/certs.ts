/** `/certs`: the certificates of every TLS context that is in use (`envoy.admin.v3.Certificates`). */
import { X509Certificate } from 'node:crypto';
import { parseCertificate } from '@weft/identity';
import { Place } from '../config/schema.ts';
import { type SecretConfig, secret as secretSchema } from '../config/tls.ts';
import { ipText } from '../net/address-text.ts';
import type { AdminContext } from './context.ts';
import { bootstrapSecrets } from './secret-dump.ts';

const DAY_MS = 86_400_000;
const INLINE = '<inline>';

/** The secrets of the bootstrap, as far as they tell where their files are. */
interface StaticSecret {
  readonly name?: string;
  readonly tls_certificate?: { readonly certificate_chain?: Source };
  readonly validation_context?: { readonly trusted_ca?: Source };
}

interface SecretName {
  readonly name?: string;
}

interface Source {
  readonly filename?: string;
}

/** The part of `CommonTlsContext` that leads to certificates. */
interface TlsContext {
  readonly tls_certificates?: readonly { readonly certificate_chain?: Source }[];
  readonly tls_certificate_sds_secret_configs?: readonly SecretName[];
  readonly validation_context?: { readonly trusted_ca?: Source };
  readonly validation_context_sds_secret_config?: SecretName;
  readonly combined_validation_context?: {
    readonly default_validation_context?: { readonly trusted_ca?: Source };
    readonly validation_context_sds_secret_config?: SecretName;
  };
}

/** A PEM, and where it came from. */
interface Origin {
  readonly pem: string;
  readonly path: string;
}

/** The TLS contexts of a resource, in the order in which they stand there. */
function* contextsOf(value: unknown): Generator<TlsContext> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    if (key === 'common_tls_context') yield item as TlsContext;
    else yield* contextsOf(item);
  }
}

function pemOf(secret: SecretConfig): string {
  switch (secret.type) {
    case 'certificate':
      return secret.certificate.chain;
    case 'validation': {
      const { trustedCa, spiffeBundles } = secret.validation;
      return [trustedCa ?? '', ...(spiffeBundles?.values() ?? [])].join('\n');
    }
    case 'ticket-keys':
    case 'none':
      return '';
  }
}

function inlineOrigin(fields: object, path: string | undefined): Origin {
  return { pem: pemOf(secretSchema.parse(fields, new Place())), path: path ?? INLINE };
}

class CertificateReader {
  readonly #known: readonly SecretConfig[];
  readonly #static: readonly StaticSecret[];
  readonly #nowMs: number;
  /** By PEM: in a mesh every cluster presents the same certificate. */
  readonly #read = new Map<string, readonly object[]>();

  constructor({ secrets, bootstrap, clock }: AdminContext) {
    this.#known = secrets.known();
    this.#static = bootstrapSecrets(bootstrap);
    this.#nowMs = clock.wallMs();
  }

  context(context: TlsContext): object {
    return {
      ca_cert: this.#trust(context).flatMap((origin) => this.#details(origin)),
      // Of each chain the leaf alone, as Envoy tells it.
      cert_chain: this.#chain(context).flatMap((origin) => this.#details(origin).slice(0, 1)),
    };
  }

  #secret(type: SecretConfig['type'], name: string | undefined): readonly Origin[] {
    const found = this.#known.find((entry) => entry.type === type && entry.name === name);
    if (!found) return [];
    const written = this.#static.find((entry) => entry.name === name);
    const source = written?.tls_certificate?.certificate_chain ?? written?.validation_context?.trusted_ca;
    return [{ pem: pemOf(found), path: source?.filename ?? INLINE }];
  }

  #trust(context: TlsContext): readonly Origin[] {
    const combined = context.combined_validation_context;
    const own = combined?.default_validation_context ?? context.validation_context;
    const reference = combined?.validation_context_sds_secret_config ?? context.validation_context_sds_secret_config;
    return [
      ...(own ? [inlineOrigin({ validation_context: own }, own.trusted_ca?.filename)] : []),
      ...(reference ? this.#secret('validation', reference.name) : []),
    ];
  }

  #chain(context: TlsContext): readonly Origin[] {
    const own = (context.tls_certificates ?? []).map((certificate) =>
      inlineOrigin({ tls_certificate: certificate }, certificate.certificate_chain?.filename),
    );
    if (own.length > 0) return own;
    const references = context.tls_certificate_sds_secret_configs ?? [];
    return references.flatMap(({ name }) => this.#secret('certificate', name));
  }

  #details({ pem, path }: Origin): readonly object[] {
    const key = `${path} ${pem}`;
    const known = this.#read.get(key);
    if (known) return known;
    const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
    const details = blocks.flatMap((block) => certificateDetails(block, path, this.#nowMs) ?? []);
    this.#read.set(key, details);
    return details;
  }
}

/** Seconds are as exact as certificates are. */
function certificateTime(date: Date): string {
  return date.toISOString().replace('.000Z', 'Z');
}

function alternativeNames(der: Buffer): readonly object[] {
  const names = parseCertificate(der).extensions.names ?? [];
  const of = (type: 'dns' | 'uri') => names.flatMap((name) => (name.type === type ? [{ [type]: name.text }] : []));
  const addresses = names.flatMap((name) =>
    name.type === 'ip' ? [{ ip_address: ipText(name.octets) ?? name.octets.toString('hex') }] : [],
  );
  return [...of('dns'), ...of('uri'), ...addresses];
}

/** `envoy.admin.v3.CertificateDetails`; undefined of what cannot be read. */
function certificateDetails(pem: string, path: string, nowMs: number): object | undefined {
  try {
    const certificate = new X509Certificate(pem);
    const { validFromDate, validToDate } = certificate;
    return {
      path,
      serial_number: certificate.serialNumber.toLowerCase(),
      subject_alt_names: alternativeNames(certificate.raw),
      days_until_expiration: String(Math.max(0, Math.floor((validToDate.getTime() - nowMs) / DAY_MS))),
      valid_from: certificateTime(validFromDate),
      expiration_time: certificateTime(validToDate),
    };
  } catch {
    // A context with a certificate that cannot be read was refused when it came; nothing of it is in use.
    return undefined;
  }
}

export function certificates(context: AdminContext): object {
  const reader = new CertificateReader(context);
  const resources = [
    ...[...context.clusters.active].map(({ resource }) => resource),
    ...[...context.listeners()].filter(({ state }) => state === 'active').map(({ resource }) => resource),
  ];
  return {
    certificates: resources.flatMap((resource) => [...contextsOf(resource)].map((found) => reader.context(found))),
  };
}
