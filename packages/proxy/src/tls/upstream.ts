/** The client side of TLS towards the hosts of a cluster, with whatever secrets are current. */
import { type ConnectionOptions, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { CertificateConfig, UpstreamTlsConfig, ValidationConfig } from '../config/tls.ts';
import type { TlsClient } from '../net/connect.ts';
import type { TlsStats } from '../stats/groups.ts';
import type { Warming } from '../warming.ts';
import { contextOptions } from './context-options.ts';
import type { SecretStore } from './secrets.ts';
import { mergeValidation, prepareValidation, type Validation } from './validation.ts';
import { verifyPeer } from './verify.ts';

/** What a context waits for and uses: its secrets, as they come. */
export class TlsSecrets {
  readonly #config: UpstreamTlsConfig | Omit<UpstreamTlsConfig, 'sni'>;
  readonly #onChange: () => void;
  readonly #unwatch: (() => void)[] = [];
  certificate: CertificateConfig | undefined;
  validation: ValidationConfig | undefined;

  constructor(
    config: Omit<UpstreamTlsConfig, 'sni'>,
    secrets: SecretStore,
    warming: Warming,
    onChange: () => void = () => undefined,
  ) {
    this.#config = config;
    this.#onChange = onChange;
    this.certificate = config.certificate;
    this.validation = config.validationSecret ? undefined : config.validation;
    for (const reference of [config.certificateSecret, config.validationSecret]) {
      if (!reference) continue;
      const what = `the secret ${reference.name}`;
      warming.waitFor(what, reference.source?.initialFetchTimeoutMs ?? 1);
      const unwatch = secrets.watch(reference, {
        onSecret: (secret) => {
          if (secret.type === 'certificate') this.certificate = secret.certificate;
          if (secret.type === 'validation') {
            this.validation = mergeValidation(this.#config.validation, secret.validation);
          }
          this.#onChange();
          warming.arrived(what);
        },
      });
      this.#unwatch.push(unwatch);
    }
  }

  /** What is still missing, in words; undefined where everything is there. */
  get missing(): string | undefined {
    const { certificateSecret, validationSecret } = this.#config;
    if (certificateSecret && !this.certificate) return `the secret ${certificateSecret.name} has not been received`;
    if (validationSecret && !this.validation) return `the secret ${validationSecret.name} has not been received`;
    return undefined;
  }

  close(): void {
    for (const unwatch of this.#unwatch) unwatch();
  }
}

export class UpstreamTls implements TlsClient {
  readonly #config: UpstreamTlsConfig;
  readonly #secrets: TlsSecrets;
  readonly #stats: TlsStats;
  readonly #clock: Clock;
  #context: SecureContext | undefined;
  #validation: Validation | undefined;

  constructor(config: UpstreamTlsConfig, secrets: SecretStore, warming: Warming, stats: TlsStats, clock: Clock) {
    this.#config = config;
    this.#stats = stats;
    this.#clock = clock;
    this.#secrets = new TlsSecrets(config, secrets, warming, () => {
      this.#context = undefined;
    });
  }

  /** The certificate that is presented. */
  get certificate(): CertificateConfig | undefined {
    return this.#secrets.certificate;
  }

  options(fallbackAlpn: readonly string[] = []): ConnectionOptions | string {
    const missing = this.#secrets.missing;
    if (missing !== undefined) return missing;
    this.#context ??= this.#makeContext();
    const { alpn: ownAlpn, sni } = this.#config;
    const alpn = ownAlpn.length > 0 ? ownAlpn : fallbackAlpn;
    return {
      secureContext: this.#context,
      servername: sni,
      checkServerIdentity: () => undefined,
      ...(alpn.length > 0 ? { ALPNProtocols: [...alpn] } : {}),
    };
  }

  #makeContext(): SecureContext {
    const { certificate, validation } = this.#secrets;
    this.#validation = validation && prepareValidation(validation);
    return createSecureContext(contextOptions(this.#config, certificate, this.#validation?.rootsPem ?? []));
  }

  verify(socket: TLSSocket): string | undefined {
    if (!this.#validation) return undefined;
    const chainError = socket.authorized ? undefined : String(socket.authorizationError);
    const refusal = verifyPeer(
      socket,
      socket.getPeerX509Certificate(),
      this.#validation,
      chainError,
      this.#clock.wallMs(),
    );
    if (!refusal) return undefined;
    if (refusal.type === 'name') this.#stats.fail_verify_san++;
    else if (refusal.type === 'hash') this.#stats.fail_verify_cert_hash++;
    else this.#stats.fail_verify_error++;
    return refusal.reason;
  }

  onHandshake(isResumed: boolean): void {
    this.#stats.handshake++;
    if (isResumed) this.#stats.session_reused++;
  }

  onError(): void {
    this.#stats.connection_error++;
  }

  close(): void {
    this.#secrets.close();
  }
}
