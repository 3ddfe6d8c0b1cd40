/** Servers of HTTP/1.1 and HTTP/2 that do what the request's `x-do` says, and keep what they saw. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import {
  createServer as createHttp2Server,
  createSecureServer,
  type Http2ServerRequest,
  type Http2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Server, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { listen } from '../../harness.ts';

/** What an upstream saw of one request. */
export interface Seen {
  readonly version: string;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly string[];
  /** Undefined: the request did not come to its end. */
  readonly body: string | undefined;
  readonly trailers: readonly string[];
}

type Request = IncomingMessage | Http2ServerRequest;

/** What answers of both versions have. */
interface Response {
  readonly stream?: ServerHttp2Stream;
  readonly writableEnded: boolean;
  setHeader(name: string, value: string | readonly string[]): unknown;
  writeHead(status: number, headers?: Readonly<Record<string, string>>): { end(body?: string): unknown };
  writeEarlyHints?(hints: Record<string, string>): void;
  write(chunk: Buffer | string): boolean;
  addTrailers(trailers: Readonly<Record<string, string>>): void;
  end(chunk?: Buffer | string): unknown;
  on(event: 'error' | 'close' | 'drain', listener: () => void): unknown;
}
type Play = (request: Request, response: Response, count: number) => void | Promise<void>;

const MOVING = new Set(['x-request-id', 'x-envoy-expected-rq-timeout-ms', 'sec-websocket-key']);

function listed(raw: readonly string[]): readonly string[] {
  const fields: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = String(raw[i]).toLowerCase();
    fields.push(`${name}: ${MOVING.has(name) ? '*' : raw[i + 1]}`);
  }
  return fields.sort();
}

/** A long body is told by its length. */
export function shortened(body: Buffer): string {
  return body.length > 1000 ? `${body.length} bytes` : body.toString('latin1');
}

const message = (...bytes: readonly number[]): Buffer => Buffer.from([0, 0, 0, 0, bytes.length, ...bytes]);
const grpcHead = { 'content-type': 'application/grpc' };

function trailed(response: Response, body: Buffer | string, trailers: Readonly<Record<string, string>>): void {
  if (!response.stream) response.setHeader('trailer', Object.keys(trailers).join(', '));
  response.write(body);
  response.addTrailers(trailers);
  response.end();
}

/** By the value of `x-do`. */
const PLAYS: Readonly<Record<string, Play>> = {
  ok: (_request, response) => void response.end('ok\n'),
  headers: (_request, response) => {
    response.setHeader('x-many', ['a', 'b']);
    response.setHeader('set-cookie', ['a=1', 'b=2; Path=/']);
    response.setHeader('content-length', '4');
    response.end('body');
  },
  'status-204': (_request, response) => void response.writeHead(204).end(),
  'status-304': (_request, response) => void response.writeHead(304, { etag: '"1"' }).end(),
  'status-500': (_request, response) => void response.writeHead(500).end('broken'),
  trailers: (_request, response) => trailed(response, 'hello', { 'x-trailer': 'one', 'x-other': 'two' }),
  big: (_request, response) => void response.end(Buffer.alloc(3_000_000, 'x')),
  silent: () => undefined,
  'early-hints': (_request, response) => {
    response.writeEarlyHints?.({ link: '</a>; rel=preload' });
    response.end('later');
  },
  'reset-before': (request, response) => {
    if (response.stream) response.stream.close(2);
    else request.socket.destroy();
  },
  refused: (_request, response) => void response.stream?.close(7),
  'refused-once': (_request, response, count) => {
    if (count === 0) response.stream?.close(7);
    else response.end('now');
  },
  'reset-midway': (request, response) => {
    response.write('half');
    setTimeout(() => {
      if (response.stream) response.stream.close(2);
      else request.socket.destroy();
    }, 100);
  },
  'grpc-unary': (_request, response) => {
    response.writeHead(200, { ...grpcHead, 'x-binary-bin': 'AAEC/w==' });
    trailed(response, message(1, 2, 3), { 'grpc-status': '0', 'x-trailing-bin': '/wAB' });
  },
  'grpc-error': (_request, response) => {
    response.writeHead(200, grpcHead);
    trailed(response, '', { 'grpc-status': '5', 'grpc-message': 'not%20here' });
  },
  'grpc-trailers-only': (_request, response) => {
    response.writeHead(200, { ...grpcHead, 'grpc-status': '14', 'grpc-message': 'later' }).end();
  },
  'grpc-unavailable-once': (_request, response, count) => {
    response.writeHead(200, { ...grpcHead, 'grpc-status': count === 0 ? '14' : '0' }).end();
  },
  'grpc-midway': (_request, response) => {
    response.writeHead(200, grpcHead);
    response.write(message(1));
    setTimeout(() => response.stream?.close(2), 100);
  },
};

