/** The client side of TLS towards the hosts of a cluster, with whatever secrets are current. */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type ConnectionOptions, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { CertificateConfig, UpstreamTlsConfig } from '../config/tls.ts';
import type { PeerName, TlsClient } from '../net/connect.ts';
import type { TlsStats } from '../stats/groups.ts';
import type { Warming } from '../warming.ts';
import { contextOptions } from './context-options.ts';
import { ContextSecrets } from './context-secrets.ts';
import { KeyUpdates } from './key-updates.ts';
import { validUntilMs } from './recent.ts';
import type { SecretStore } from './secrets.ts';
import { NOBODY, prepareValidation, type Validation } from './validation.ts';
import { countRefusal, failed, NOBODY_TO_TRUST, type Refusal, SESSION_EXPIRED, verifyPeer } from './verify.ts';

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
  /** Whom it was made with: no other is offered it. */
  readonly peer: string;
}

function textOf(peer: PeerName | undefined): string {
  return peer ? JSON.stringify([peer.serverName, peer.certificateName]) : '';
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

/** Takes the latest session with that peer. */
function takeSession(sessions: KeptSession[], peer: string): KeptSession | undefined {
  const index = sessions.findIndex((kept) => kept.peer === peer);
  return index === -1 ? undefined : sessions.splice(index, 1)[0];
}

/** Why the certificate is not that of whom the connection is for; undefined where it is. */
function misnamed(
  leaf: X509Certificate | undefined,
  validation: Validation | undefined,
  { certificateName: name }: Partial<PeerName> = {},
): Refusal | undefined {
  if (name === undefined) return undefined;
  if (!validation || validation.rootsPem.length === 0) return failed('chain', NOBODY_TO_TRUST);
  const found = isIP(name) ? leaf?.checkIP(name) : leaf?.checkHost(name, { subject: 'never', partialWildcards: false });
  return found === undefined ? failed('name', `the certificate is not that of ${name}`) : undefined;
}

export class UpstreamTls implements TlsClient {
  readonly #config: UpstreamTlsConfig;
  readonly #secrets: ContextSecrets;
  readonly #stats: TlsStats;
  readonly #clock: Clock;
  readonly #keyUpdates: KeyUpdates;
  #made: Made | undefined;
  /** By what a handshake began with: secrets can change before it ends. */
  readonly #madeBy = new WeakMap<SecureContext, Made>();

  constructor(config: UpstreamTlsConfig, secrets: SecretStore, warming: Warming, stats: TlsStats, clock: Clock) {
    this.#config = config;
    this.#stats = stats;
    this.#clock = clock;
    this.#keyUpdates = new KeyUpdates(clock);
    const onChange = () => {
      this.#made = undefined;
    };
    this.#secrets = new ContextSecrets(config, { secrets, warming, stats, onChange });
  }

  /** The certificate that is presented. */
  get certificate(): CertificateConfig | undefined {
    return this.#secrets.certificates[0];
  }

  options(fallbackAlpn: readonly string[] = [], peer?: PeerName): ConnectionOptions | string {
    const missing = this.#secrets.missing;
    if (missing !== undefined) return missing;
    this.#made ??= this.#make();
    const { alpn: ownAlpn, sni } = this.#config;
    const alpn = ownAlpn.length > 0 ? ownAlpn : fallbackAlpn;
    // Each is used once (RFC 8446, C.4).
    const kept = takeSession(this.#made.sessions, textOf(peer));
    const session = kept && kept.validUntilMs > this.#clock.wallMs() ? kept.session : undefined;
    if (kept && session) this.#made.offered.set(session, kept);
    return {
      secureContext: this.#made.context,
      ...(session && { session }),
      servername: peer?.serverName ?? sni,
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

  verify(socket: TLSSocket, { secureContext, session }: ConnectionOptions, peer?: PeerName): string | undefined {
    const made = secureContext && this.#madeBy.get(secureContext);
    if (!made) return 'the handshake is none that was begun here';
    if (socket.isSessionReused()) {
      const kept = session && made.offered.get(session);
      if (!kept || kept.peer !== textOf(peer) || kept.validUntilMs <= this.#clock.wallMs()) {
        return countRefusal(this.#stats, failed('chain', SESSION_EXPIRED));
      }
      this.#keepSessions(socket, made, kept);
      return undefined;
    }
    const leaf = socket.getPeerX509Certificate();
    const refusal =
      (made.validation && this.#refusal(socket, leaf, made.validation)) ?? misnamed(leaf, made.validation, peer);
    if (refusal) return countRefusal(this.#stats, refusal);
    this.#keepSessions(socket, made, { peer: textOf(peer), validUntilMs: leaf ? validUntilMs(leaf) : 0 });
    return undefined;
  }

  /** Of TLS 1.3 the server gives them when it likes to, after the handshake. */
  #keepSessions(
    socket: TLSSocket,
    { sessions, validation }: Made,
    { peer, validUntilMs }: Pick<KeptSession, 'peer' | 'validUntilMs'>,
  ): void {
    const { maxSessions } = this.#config;
    // A session would outlive the revocation list by which its server was accepted.
    if (maxSessions === 0 || (validation && validation.crls.length > 0)) return;
    const keep = (session: Buffer): void => {
      sessions.unshift({ session, validUntilMs, peer });
      if (sessions.length > maxSessions) sessions.pop();
    };
    if (socket.getProtocol() === 'TLSv1.3') socket.on('session', keep);
    else {
      const session = socket.getSession();
      if (session) keep(session);
    }
  }

  #refusal(socket: TLSSocket, leaf: X509Certificate | undefined, validation: Validation): Refusal | undefined {
    const chainError = socket.authorized ? undefined : String(socket.authorizationError);
    return verifyPeer(socket, leaf, validation, chainError, this.#clock.wallMs());
  }

  onHandshake(socket: TLSSocket): void {
    const stats = this.#stats;
    stats.handshake++;
    if (socket.isSessionReused()) stats.session_reused++;
    stats['versions.'].count(socket.getProtocol() ?? '');
    stats['ciphers.'].count(socket.getCipher().name);
    const curve = curveOf(socket);
    if (curve !== undefined) stats['curves.'].count(curve);
    this.#keyUpdates.watch(socket);
  }

  onError(): void {
    this.#stats.connection_error++;
  }

  close(): void {
    this.#secrets.close();
  }
}
