/** An upstream that keeps what it was sent, and answers what the request asks for. */
import { createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { listen } from '../harness.ts';
import { readMessage, type WireMessage } from './wire.ts';

export interface RecordingUpstream {
  readonly port: number;
  readonly connections: ReadonlySet<Socket>;
  /** Whole requests, in the order of their ends; taking them forgets them. */
  take(): WireMessage[];
  /** Bytes that came and are not a whole request (yet), of all connections. */
  unread(): string;
  /** Bytes that came. */
  readonly bytes: number;
  /** As if nothing had come. */
  forget(): void;
}

/** The header whose value is answered, in base64url: bytes as they are, `close` and `hang` at its end mean just that. */
export const ANSWER = 'x-answer';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx-upstream: yes\r\nx-internal: 1\r\n\r\nok\n';

/** What to send as {@link ANSWER}: parts of text are written one after the other. */
export function answer(text: string, then: 'keep' | 'close' | 'reset' = 'keep'): string {
  return `${ANSWER}: ${Buffer.from(text, 'latin1').toString('base64url')}.${then}`;
}

function respond(socket: Socket, request: WireMessage): void {
  const wanted = request.headers.find(([name]) => name.toLowerCase() === ANSWER)?.[1];
  if (wanted === undefined) {
    socket.write(OK);
    return;
  }
  const [bytes = '', then] = wanted.split('.');
  const data = Buffer.from(bytes, 'base64url');
  if (then === 'close') socket.end(data);
  else if (then === 'reset') socket.write(data, () => socket.resetAndDestroy());
  else if (data.length > 0) socket.write(data);
}

/** A tunnel echoes. */
function isTunnel(request: WireMessage): boolean {
  return (
    request.start.startsWith('CONNECT ') ||
    request.headers.some(([name, value]) => name.toLowerCase() === 'upgrade' && value === 'websocket')
  );
}

class Recorder implements RecordingUpstream {
  readonly connections = new Set<Socket>();
  readonly #unread = new Map<Socket, string>();
  #requests: WireMessage[] = [];
  bytes = 0;
  port = 0;

  serve(socket: Socket): void {
    let isEchoing = false;
    this.connections.add(socket);
    this.#unread.set(socket, '');
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.connections.delete(socket);
      if (this.#unread.get(socket) === '') this.#unread.delete(socket);
    });
    socket.on('end', () => socket.end());
    socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length;
      if (isEchoing) {
        socket.write(chunk);
        return;
      }
      let text = (this.#unread.get(socket) ?? '') + chunk.toString('latin1');
      for (;;) {
        const read = readMessage(text, { isResponse: false });
        if (!read) break;
        text = text.slice(read.end);
        this.#requests.push(read.message);
        isEchoing = isTunnel(read.message);
        respond(socket, read.message);
        if (!isEchoing) continue;
        socket.write(text, 'latin1');
        text = '';
      }
      this.#unread.set(socket, text);
    });
  }

  take(): WireMessage[] {
    const taken = this.#requests;
    this.#requests = [];
    return taken;
  }

  forget(): void {
    this.bytes = 0;
    this.#requests = [];
  }

  unread(): string {
    return [...this.#unread.values()].join('');
  }
}

/** Starts one; it ends with the test. */
export async function startRecordingUpstream(test: TestContext, tls?: TlsOptions): Promise<RecordingUpstream> {
  const recorder = new Recorder();
  const accept = (socket: Socket) => recorder.serve(socket);
  const server: Server = tls ? createTlsServer(tls, accept) : createServer({ allowHalfOpen: true }, accept);
  // Handshakes that fail are the peer's to tell.
  if (tls) server.on('tlsClientError', () => undefined);
  recorder.port = await listen(test, server);
  return recorder;
}
