/** A server of HTTP/2, in the clear or with TLS, whose streams a test plays by hand; for tests. */
import {
  createSecureServer,
  createServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
  type Settings,
} from 'node:http2';
import { LocalServer } from '../../testing/local-server.ts';

export interface Http2UpstreamOptions {
  readonly settings?: Settings;
  readonly tls?: { readonly cert: string; readonly key: string };
}

export class Http2Upstream extends LocalServer {
  readonly sessions: Http2Session[] = [];
  readonly streams: ServerHttp2Stream[] = [];
  readonly heads: IncomingHttpHeaders[] = [];

  constructor(onStream: (stream: ServerHttp2Stream, index: number) => void, options: Http2UpstreamOptions = {}) {
    const { settings = {}, tls } = options;
    const server = tls ? createSecureServer({ ...tls, settings }) : createServer({ settings });
    super(server);
    server.on('session', (session: Http2Session) => {
      session.on('error', () => session.destroy());
      this.sessions.push(session);
    });
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.on('error', () => stream.destroy());
      this.heads.push(headers);
      onStream(stream, this.streams.push(stream) - 1);
    });
  }
}

export const answer = (stream: ServerHttp2Stream): void => {
  stream.respond({ ':status': 200 }, { endStream: true });
};
export const neverAnswer = (): void => undefined;
