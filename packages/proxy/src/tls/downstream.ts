/** The server side of TLS: handshakes with whatever secrets are current, and whom they let in. */
import { constants, X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { CertificateConfig, DownstreamTlsConfig } from '../config/tls.ts';
import type { Counts } from '../counts/cells.ts';
import { connectionBelow } from '../net/handles.ts';
import type { CertificateNames } from '../stack/stream-info.ts';
import type { TlsStats } from '../stats/groups.ts';
import type { Warming } from '../warming.ts';
import { awaitHello } from './await-hello.ts';
import { CertificateChoice } from './choose-certificate.ts';
import { contextOptions, TLS12_CIPHERS } from './context-options.ts';
import { ContextSecrets } from './context-secrets.ts';
import { KeyUpdates } from './key-updates.ts';
import { ConnectionTls, certificateNames, type PeerNames } from './names.ts';
import { trustIntermediates } from './native-context.ts';
import { Recent } from './recent.ts';
import type { SecretStore } from './secrets.ts';
import { makeTickets, type Tickets, takeTickets } from './tickets.ts';
import { NOBODY, prepareValidation, type Validation, validationIdentity } from './validation.ts';
import { countRefusal, verifyPeer } from './verify.ts';

/** A handshake that came to its end. */
export interface Handshake {
  onSecure(socket: TLSSocket, tls: ConnectionTls): void;
  /** `reason`: what was wrong; undefined: the client left. */
  onFailed(reason: string | undefined): void;
}

/** Before the names of OpenSSL's errors, which BoringSSL has as well. */
const TLS_ERROR = 'ERR_SSL_';

/** Where the configuration sets no limit, which Envoy takes for none. */
const HANDSHAKE_TIMEOUT_MS = 15_000;

/** What handshakes are made with until secrets change. */
interface Made {
  /**
   * One for each certificate, with a context that has no other: a client is shown the one that was chosen for it. They
   * listen nowhere: connections are handed to them.
   */
  readonly servers: readonly Server[];
  /** Undefined: there is one certificate, and nothing of a client is looked at. */
  readonly choice: CertificateChoice | undefined;
}

export interface DownstreamTlsOptions {
  readonly config: DownstreamTlsConfig;
  readonly secrets: SecretStore;
  readonly warming: Warming;
  readonly stats: TlsStats;
  readonly clock: Clock;
  /** What threads know together; absent: there is one. */
  readonly counts?: Counts | undefined;
  /** The names for which the filter chain is; sessions of another one's are not taken. */
  readonly serverNames?: readonly string[] | undefined;
  /** How long a handshake may take; 0 or absent: 15 s. */
  readonly handshakeMs?: number | undefined;
  /** A handshake took longer. */
  readonly onTimeout?: (() => void) | undefined;
}

/** By what a certificate tells clients that they are at the same service. */
function namesOf({ subject, subjectAltName, issuer }: X509Certificate): unknown {
  return [subject, subjectAltName, issuer];
}

export class DownstreamTls {
  readonly #config: DownstreamTlsConfig;
  readonly #secrets: ContextSecrets;
  readonly #stats: TlsStats;
  readonly #clock: Clock;
  readonly #keyUpdates: KeyUpdates;
  /** By the connection: what Node gives for it is another object after the handshake. */
  readonly #handshakes = new WeakMap<object, Handshake>();
  readonly #names: PeerNames = new Recent();
  readonly #counts: Counts | undefined;
  readonly #serverNames: readonly string[];
  readonly #ownTicketSecret: Uint8Array;
  readonly #handshakeMs: number;
  readonly #onTimeout: (() => void) | undefined;
  #made: Made | undefined;

  constructor(options: DownstreamTlsOptions) {
    const { config, secrets, warming, stats, clock, counts, serverNames = [], handshakeMs = 0 } = options;
    this.#handshakeMs = handshakeMs > 0 ? handshakeMs : HANDSHAKE_TIMEOUT_MS;
    this.#onTimeout = options.onTimeout;
    this.#config = config;
    this.#stats = stats;
    this.#clock = clock;
    this.#keyUpdates = new KeyUpdates(clock);
    this.#counts = counts;
    this.#serverNames = serverNames;
    this.#ownTicketSecret = secrets.ticketSecret;
    const onChange = () => {
      this.#made = undefined;
    };
    this.#secrets = new ContextSecrets(config, { secrets, warming, stats, onChange });
  }

  /** Begins the handshake on a connection that was just accepted. */
  handshake(socket: Socket, handshake: Handshake): void {
    const missing = this.#secrets.missing;
    if (missing !== undefined) {
      handshake.onFailed(missing);
      return;
    }
    this.#handshakes.set(socket, handshake);
    socket.once('close', () => this.#take(socket)?.onFailed(undefined));
    // Who ends its direction before the handshake is done has left; after it a direction may end by itself.
    socket.allowHalfOpen = false;
    this.#made ??= this.#make();
    const { servers, choice } = this.#made;
    if (choice) this.#choose(socket, servers, choice);
    else servers[0]?.emit('connection', socket);
  }

  /** What the client asks for says which certificate it is shown. */
  #choose(socket: Socket, servers: readonly Server[], choice: CertificateChoice): void {
    const cancel = this.#clock.after(this.#handshakeMs, () => {
      this.#onTimeout?.();
      socket.destroy();
    });
    socket.once('close', cancel);
    awaitHello(socket, (offer) => {
      cancel();
      socket.off('close', cancel);
      servers[offer ? choice.choose(offer) : 0]?.emit('connection', socket);
    });
  }

  #take(key: object): Handshake | undefined {
    const handshake = this.#handshakes.get(key);
    this.#handshakes.delete(key);
    return handshake;
  }

  #make(): Made {
    const { certificates, validation: given } = this.#secrets;
    const { ciphers = TLS12_CIPHERS, maxVersion, scansAllCertificates: scansAll } = this.#config;
    const leaves = certificates.map(({ chain }) => new X509Certificate(chain));
    const validation =
      given && prepareValidation(given, (leafKey) => this.#counts?.instant(`tls ${tickets.context} ${leafKey}`));
    const tickets = this.#tickets(leaves, validation);
    const servers = certificates.map((certificate, index) => {
      const local = certificateNames(leaves[index] as X509Certificate);
      return this.#makeServer(certificate, local, validation, tickets);
    });
    const speaksTls13 = maxVersion === 'TLSv1.3';
    const choice = servers.length > 1 ? new CertificateChoice(leaves, { ciphers, speaksTls13, scansAll }) : undefined;
    return { servers, choice };
  }

  #makeServer(
    certificate: CertificateConfig,
    local: CertificateNames,
    validation: Validation | undefined,
    tickets: Tickets,
  ): Server {
    const server = createServer(this.#options(certificate, validation, tickets));
    if (tickets.keys.length > 1) takeTickets(server, tickets.keys);
    if (validation?.trustsIntermediates) trustIntermediates(server);
    server.on('secureConnection', (socket) => this.#onSecure(socket, validation, local));
    server.on('tlsClientError', (error, socket) => this.#onError(error, socket));
    return server;
  }

  /**
   * Keys that are configured are for processes that let in alike. A session holds no more of a chain than its leaf: where
   * more is asked for, only the process that has seen the chain knows of it, and tickets are for that alone.
   */
  #tickets(leaves: readonly X509Certificate[], validation: Validation | undefined): Tickets {
    const { ticketKeys = [] } = this.#secrets;
    const isAlone = ticketKeys.length === 0 || validation?.needsChain === true;
    const identity = [
      isAlone ? leaves.map(({ fingerprint256 }) => fingerprint256) : leaves.map(namesOf),
      validationIdentity(this.#secrets.validation),
      this.#config.requiresClientCertificate,
      this.#serverNames,
    ];
    return makeTickets(identity, isAlone ? [this.#ownTicketSecret] : ticketKeys);
  }

  #options(certificate: CertificateConfig, validation: Validation | undefined, tickets: Tickets): TlsOptions {
    const { alpn, givesTickets, sessionSeconds, requiresClientCertificate, prefersClientCiphers } = this.#config;
    // A session would outlive the revocation list by which its client was let in.
    const gives = givesTickets && (validation === undefined || validation.crls.length === 0);
    return {
      ...contextOptions(this.#config, certificate, validation ?? NOBODY),
      honorCipherOrder: !prefersClientCiphers,
      requestCert: validation !== undefined || requiresClientCertificate,
      rejectUnauthorized: false,
      sessionIdContext: tickets.context,
      ...(gives ? { ticketKeys: tickets.keys[0] } : { secureOptions: constants.SSL_OP_NO_TICKET }),
      ...(sessionSeconds === undefined ? {} : { sessionTimeout: sessionSeconds }),
      ...(alpn.length > 0 ? { ALPNCallback: ({ protocols }) => alpn.find((name) => protocols.includes(name)) } : {}),
      handshakeTimeout: this.#handshakeMs,
    };
  }

  #onSecure(socket: TLSSocket, validation: Validation | undefined, local: CertificateNames): void {
    const handshake = this.#take(connectionBelow(socket) ?? socket);
    socket.allowHalfOpen = true;
    const leaf = socket.getPeerX509Certificate();
    const refusal = this.#refusal(socket, leaf, validation);
    if (refusal !== undefined) {
      socket.destroy();
      handshake?.onFailed(refusal);
      return;
    }
    const tls = new ConnectionTls(socket, leaf, local, this.#names);
    const stats = this.#stats;
    stats.handshake++;
    if (socket.isSessionReused()) stats.session_reused++;
    if (!leaf) stats.no_certificate++;
    stats['versions.'].count(tls.version);
    stats['ciphers.'].count(tls.cipher);
    this.#keyUpdates.watch(socket);
    handshake?.onSecure(socket, tls);
  }

  #refusal(
    socket: TLSSocket,
    leaf: X509Certificate | undefined,
    validation: Validation | undefined,
  ): string | undefined {
    if (!leaf) {
      if (!this.#config.requiresClientCertificate) return undefined;
      this.#stats.fail_verify_no_cert++;
      return 'PEER_DID_NOT_RETURN_A_CERTIFICATE';
    }
    if (!validation) return undefined;
    const chainError = socket.authorized ? undefined : String(socket.authorizationError);
    const refusal = verifyPeer(socket, leaf, validation, chainError, this.#clock.wallMs());
    return refusal && countRefusal(this.#stats, refusal);
  }

  #onError(error: Error & { readonly code?: string }, socket: TLSSocket): void {
    // As in Envoy, a client that leaves or says nothing is no error of TLS.
    const ofTls = error.code?.startsWith(TLS_ERROR) ? error.code.slice(TLS_ERROR.length) : undefined;
    if (ofTls !== undefined) this.#stats.connection_error++;
    if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') this.#onTimeout?.();
    this.#take(connectionBelow(socket) ?? socket)?.onFailed(ofTls);
    socket.destroy();
  }

  close(): void {
    this.#secrets.close();
  }
}
