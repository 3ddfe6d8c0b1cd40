/** A server of HTTP/1.1 connections on a real socket, with a handler that records what it was given; for tests. */
import { connect, type Socket } from 'node:net';
import { systemClock } from '../../clock.ts';
import { HeaderList } from '../../http/header-list.ts';
import { ResponseHead } from '../../http/message.ts';
import type { ResponseStream } from '../../http/stream.ts';
import { type Answer, RecordingServer } from '../../http/testing/recording-server.ts';
import { Http1ServerConnection } from '../server-connection.ts';
import type { Http1ServerOptions, RequestHandler } from '../server-options.ts';
import type { Violation } from '../violation.ts';

export const SERVER_OPTIONS: Http1ServerOptions = {
  maxHeadBytes: 8192,
  maxFields: 100,
  acceptsHttp10: true,
  defaultHostForHttp10: '',
  enableTrailers: true,
  allowsCustomMethods: false,
  maxRequests: 0,
  requestHeadersTimeoutMs: 0,
  idleTimeoutMs: 0,
  delayedCloseMs: 1000,
};

/** Sends a whole response. */
export function respond(stream: ResponseStream, status: number, body: string, headers: readonly string[] = []): void {
  const head = new ResponseHead(status, new HeaderList([...headers, 'content-length', String(body.length)]));
  stream.sendHead(head, body === '');
  if (body !== '') stream.sendBody(Buffer.from(body, 'latin1'));
  stream.sendEnd(undefined);
}

/** Answers a complete request with 200 and its own body. */
export const echo: Answer = ({ stream, body, head }, when) => {
  if (when === 'end') respond(stream, 200, body, ['x-path', head.path]);
};

function refuse(stream: ResponseStream, status: number, detail: string): void {
  respond(stream, status, detail);
}

export class TestServer extends RecordingServer {
  readonly connections = new Set<Http1ServerConnection>();
  readonly #options: Http1ServerOptions;

  constructor(answer: Answer = echo, options: Partial<Http1ServerOptions> = {}) {
    super(answer);
    this.#options = { ...SERVER_OPTIONS, ...options };
  }

  protected serve(socket: Socket): void {
    const handler: RequestHandler = {
      onRequest: (head, stream) => this.record(head, stream),
      onViolation: (violation: Violation, stream) => refuse(stream, violation.status, violation.detail),
      onHeadTimeout: (stream) => refuse(stream, 408, 'timeout'),
      isDraining: () => this.isDraining,
      onClose: () => this.connections.delete(connection),
    };
    const connection = new Http1ServerConnection(socket, handler, this.#options, this.queue, systemClock);
    this.connections.add(connection);
  }

  protected override onMalformed(stream: ResponseStream, status: number, detail: string): void {
    refuse(stream, status, detail);
  }
}

/** A client that sends raw bytes and gathers whatever comes back. */
export class RawClient implements Disposable {
  readonly socket: Socket;
  received = '';
  isClosed = false;
  #wake: () => void = () => undefined;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    this.socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString('latin1');
      this.#wake();
    });
    const over = (): void => {
      this.isClosed = true;
      this.#wake();
    };
    this.socket.on('end', over);
    this.socket.on('close', over);
    this.socket.on('error', over);
  }

  send(bytes: string | Buffer): this {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    return this;
  }

  /** Waits until what came is as wanted; fails after 20 s, telling what came. */
  async until(isThere: (client: RawClient) => boolean): Promise<string> {
    const deadline = AbortSignal.timeout(20_000);
    while (!isThere(this)) {
      if (deadline.aborted) throw new Error(`20 s passed, and only this came: ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 10);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.received;
  }

  /** Everything, up to the end of the connection. */
  toEnd(): Promise<string> {
    return this.until(({ isClosed }) => isClosed);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
