/** What a TLS context waits for and uses: its secrets, as they come. */
import { X509Certificate } from 'node:crypto';
import type {
  CertificateConfig,
  DownstreamTlsConfig,
  SecretConfig,
  SecretReference,
  TlsConfig,
} from '../config/tls.ts';
import type { ValidationConfig } from '../config/tls-validation.ts';
import type { TlsStats } from '../stats/groups.ts';
import type { Warming } from '../warming.ts';
import type { SecretKind, SecretStore } from './secrets.ts';
import { mergeValidation } from './validation.ts';

type ContextConfig = TlsConfig & Partial<Pick<DownstreamTlsConfig, 'ticketKeys' | 'ticketKeysSecret'>>;

export interface ContextSecretsOptions {
  readonly secrets: SecretStore;
  readonly warming: Warming;
  readonly stats: TlsStats;
  /** Told when a secret came. */
  readonly onChange: () => void;
}

export class ContextSecrets {
  readonly #config: ContextConfig;
  readonly #options: ContextSecretsOptions;
  readonly #unwatch: (() => void)[] = [];
  /** In the order of the references. */
  readonly #received = new Map<number, CertificateConfig>();
  validation: ValidationConfig | undefined;
  ticketKeys: readonly Buffer[] | undefined;

  constructor(config: ContextConfig, options: ContextSecretsOptions) {
    this.#config = config;
    this.#options = options;
    this.validation = config.validationSecret ? undefined : config.validation;
    this.ticketKeys = config.ticketKeysSecret ? undefined : (config.ticketKeys ?? []);
    for (const [index, reference] of config.certificateSecrets.entries()) {
      this.#watch(reference, 'certificate', (secret) => {
        if (secret.type === 'certificate') this.#received.set(index, secret.certificate);
      });
    }
    this.#watch(config.validationSecret, 'validation', (secret) => {
      if (secret.type === 'validation') this.validation = mergeValidation(config.validation, secret.validation);
    });
    this.#watch(config.ticketKeysSecret, 'ticket-keys', (secret) => {
      if (secret.type === 'ticket-keys') this.ticketKeys = secret.keys;
    });
    this.#tellExpiries();
  }

  #watch(reference: SecretReference | undefined, kind: SecretKind, take: (secret: SecretConfig) => void): void {
    if (!reference) return;
    const what = `the secret ${reference.name}`;
    const { secrets, warming, onChange } = this.#options;
    warming.waitFor(what, reference.source?.initialFetchTimeoutMs ?? 1);
    const unwatch = secrets.watch(reference, {
      kind,
      onSecret: (secret) => {
        take(secret);
        this.#tellExpiries();
        onChange();
        warming.arrived(what);
      },
    });
    this.#unwatch.push(unwatch);
  }

  /** Those that are there, in their order. */
  get certificates(): readonly CertificateConfig[] {
    const { certificates, certificateSecrets } = this.#config;
    return certificates.length > 0
      ? certificates
      : certificateSecrets.flatMap((_, index) => this.#received.get(index) ?? []);
  }

  /** What is still missing, in words; undefined where everything is there. */
  get missing(): string | undefined {
    const { certificateSecrets, validationSecret, ticketKeysSecret } = this.#config;
    const secret =
      certificateSecrets.find((_, index) => !this.#received.has(index)) ??
      (this.validation ? undefined : validationSecret) ??
      (this.ticketKeys ? undefined : ticketKeysSecret);
    return secret && `the secret ${secret.name} has not been received`;
  }

  /** Has the moment at which each certificate ends told among the statistics. */
  #tellExpiries(): void {
    const gauges = this.#options.stats['certificate.'];
    for (const { chain, statName } of this.certificates) gauges.setLate(statName, () => expirySeconds(chain));
    const { trustedCa, statName = '' } = this.validation ?? {};
    if (trustedCa !== undefined) gauges.setLate(statName, () => expirySeconds(trustedCa));
  }

  close(): void {
    for (const unwatch of this.#unwatch) unwatch();
  }
}

function expirySeconds(pem: string): number {
  return Math.floor(new X509Certificate(pem).validToDate.getTime() / 1000);
}
