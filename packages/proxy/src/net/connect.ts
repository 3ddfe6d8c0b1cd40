/** Connections to upstreams, in the clear or with TLS, with a limit on how long they may take to be made. */
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { NetworkAddress, TcpKeepalive } from '../config/core.ts';
import type { ProxyProtocolVersion } from '../config/transport-socket.ts';
import { type SourceAddress, sourceFor } from '../config/upstream-bind.ts';
import { addressesOf } from './peer.ts';
import { type AddressPair, proxyHeader } from './proxy-header.ts';

/** Why no connection was made. */
export interface ConnectFailure {
  readonly type: 'connect-failure' | 'connect-timeout' | 'local-connect-failure';
  /** What the operating system or TLS said; '' where there is nothing to say. */
  readonly text: string;
}

export interface ConnectListener {
  onConnected(socket: Socket): void;
  onConnectFailed(failure: ConnectFailure): void;
}

/** Whom a connection is for, where the configuration of TLS leaves that to each request. */
export interface PeerName {
  /** The server name to ask for; undefined: as the configuration says. */
  readonly serverName: string | undefined;
  /** A name, or an IP address, that the certificate must have; undefined: none beside those of the configuration. */
  readonly certificateName: string | undefined;
}

/** The client side of TLS: what to present, and whom to accept. */
export interface TlsClient {
  /**
   * Options of a handshake with what is current; a sentence where there is nothing to present or to trust yet. `alpn` is
   * offered where the configuration does not say what.
   */
  options(alpn: readonly string[], peer?: PeerName): ConnectionOptions | string;
  /** Why the peer is refused; undefined where it is accepted. `options`: what the handshake was begun with. */
  verify(socket: TLSSocket, options: ConnectionOptions, peer?: PeerName): string | undefined;
  /** The peer was accepted. */
  onHandshake(socket: TLSSocket): void;
  onError(): void;
}

export interface ConnectOptions {
  readonly timeoutMs: number;
  readonly tls: TlsClient | undefined;
  readonly keepalive: TcpKeepalive | undefined;
  readonly clock: Clock;
  /** Protocols to offer where the configuration of TLS does not say which; absent: none. */
  readonly alpn?: readonly string[];
  /** Absent: the server is not told who the client is. */
  readonly proxyProtocol?: ProxyProtocolVersion | undefined;
  /** Whom the connection is for, where it is for one client alone. */
  readonly client?: AddressPair | undefined;
  /** Absent: as the configuration of TLS says. */
  readonly peer?: PeerName | undefined;
  /** Where connections come from; absent: the system chooses. */
  readonly sources?: readonly SourceAddress[] | undefined;
  /** Told when a connection could not be made from where it was to come. */
  readonly onBindFailed?: () => void;
}

/** Seconds of silence after which the system asks whether the far side is there, where the options do not say. */
const DEFAULT_KEEPALIVE_SECONDS = 7200;

/** Turns TCP keep-alive on; what is not said is the system's. */
export function setKeepalive(socket: Socket, keepalive: TcpKeepalive | undefined): void {
  if (!keepalive) return;
  const { keepalive_time, keepalive_interval, keepalive_probes } = keepalive;
  const delayMs = (keepalive_time ?? DEFAULT_KEEPALIVE_SECONDS) * 1000;
  const intervalMs = keepalive_interval === undefined ? undefined : keepalive_interval * 1000;
  socket.setKeepAlive(true, delayMs, intervalMs, keepalive_probes);
}

/** What POSIX calls the usual failures, as Envoy's texts have them. */
const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EHOSTUNREACH: 'No route to host',
  ENETUNREACH: 'Network is unreachable',
  ENOENT: 'No such file or directory',
  ETIMEDOUT: 'Connection timed out',
};

function systemError(error: Error & { readonly code?: string }): string {
  return `delayed connect error: ${SYSTEM_ERRORS[error.code ?? ''] ?? error.message}`;
}

/** Undefined is spread to nothing: most connections come from wherever the system has them come. */
function fromOf({ sources }: ConnectOptions, target: NetworkAddress) {
  const source = sources && sourceFor(sources, target);
  return source && { localAddress: source.host, localPort: source.port };
}

/** One attempt to connect; calls one of the listener's methods exactly once, unless it is cancelled before. */
export class Connecting {
  readonly #listener: ConnectListener;
  readonly #options: ConnectOptions;
  readonly #cancelTimeout: () => void;
  #socket: Socket;
  #isDone = false;

  constructor(address: NetworkAddress, listener: ConnectListener, options: ConnectOptions) {
    this.#listener = listener;
    this.#options = options;
    const target =
      address.type === 'unix'
        ? { path: address.path, allowHalfOpen: true }
        : { host: address.host, port: address.port, allowHalfOpen: true, noDelay: true, ...fromOf(options, address) };
    this.#socket = connectTcp(target);
    this.#socket.on('error', this.#onError);
    this.#socket.once('connect', this.#onConnect);
    this.#cancelTimeout = options.clock.after(options.timeoutMs, () =>
      this.#fail({ type: 'connect-timeout', text: '' }),
    );
  }

  /** Gives up; nobody is told. */
  cancel(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#cancelTimeout();
    this.#socket.destroy();
  }

  readonly #onError = (error: Error & { readonly syscall?: string }): void => {
    if (error.syscall === 'bind') {
      if (!this.#isDone) this.#options.onBindFailed?.();
      this.#fail({ type: 'local-connect-failure', text: '' });
      return;
    }
    const isTls = 'encrypted' in this.#socket;
    if (isTls && !this.#isDone) this.#options.tls?.onError();
    this.#fail({ type: 'connect-failure', text: isTls ? `TLS_error: ${error.message}` : systemError(error) });
  };

  #fail(failure: ConnectFailure): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#cancelTimeout();
    this.#socket.destroy();
    this.#listener.onConnectFailed(failure);
  }

  readonly #onConnect = (): void => {
    setKeepalive(this.#socket, this.#options.keepalive);
    const { tls, proxyProtocol } = this.#options;
    if (proxyProtocol) this.#tellClient(proxyProtocol);
    if (!tls) {
      this.#succeed();
      return;
    }
    const options = tls.options(this.#options.alpn ?? [], this.#options.peer);
    if (typeof options === 'string') this.#fail({ type: 'connect-failure', text: options });
    else this.#handshake(tls, options);
  };

  /** The first bytes of the connection, ahead of a handshake of TLS too. */
  #tellClient(version: ProxyProtocolVersion): void {
    const { remoteHost, remotePort, localHost, localPort } = addressesOf(this.#socket);
    // Of this connection it is the proxy that is the client.
    const own = { remoteHost: localHost, remotePort: localPort, localHost: remoteHost, localPort: remotePort };
    this.#socket.write(proxyHeader(version, this.#options.client, own));
  }

  #handshake(tls: TlsClient, options: ConnectionOptions): void {
    const plain = this.#socket;
    const secure = tlsConnect({ ...options, socket: plain, rejectUnauthorized: false });
    this.#socket = secure;
    secure.on('error', this.#onError);
    secure.once('close', () => this.#onError(new Error('the connection ended during the handshake')));
    secure.once('secureConnect', () => {
      if (this.#isDone) return;
      const refusal = tls.verify(secure, options, this.#options.peer);
      if (refusal !== undefined) {
        this.#fail({ type: 'connect-failure', text: `TLS_error: ${refusal}` });
        return;
      }
      tls.onHandshake(secure);
      this.#succeed();
    });
  }

  #succeed(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#cancelTimeout();
    const socket = this.#socket;
    socket.off('error', this.#onError);
    this.#listener.onConnected(socket);
  }
}
