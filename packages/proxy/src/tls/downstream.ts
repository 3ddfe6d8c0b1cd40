/** The server side of TLS: handshakes with whatever secrets are current, and whom they let in. */
import { constants, X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { DownstreamTlsConfig } from '../config/tls.ts';
import type { CertificateNames } from '../stack/stream-info.ts';
import type { TlsStats } from '../stats/groups.ts';
import type { Warming } from '../warming.ts';
import { contextOptions } from './context-options.ts';
import { ConnectionTls, certificateNames, type PeerNames } from './names.ts';
import { Recent } from './recent.ts';
import type { SecretStore } from './secrets.ts';
import { TlsSecrets } from './upstream.ts';
import { prepareValidation, type Validation } from './validation.ts';
import { verifyPeer } from './verify.ts';

/** A handshake that came to its end. */
export interface Handshake {
  onSecure(socket: TLSSocket, tls: ConnectionTls): void;
  /** `reason` is a sentence. */
  onFailed(reason: string): void;
}

const HANDSHAKE_TIMEOUT_MS = 15_000;

/** The connection below a TLS socket, which Node keeps there without a public name for it. */
function connectionBelow(socket: TLSSocket): object {
  const below: unknown = Reflect.get(socket, '_parent');
  return typeof below === 'object' && below !== null ? below : socket;
}

export class DownstreamTls {
  readonly #config: DownstreamTlsConfig;
  readonly #secrets: TlsSecrets;
  readonly #stats: TlsStats;
  readonly #clock: Clock;
  /** By the connection: what Node gives for it is another object after the handshake. */
  readonly #handshakes = new WeakMap<object, Handshake>();
  readonly #names: PeerNames = new Recent();
  #server: Server | undefined;
  #validation: Validation | undefined;

  constructor(config: DownstreamTlsConfig, secrets: SecretStore, warming: Warming, stats: TlsStats, clock: Clock) {
    this.#config = config;
    this.#stats = stats;
    this.#clock = clock;
    this.#secrets = new TlsSecrets(config, secrets, warming, () => {
      this.#server = undefined;
    });
  }

  /** Begins the handshake on a connection that was just accepted. */
  handshake(socket: Socket, handshake: Handshake): void {
    const missing = this.#secrets.missing;
    if (missing !== undefined) {
      handshake.onFailed(missing);
      return;
    }
    this.#handshakes.set(socket, handshake);
    socket.once('close', () => this.#fail(socket, 'the connection ended during the handshake'));
    // Who ends its direction before the handshake is done has left; after it a direction may end by itself.
    socket.allowHalfOpen = false;
    this.#currentServer().emit('connection', socket);
  }

  #take(key: object): Handshake | undefined {
    const handshake = this.#handshakes.get(key);
    this.#handshakes.delete(key);
    return handshake;
  }

  #fail(key: object, reason: string): void {
    const handshake = this.#take(key);
    if (!handshake) return;
    this.#stats.connection_error++;
    handshake.onFailed(reason);
  }

  #currentServer(): Server {
    this.#server ??= this.#makeServer();
    return this.#server;
  }

  /** A server that listens nowhere: connections are handed to it. A change of secrets makes a new one. */
  #makeServer(): Server {
    const { certificate, validation } = this.#secrets;
    const prepared = validation && prepareValidation(validation);
    const local = certificate && certificateNames(new X509Certificate(certificate.chain));
    this.#validation = prepared;
    const server = createServer(this.#options());
    server.on('secureConnection', (socket) => this.#onSecure(socket, prepared, local));
    server.on('tlsClientError', (error, socket) => this.#onError(error, socket));
    return server;
  }

  #options(): TlsOptions {
    const { certificate } = this.#secrets;
    const { alpn, givesTickets, ticketLifeMs } = this.#config;
    const asks = this.#validation !== undefined || this.#config.requiresClientCertificate;
    return {
      cert: '',
      key: '',
      ...contextOptions(this.#config, certificate, this.#validation?.rootsPem ?? []),
      requestCert: asks,
      rejectUnauthorized: false,
      ...(givesTickets ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
      ...(ticketLifeMs === undefined ? {} : { sessionTimeout: Math.ceil(ticketLifeMs / 1000) }),
      ...(alpn.length > 0 ? { ALPNCallback: ({ protocols }) => alpn.find((name) => protocols.includes(name)) } : {}),
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    };
  }

  #onSecure(socket: TLSSocket, validation: Validation | undefined, local: CertificateNames | undefined): void {
    const handshake = this.#take(connectionBelow(socket));
    socket.allowHalfOpen = true;
    this.#stats.handshake++;
    if (socket.isSessionReused()) this.#stats.session_reused++;
    const leaf = socket.getPeerX509Certificate();
    const refusal = this.#refusal(socket, leaf, validation);
    if (refusal === undefined) handshake?.onSecure(socket, new ConnectionTls(socket, leaf, local, this.#names));
    else {
      this.#stats.connection_error++;
      socket.destroy();
      handshake?.onFailed(refusal);
    }
  }

  #refusal(
    socket: TLSSocket,
    leaf: X509Certificate | undefined,
    validation: Validation | undefined,
  ): string | undefined {
    if (!leaf) {
      if (!this.#config.requiresClientCertificate) {
        this.#stats.no_certificate++;
        return undefined;
      }
      this.#stats.fail_verify_no_cert++;
      return 'the peer presented no certificate';
    }
    if (!validation) return undefined;
    const chainError = socket.authorized ? undefined : String(socket.authorizationError);
    const refusal = verifyPeer(socket, leaf, validation, chainError, this.#clock.wallMs());
    if (refusal?.type === 'name') this.#stats.fail_verify_san++;
    else if (refusal?.type === 'hash') this.#stats.fail_verify_cert_hash++;
    else if (refusal) this.#stats.fail_verify_error++;
    return refusal?.reason;
  }

  #onError(error: Error, socket: TLSSocket): void {
    this.#fail(connectionBelow(socket), error.message);
    socket.destroy();
  }

  close(): void {
    this.#secrets.close();
  }
}
