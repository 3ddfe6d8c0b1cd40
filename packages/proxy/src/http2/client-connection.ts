/** A connection to an upstream that speaks HTTP/2 (RFC 9113): many requests at once. */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import type { RequestStream, ResponseListener } from '../http/stream.ts';
import type { ClosedCause } from '../http1/client-connection.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import type { PoolConnection } from '../pool/pool.ts';
import type { Http2ClientOptions } from './options.ts';

/** The owner of a connection: a pool. */
export interface Http2ConnectionOwner {
  /** It can take requests (again): SETTINGS came, or a stream ended while it was full. */
  onCapacity(connection: Http2ClientConnection): void;
  /** GOAWAY came or the connection drains: no new requests; those that run go on. */
  onDraining(connection: Http2ClientConnection): void;
  onClosed(connection: Http2ClientConnection, cause: ClosedCause): void;
  onBytes(received: number): void;
}

export class Http2ClientConnection implements PoolConnection {
  readonly protocol = 'HTTP/2';
  readonly socket: Socket;
  /** Streams that may be begun now: 0 while it drains, or when it is closed. */
  readonly capacity: number = 0;
  /** Streams under way. */
  readonly active: number = 0;
  /** How many requests were begun on it. */
  readonly served: number = 0;

  constructor(
    socket: Socket,
    _owner: Http2ConnectionOwner,
    _options: Http2ClientOptions,
    _queue: FlushQueue,
    _clock: Clock,
  ) {
    this.socket = socket;
  }

  /** This side's address, as logs show it. */
  get localAddress(): string {
    const { localAddress, localPort } = this.socket;
    return localAddress === undefined ? '' : `${localAddress}:${localPort}`;
  }

  /** Begins a request; {@link RequestStream.sendHead} follows at once. */
  begin(listener: ResponseListener): RequestStream {
    throw new Error(`not yet ${listener}`);
  }

  /** Takes no more requests; closes when those that run are done. */
  drain(): void {
    this.socket.destroy();
  }
}
