/** A server of HTTP/2, in the clear or with TLS, whose streams a test plays by hand; for tests. */
import { once } from 'node:events';
import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
  type Settings,
} from 'node:http2';
import type { AddressInfo } from 'node:net';

export interface Http2UpstreamOptions {
  readonly settings?: Settings;
  readonly tls?: { readonly cert: string; readonly key: string };
}

export class Http2Upstream implements AsyncDisposable {
  readonly sessions: Http2Session[] = [];
  readonly streams: ServerHttp2Stream[] = [];
  readonly heads: IncomingHttpHeaders[] = [];
  readonly #server: Http2Server | Http2SecureServer;

  constructor(onStream: (stream: ServerHttp2Stream, index: number) => void, options: Http2UpstreamOptions = {}) {
    const { settings = {}, tls } = options;
    this.#server = tls ? createSecureServer({ ...tls, settings }) : createServer({ settings });
    this.#server.on('session', (session: Http2Session) => {
      session.on('error', () => session.destroy());
      this.sessions.push(session);
    });
    this.#server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.on('error', () => stream.destroy());
      this.heads.push(headers);
      onStream(stream, this.streams.push(stream) - 1);
    });
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.sessions) session.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export const answer = (stream: ServerHttp2Stream): void => {
  stream.respond({ ':status': 200 }, { endStream: true });
};
export const neverAnswer = (): void => undefined;
