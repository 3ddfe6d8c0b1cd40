/** The client side of TLS towards the hosts of a cluster, with whatever secrets are current. */
import type { X509Certificate } from 'node:crypto';
import { type ConnectionOptions, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { CertificateConfig, UpstreamTlsConfig } from '../config/tls.ts';
import type { TlsClient } from '../net/connect.ts';
import type { TlsStats } from '../stats/groups.ts';
import type { Warming } from '../warming.ts';
import { contextOptions } from './context-options.ts';
import { ContextSecrets } from './context-secrets.ts';
import { validUntilMs } from './recent.ts';
import type { SecretStore } from './secrets.ts';
import { NOBODY, prepareValidation, type Validation } from './validation.ts';
import { verifyPeer } from './verify.ts';

/** As BoringSSL names the curves that it has, by OpenSSL's names. */
const CURVES: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' };

function curveOf(socket: TLSSocket): string | undefined {
  const key = socket.getEphemeralKeyInfo();
  return key && 'name' in key && key.name !== undefined ? (CURVES[key.name] ?? key.name) : undefined;
}

/**
 * A session, to come back to the server with. It knows the server's certificate, but Node does not tell it on this side:
 * that the server was accepted, and until when that may hold, is kept beside it.
 */
interface KeptSession {
  readonly session: Buffer;
  readonly validUntilMs: number;
}

/** What handshakes are made with until secrets change. */
interface Made {
  readonly context: SecureContext;
  readonly validation: Validation | undefined;
  /** Of servers that were accepted under this validation, the latest first; no others are offered under it. */
  readonly sessions: KeptSession[];
  /** By what handshakes were begun with. */
  readonly offered: WeakMap<Buffer, KeptSession>;
}

export class UpstreamTls implements TlsClient {
  readonly #config: UpstreamTlsConfig;
  readonly #secrets: ContextSecrets;
  readonly #stats: TlsStats;
  readonly #clock: Clock;
  #made: Made | undefined;
  /** By what a handshake began with: secrets can change before it ends. */
  readonly #madeBy = new WeakMap<SecureContext, Made>();

  constructor(config: UpstreamTlsConfig, secrets: SecretStore, warming: Warming, stats: TlsStats, clock: Clock) {
    this.#config = config;
    this.#stats = stats;
    this.#clock = clock;
    const onChange = () => {
      this.#made = undefined;
    };
    this.#secrets = new ContextSecrets(config, { secrets, warming, stats, onChange });
  }

  /** The certificate that is presented. */
  get certificate(): CertificateConfig | undefined {
    return this.#secrets.certificates[0];
  }

  options(fallbackAlpn: readonly string[] = []): ConnectionOptions | string {
    const missing = this.#secrets.missing;
    if (missing !== undefined) return missing;
    this.#made ??= this.#make();
    const { alpn: ownAlpn, sni } = this.#config;
    const alpn = ownAlpn.length > 0 ? ownAlpn : fallbackAlpn;
    // Each is used once (RFC 8446, C.4).
    const kept = this.#made.sessions.shift();
    const session = kept && kept.validUntilMs > this.#clock.wallMs() ? kept.session : undefined;
    if (kept && session) this.#made.offered.set(session, kept);
    return {
      secureContext: this.#made.context,
      ...(session && { session }),
      servername: sni,
      checkServerIdentity: () => undefined,
      ...(alpn.length > 0 ? { ALPNProtocols: [...alpn] } : {}),
    };
  }

  #make(): Made {
    const { validation: given } = this.#secrets;
    // As in Envoy, depths are counted of clients alone.
    const validation = given && prepareValidation({ ...given, maxDepth: undefined });
    const context = createSecureContext(contextOptions(this.#config, this.certificate, validation ?? NOBODY));
    const made: Made = { context, validation, sessions: [], offered: new WeakMap() };
    this.#madeBy.set(context, made);
    return made;
  }

  verify(socket: TLSSocket, { secureContext, session }: ConnectionOptions): string | undefined {
    const made = secureContext && this.#madeBy.get(secureContext);
    if (!made) return 'the handshake is none that was begun here';
    if (socket.isSessionReused()) {
      const kept = session && made.offered.get(session);
      if (!kept || kept.validUntilMs <= this.#clock.wallMs()) {
        this.#stats.fail_verify_error++;
        return 'CERTIFICATE_VERIFY_FAILED: the certificate of the resumed session has expired';
      }
      this.#keepSessions(socket, made, kept.validUntilMs);
      return undefined;
    }
    const leaf = socket.getPeerX509Certificate();
    const refusal = made.validation && this.#refusal(socket, leaf, made.validation);
    if (refusal === undefined) this.#keepSessions(socket, made, leaf ? validUntilMs(leaf) : 0);
    return refusal;
  }

  /** Of TLS 1.3 the server gives them when it likes to, after the handshake. */
  #keepSessions(socket: TLSSocket, { sessions, validation }: Made, validUntilMs: number): void {
    const { maxSessions } = this.#config;
    // A session would outlive the revocation list by which its server was accepted.
    if (maxSessions === 0 || (validation && validation.crls.length > 0)) return;
    const keep = (session: Buffer): void => {
      sessions.unshift({ session, validUntilMs });
      if (sessions.length > maxSessions) sessions.pop();
    };
    if (socket.getProtocol() === 'TLSv1.3') socket.on('session', keep);
    else {
      const session = socket.getSession();
      if (session) keep(session);
    }
  }

  #refusal(socket: TLSSocket, leaf: X509Certificate | undefined, validation: Validation): string | undefined {
    const chainError = socket.authorized ? undefined : String(socket.authorizationError);
    const refusal = verifyPeer(socket, leaf, validation, chainError, this.#clock.wallMs());
    if (!refusal) return undefined;
    if (refusal.type === 'name') this.#stats.fail_verify_san++;
    else if (refusal.type === 'hash') this.#stats.fail_verify_cert_hash++;
    else this.#stats.fail_verify_error++;
    return refusal.reason;
  }

  onHandshake(socket: TLSSocket): void {
    const stats = this.#stats;
    stats.handshake++;
    if (socket.isSessionReused()) stats.session_reused++;
    stats['versions.'].count(socket.getProtocol() ?? '');
    stats['ciphers.'].count(socket.getCipher().name);
    const curve = curveOf(socket);
    if (curve !== undefined) stats['curves.'].count(curve);
  }

  onError(): void {
    this.#stats.connection_error++;
  }

  close(): void {
    this.#secrets.close();
  }
}
