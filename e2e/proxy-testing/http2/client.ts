/** Requests of either version of HTTP, and what came of them, in one form that can be compared. */
import { type IncomingMessage, request as request1 } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { request as requestTls } from 'node:https';
import { shortened } from './upstream.ts';

export interface Ask {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  readonly trailers?: Readonly<Record<string, string>>;
}

export interface Got {
  readonly status: number;
  readonly headers: readonly string[];
  readonly informational: readonly number[];
  readonly body: string;
  readonly trailers: readonly string[];
  readonly end: 'whole' | 'cut';
}

/** Of the hop, or of the moment. */
const MOVING = new Set(['date', 'x-envoy-upstream-service-time', 'x-request-id']);
const FRAMING = new Set(['connection', 'keep-alive', 'transfer-encoding', 'trailer', ':status']);

function listed(raw: readonly (string | string[])[]): readonly string[] {
  const fields: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = String(raw[i]).toLowerCase();
    if (FRAMING.has(name)) continue;
    fields.push(`${name}: ${MOVING.has(name) ? '*' : raw[i + 1]}`);
  }
  return fields.sort();
}

const flatten = (headers: object): (string | string[])[] =>
  Object.entries(headers).flatMap(([name, value]) =>
    Array.isArray(value) ? value.flatMap((one) => [name, String(one)]) : [name, String(value)],
  );

const DEADLINE_MS = 20_000;

export interface Target {
  readonly port: number;
  readonly version: 'http1' | 'http2';
  readonly isTls: boolean;
}

export function ask(target: Target, given: Ask): Promise<Got> {
  return target.version === 'http1' ? ask1(target, given) : ask2(target, given);
}

function ask1({ port, isTls }: Target, { method = 'GET', path, headers = {}, body, trailers }: Ask): Promise<Got> {
  return new Promise((resolve, reject) => {
    const informational: number[] = [];
    const options = { host: '127.0.0.1', port, method, path, headers: { host: 'any.test', ...headers }, agent: false };
    const asked = isTls ? requestTls({ ...options, rejectUnauthorized: false }) : request1(options);
    asked.setTimeout(DEADLINE_MS, () => asked.destroy(new Error(`no answer to ${path}`)));
    asked.on('information', ({ statusCode }) => informational.push(statusCode));
    asked.on('error', reject);
    asked.on('response', (response: IncomingMessage) => {
      const chunks: Buffer[] = [];
      const done = (): void =>
        resolve({
          status: response.statusCode ?? 0,
          headers: listed(response.rawHeaders),
          informational,
          body: shortened(Buffer.concat(chunks)),
          trailers: listed(response.rawTrailers),
          end: response.complete ? 'whole' : 'cut',
        });
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => undefined);
      response.on('close', done);
    });
    if (trailers) asked.addTrailers(trailers);
    asked.end(body);
  });
}

function sessionOf({ port, isTls }: Target): ClientHttp2Session {
  return connect(`${isTls ? 'https' : 'http'}://127.0.0.1:${port}`, { rejectUnauthorized: false });
}

function ask2(target: Target, { method = 'GET', path, headers = {}, body, trailers }: Ask): Promise<Got> {
  return new Promise((resolve, reject) => {
    const session = sessionOf(target);
    const informational: number[] = [];
    const chunks: Buffer[] = [];
    let status = 0;
    let fields: readonly string[] = [];
    let ends: readonly string[] = [];
    session.on('error', reject);
    const head = { ':method': method, ':path': path, ':authority': 'any.test', ...headers };
    const stream = session.request(head, { endStream: body === undefined && !trailers, waitForTrailers: !!trailers });
    stream.setTimeout(DEADLINE_MS, () => stream.destroy(new Error(`no answer to ${path}`)));
    stream.on('headers', (given) => informational.push(Number(given[':status'])));
    stream.on('response', (given) => {
      status = Number(given[':status']);
      fields = listed(flatten(given));
    });
    stream.on('trailers', (given) => {
      ends = listed(flatten(given));
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    let hasEnded = false;
    stream.on('end', () => {
      hasEnded = true;
    });
    stream.on('error', () => undefined);
    stream.on('close', () => {
      session.close();
      const isWhole = hasEnded && stream.rstCode === constants.NGHTTP2_NO_ERROR && status > 0;
      const text = shortened(Buffer.concat(chunks));
      const end = isWhole ? 'whole' : 'cut';
      resolve({ status, headers: fields, informational, body: text, trailers: ends, end });
    });
    if (trailers) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    if (body !== undefined || trailers) stream.end(body);
  });
}

/** A stream of HTTP/2 to play by hand. */
export interface OpenStream extends Disposable {
  readonly stream: ClientHttp2Stream;
  /** The session's own end, and all its streams'. */
  leave(): void;
}

export function openStream(port: number, headers: Readonly<Record<string, string>>): OpenStream {
  const session = sessionOf({ port, version: 'http2', isTls: false });
  session.on('error', () => undefined);
  const stream = session.request({ ':method': 'POST', ':authority': 'any.test', ...headers });
  stream.on('error', () => undefined);
  const leave = (): void => session.destroy();
  return { stream, leave, [Symbol.dispose]: leave };
}

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

/** What comes back through a WebSocket, and what proof of it, after what was sent. */
export function throughWebSocket({ port, version }: Target, path: string, text: string): Promise<string> {
  return version === 'http1' ? upgraded1(port, path, text) : upgraded2(port, path, text);
}

function upgraded1(port: number, path: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
    const headers = { host: 'any.test', ...upgrade, 'sec-websocket-key': KEY };
    const asked = request1({ host: '127.0.0.1', port, path, headers, agent: false });
    asked.setTimeout(DEADLINE_MS, () => asked.destroy(new Error('no WebSocket')));
    asked.on('error', reject);
    asked.on('response', ({ statusCode }) => resolve(`refused with ${statusCode}`));
    asked.on('upgrade', (response, socket) => {
      let seen = '';
      socket.on('error', reject);
      socket.on('data', (chunk: Buffer) => {
        seen += chunk;
        if (seen.length < text.length) return;
        socket.destroy();
        resolve(`${response.statusCode} ${response.headers['sec-websocket-accept']} ${seen}`);
      });
      socket.write(text);
    });
    asked.end();
  });
}

function upgraded2(port: number, path: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const session = sessionOf({ port, version: 'http2', isTls: false });
    session.on('error', reject);
    session.on('remoteSettings', () => {
      const head = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': path, ':authority': 'any.test' };
      const stream = session.request(
        { ...head, ':scheme': 'http', 'sec-websocket-version': '13' },
        { endStream: false },
      );
      stream.setTimeout(DEADLINE_MS, () => stream.destroy(new Error('no WebSocket')));
      stream.on('error', reject);
      let seen = '';
      stream.on('response', (headers) => {
        if (headers[':status'] !== 200) resolve(`refused with ${headers[':status']}`);
        else stream.write(text);
      });
      stream.on('data', (chunk: Buffer) => {
        seen += chunk;
        if (seen.length < text.length) return;
        session.destroy();
        resolve(`200 ${seen}`);
      });
    });
  });
}