/** Writes for as long as somebody takes it. */
function flood(response: Response): void {
  const block = Buffer.alloc(65_536, 'f');
  let isOpen = true;
  response.on('close', () => {
    isOpen = false;
  });
  const more = (): void => {
    while (isOpen && response.write(block));
  };
  response.on('drain', more);
  more();
}

export interface ScriptedUpstream {
  readonly port: number;
  /** Requests that were cut off by the client. */
  readonly cut: () => number;
  /** What came since the last call, in order. */
  take(): readonly Seen[];
}

class Script {
  #seen: Seen[] = [];
  #counts = new Map<string, number>();
  cut = 0;

  readonly serve = (request: Request, response: Response): void => {
    const todo = String(request.headers['x-do'] ?? 'ok');
    if (todo.startsWith('stream-')) this.#stream(todo, request, response);
    else this.#answer(todo, request, response);
  };

  /** Answers before the request has ended. */
  #stream(todo: string, request: Request, response: Response): void {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    response.on('close', () => {
      if (!response.writableEnded) this.cut++;
    });
    if (todo === 'stream-silent') {
      request.resume();
      return;
    }
    response.writeHead(200, grpcHead);
    if (todo === 'stream-endless') flood(response);
    else if (todo === 'stream-deaf') response.write('begun');
    else {
      request.on('data', (chunk: Buffer) => response.write(chunk));
      request.on('end', () => {
        response.addTrailers({ 'grpc-status': '0' });
        response.end();
      });
    }
  }

  #answer(todo: string, request: Request, response: Response): void {
    const chunks: Buffer[] = [];
    let isWhole = false;
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    const entry = this.#seen.length;
    const keep = (body: Buffer | undefined): void => {
      this.#seen[entry] = {
        version: request.httpVersion,
        method: request.method ?? '',
        path: request.url ?? '',
        headers: listed(request.rawHeaders),
        body: body && shortened(body),
        trailers: listed(request.rawTrailers),
      };
    };
    keep(undefined);
    request.on('end', () => {
      isWhole = true;
      keep(Buffer.concat(chunks));
      const name = `${todo} ${request.headers['x-case']}`;
      const count = this.#counts.get(name) ?? 0;
      this.#counts.set(name, count + 1);
      if (todo === 'echo') response.end(Buffer.concat(chunks));
      else void PLAYS[todo]?.(request, response, count);
    });
    response.on('close', () => {
      if (!isWhole || !response.writableEnded) this.cut++;
    });
  }

  take(): readonly Seen[] {
    const seen = this.#seen;
    this.#seen = [];
    return seen;
  }
}

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Grants a WebSocket, and gives back what comes. */
function acceptUpgrade(request: IncomingMessage, socket: Socket): void {
  const key = request.headers['sec-websocket-key'] ?? '';
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
  const head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
  socket.on('error', () => socket.destroy());
  socket.write(`${head}Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.pipe(socket);
}

function acceptTunnel(stream: ServerHttp2Stream): void {
  stream.on('error', () => stream.destroy());
  stream.respond({ ':status': 200 });
  stream.pipe(stream);
}

export type UpstreamKind = 'http1' | 'http2' | { readonly cert: string; readonly key: string };

/** Starts one, and ends it with the test: of HTTP/1.1, of HTTP/2 in the clear, or of HTTP/2 with TLS. */
export async function startScripted(test: TestContext, kind: UpstreamKind): Promise<ScriptedUpstream> {
  const script = new Script();
  let server: Server;
  if (kind === 'http1') server = createServer(script.serve);
  else {
    const settings = { enableConnectProtocol: true };
    const made = kind === 'http2' ? createHttp2Server({ settings }) : createSecureServer({ ...kind, settings });
    made.on('request', script.serve);
    made.on('session', (session: Http2Session) => session.on('error', () => session.destroy()));
    // Other methods come as requests.
    made.on('connect', ({ stream }: Http2ServerRequest) => acceptTunnel(stream));
    server = made;
  }
  server.on('upgrade', acceptUpgrade);
  return { port: await listen(test, server), cut: () => script.cut, take: () => script.take() };
}
