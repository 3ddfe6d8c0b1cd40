/** A server of HTTP/1.1 connections on a real socket, with a handler that records what it was given; for tests. */
import type { Socket } from 'node:net';
import { systemClock } from '../../clock.ts';
import { HeaderList } from '../../http/header-list.ts';
import { ResponseHead } from '../../http/message.ts';
import type { ResponseStream } from '../../http/stream.ts';
import { type Answer, RecordingServer } from '../../http/testing/recording-server.ts';
import { HandConnection } from '../../testing/hand-connection.ts';
import { Http1ServerConnection } from '../server-connection.ts';
import type { Http1ServerOptions, RequestHandler } from '../server-options.ts';

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

export class TestServer extends RecordingServer {
  readonly connections = new Set<Http1ServerConnection>();
  readonly #options: Http1ServerOptions;

  constructor(answer: Answer = echo, options: Partial<Http1ServerOptions> = {}) {
    super(answer);
    this.#options = { ...SERVER_OPTIONS, ...options };
  }

  protected serve(socket: Socket): void {
    const handler: RequestHandler = { ...this.handler, onClose: () => this.connections.delete(connection) };
    const connection = new Http1ServerConnection(socket, handler, this.#options, this.queue, systemClock);
    this.connections.add(connection);
  }

  protected refuse(stream: ResponseStream, status: number, detail: string): void {
    respond(stream, status, detail);
  }

  protected override onMalformed(stream: ResponseStream, status: number, detail: string): void {
    respond(stream, status, detail);
  }
}

/** A client that sends raw bytes and gathers whatever comes back. */
export class RawClient extends HandConnection {
  received = '';

  constructor(port: number) {
    super(port, true);
  }

  protected keep(chunk: Buffer): void {
    this.received += chunk.toString('latin1');
  }

  protected told(): string {
    return JSON.stringify(this.received);
  }

  /** Waits until what came is as wanted, and gives it; fails after 20 s, telling what came. */
  async until(isThere: (client: this) => boolean): Promise<string> {
    await this.hold(isThere);
    return this.received;
  }

  /** Everything, up to the end of the connection. */
  toEnd(): Promise<string> {
    return this.until(({ isClosed }) => isClosed);
  }
}
