/** A server of HTTP/1.1 connections on a real socket, with a handler that records what it was given; for tests. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { systemClock } from '../../clock.ts';
import { HeaderList } from '../../http/header-list.ts';
import { type RequestHead, ResponseHead } from '../../http/message.ts';
import type { RequestListener, ResponseStream } from '../../http/stream.ts';
import { FlushQueue } from '../../net/flush-queue.ts';
import { Http1ServerConnection } from '../server-connection.ts';
import type { Http1ServerOptions, RequestHandler } from '../server-options.ts';
import type { Violation } from '../violation.ts';

/** A request as the handler saw it. */
export interface SeenRequest {
  readonly head: RequestHead;
  readonly stream: ResponseStream;
  body: string;
  trailers: readonly string[] | undefined;
  state: 'open' | 'complete' | 'malformed' | 'reset';
}

/** Answers a request; called when its head, and again when its end has come. */
export type Answer = (request: SeenRequest, when: 'head' | 'end') => void;

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

export class TestServer implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  readonly connections = new Set<Http1ServerConnection>();
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  readonly #options: Http1ServerOptions;
  readonly #answer: Answer;
  readonly #queue = new FlushQueue();
  isDraining = false;

  constructor(answer: Answer = echo, options: Partial<Http1ServerOptions> = {}) {
    this.#answer = answer;
    this.#options = { ...SERVER_OPTIONS, ...options };
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    const handler: RequestHandler = {
      onRequest: (head, stream) => this.#onRequest(head, stream),
      onViolation: (violation: Violation, stream) => refuse(stream, violation.status, violation.detail),
      onHeadTimeout: (stream) => refuse(stream, 408, 'timeout'),
      isDraining: () => this.isDraining,
      onClose: () => this.connections.delete(connection),
    };
    const connection = new Http1ServerConnection(socket, handler, this.#options, this.#queue, systemClock);
    this.connections.add(connection);
  }

  #onRequest(head: RequestHead, stream: ResponseStream): RequestListener {
    const seen: SeenRequest = { head, stream, body: '', trailers: undefined, state: 'open' };
    this.requests.push(seen);
    this.#answer(seen, 'head');
    return {
      onRequestBody: (chunk) => {
        seen.body += chunk.toString('latin1');
      },
      onRequestEnd: (trailers) => {
        seen.state = 'complete';
        seen.trailers = trailers?.flat;
        this.#answer(seen, 'end');
      },
      onRequestMalformed: (status, detail) => {
        seen.state = 'malformed';
        refuse(stream, status, detail);
      },
      onDownstreamReset: () => {
        seen.state = 'reset';
      },
      onDownstreamDrain: () => undefined,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
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
