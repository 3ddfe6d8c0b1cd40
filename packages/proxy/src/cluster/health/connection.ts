/** The connection on which a host is checked: one of its own, never of the pool that requests use. */
import type { Clock } from '../../clock.ts';
import type { NetworkAddress } from '../../config/core.ts';
import type { RequestStream, ResponseListener, UpstreamReset } from '../../http/stream.ts';
import { type ClientConnectionOwner, Http1ClientConnection } from '../../http1/client-connection.ts';
import { Http2ClientConnection, type Http2ConnectionOwner } from '../../http2/client-connection.ts';
import type { Http2ClientOptions } from '../../http2/options.ts';
import { type ConnectFailure, Connecting, type ConnectOptions } from '../../net/connect.ts';
import type { FlushQueue } from '../../net/flush-queue.ts';
import type { Host } from '../host.ts';

/** What checks of one cluster share. */
export interface ProbeTransport {
  readonly connect: ConnectOptions;
  readonly http2: Http2ClientOptions;
  readonly queue: FlushQueue;
  readonly clock: Clock;
}

const HTTP1 = { maxHeadBytes: 61_440, maxFields: 100, enableTrailers: false, idleTimeoutMs: 0, maxRequests: 0 };

/** Where a host is checked: at its own address, unless the endpoint says another one, or another port. */
export function checkedAddress(host: Host): NetworkAddress {
  const { check, address } = host.endpoint;
  const at = check?.address ?? address;
  return check === undefined || check.port === 0 || at.type === 'unix' ? at : { ...at, port: check.port };
}

/** What a host is called in its checks. */
export function checkedName(host: Host, configured: string, clusterName: string): string {
  return host.endpoint.check?.hostname || configured || clusterName;
}

interface Waiting {
  readonly listener: ResponseListener;
  readonly send: (stream: RequestStream) => void;
}

/** Makes a connection when one is needed; it may serve many checks, one at a time. */
export class ProbeConnection implements ClientConnectionOwner, Http2ConnectionOwner {
  readonly #address: NetworkAddress;
  readonly #transport: ProbeTransport;
  readonly #protocol: 'HTTP/1.1' | 'HTTP/2';
  #connecting: Connecting | undefined;
  #connection: Http1ClientConnection | Http2ClientConnection | undefined;
  #waiting: Waiting | undefined;

  constructor(address: NetworkAddress, transport: ProbeTransport, protocol: 'HTTP/1.1' | 'HTTP/2') {
    this.#address = address;
    this.#transport = transport;
    this.#protocol = protocol;
  }

  /** Has `send` send a request as soon as there is a connection; the listener hears all that comes of it. */
  request(listener: ResponseListener, send: (stream: RequestStream) => void): void {
    this.#waiting = { listener, send };
    if (this.#connection) this.#begin();
    else this.#connect();
  }

  #connect(): void {
    this.#connecting = new Connecting(
      this.#address,
      {
        onConnected: (socket) => {
          const { queue, clock, http2 } = this.#transport;
          this.#connecting = undefined;
          this.#connection =
            this.#protocol === 'HTTP/1.1'
              ? new Http1ClientConnection(socket, this, HTTP1, queue, clock)
              : new Http2ClientConnection(socket, this, http2, queue, clock);
          this.#begin();
        },
        onConnectFailed: (failure) => this.#onConnectFailed(failure),
      },
      this.#transport.connect,
    );
  }

  #onConnectFailed({ type, text }: ConnectFailure): void {
    this.#connecting = undefined;
    const reset: UpstreamReset = { type, text, isUnsent: true, isReused: false };
    this.#takeWaiting()?.listener.onUpstreamReset(reset);
  }

  #takeWaiting(): Waiting | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }

  #begin(): void {
    const connection = this.#connection;
    if (!connection || !this.#waiting) return;
    const isReady = 'capacity' in connection ? connection.capacity > 0 : connection.isUsable;
    if (!isReady) return;
    const waiting = this.#takeWaiting();
    if (waiting) waiting.send(connection.begin(waiting.listener));
  }

  onIdle(): void {
    this.#begin();
  }

  onCapacity(): void {
    this.#begin();
  }

  /** The far side takes no more requests on it: it is not used again. */
  onDraining(connection: Http2ClientConnection): void {
    if (this.#connection === connection) this.#connection = undefined;
    connection.drain();
  }

  onClosed(connection: Http1ClientConnection | Http2ClientConnection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    const reset: UpstreamReset = { type: 'connection-termination', text: '', isUnsent: true, isReused: false };
    this.#takeWaiting()?.listener.onUpstreamReset(reset);
  }

  onBytes(): void {
    // Checks are no traffic of the cluster.
  }

  /** Ends the connection, and whatever is asked on it. */
  close(): void {
    this.#waiting = undefined;
    this.#connecting?.cancel();
    this.#connecting = undefined;
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.socket.destroy();
  }
}
