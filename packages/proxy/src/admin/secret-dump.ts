/** Secrets in `/config_dump`: names, certificates and trust, without keys. */
import type { SecretConfig } from '../config/tls.ts';
import type { ValidationConfig } from '../config/tls-validation.ts';
import type { AdminContext } from './context.ts';
import { anyOf, type DumpEntry, type DumpList } from './dump.ts';

const FIELDS = ['name', 'version_info', 'last_updated', 'secret', 'error_state', 'client_status'];

interface NamedSecret {
  readonly name?: string;
}

/** The secrets that the bootstrap itself holds, as they are written there. */
export function bootstrapSecrets(bootstrap: object): readonly NamedSecret[] {
  const { static_resources } = bootstrap as { readonly static_resources?: { readonly secrets?: NamedSecret[] } };
  return static_resources?.secrets ?? [];
}

function validationMessage({ trustedCa, certificateHashes, keyHashes, spiffeBundles }: ValidationConfig): object {
  const domains = [...(spiffeBundles ?? [])].map(([name, pem]) => ({ name, trust_bundle: { inline_string: pem } }));
  return {
    ...(trustedCa !== undefined && { trusted_ca: { inline_string: trustedCa } }),
    ...(certificateHashes.length > 0 && { verify_certificate_hash: certificateHashes }),
    ...(keyHashes.length > 0 && { verify_certificate_spki: keyHashes }),
    ...(domains.length > 0 && {
      custom_validator_config: {
        name: 'envoy.tls.cert_validator.spiffe',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
          trust_domains: domains,
        },
      },
    }),
  };
}

/** What a secret says, without its key: that one is not even read here. */
function secretMessage(secret: SecretConfig): object {
  switch (secret.type) {
    case 'certificate':
      return {
        name: secret.name,
        tls_certificate: {
          certificate_chain: { inline_string: secret.certificate.chain },
          private_key: { inline_string: '[redacted]' },
        },
      };
    case 'validation':
      return { name: secret.name, validation_context: validationMessage(secret.validation) };
    case 'ticket-keys':
      return {
        name: secret.name,
        session_ticket_keys: { keys: secret.keys.map(() => ({ inline_string: '[redacted]' })) },
      };
    case 'none':
      return { name: secret.name };
  }
}

function entry(name: string, secret: object): DumpEntry {
  return { name, value: { name, secret: anyOf('secret', secret) } };
}

/** The lists of `envoy.admin.v3.SecretsConfigDump`. */
export function secretDumps(context: AdminContext): Readonly<Record<string, DumpList>> {
  const fixed = bootstrapSecrets(context.bootstrap);
  const names = new Set(fixed.map(({ name }) => name));
  const dynamic = context.secrets.known().filter(({ name }) => !names.has(name));
  return {
    static_secrets: {
      message: 'StaticSecret',
      fields: FIELDS,
      entries: fixed.map((secret) => entry(secret.name ?? '', secret)),
    },
    dynamic_active_secrets: {
      message: 'DynamicSecret',
      fields: FIELDS,
      entries: dynamic.map((secret) => entry(secret.name, secretMessage(secret))),
    },
  };
}
