/** A server of HTTP/2 connections on a real socket, and a client that sends raw frames; for tests. */
import { connect, type Socket } from 'node:net';
import { systemClock } from '../../clock.ts';
import { HeaderList } from '../../http/header-list.ts';
import { ResponseHead } from '../../http/message.ts';
import type { ResponseStream } from '../../http/stream.ts';
import { type Answer, RecordingServer } from '../../http/testing/recording-server.ts';
import { DecodingRoom } from '../../net/slabs.ts';
import { ERROR, FRAME } from '../frames.ts';
import { HpackDecoder } from '../hpack/decoder.ts';
import type { Http2ServerOptions } from '../options.ts';
import { type Http2RequestHandler, Http2ServerConnection } from '../server-connection.ts';
import { Http2Stats } from '../stats.ts';
import { type Frame, framesOf, OPTIONS } from './frames.ts';

/** Sends a whole response. */
export function respond(stream: ResponseStream, status: number, body: string, headers: readonly string[] = []): void {
  stream.sendHead(new ResponseHead(status, new HeaderList([...headers])), body === '');
  if (body !== '') stream.sendBody(Buffer.from(body, 'latin1'));
  stream.sendEnd(undefined);
}

/** Answers a complete request with 200 and its own body. */
export const echo: Answer = ({ stream, body, head }, when) => {
  if (when === 'end' || head.bodyLength === 0) respond(stream, 200, body, ['x-path', head.path]);
};

export class TestServer extends RecordingServer {
  readonly connections = new Set<Http2ServerConnection>();
  readonly stats = new Http2Stats();
  readonly errors: string[] = [];
  readonly #options: Http2ServerOptions;

  constructor(answer: Answer = echo, options: Partial<Http2ServerOptions> = {}) {
    super(answer);
    this.#options = { ...OPTIONS, ...options };
  }

  protected serve(socket: Socket): void {
    const handler: Http2RequestHandler = {
      onRequest: (head, stream) => this.record(head, stream),
      onViolation: (violation, stream) => respond(stream, violation.status, violation.detail),
      onHeadTimeout: (stream) => respond(stream, 408, 'timeout'),
      isDraining: () => this.isDraining,
      onConnectionError: (cause) => this.errors.push(cause),
      onIdleTimeout: () => this.errors.push('idle'),
      onClose: () => this.connections.delete(connection),
    };
    const connection = new Http2ServerConnection(socket, handler, this.#options, this.queue, systemClock, this.stats);
    this.connections.add(connection);
  }
}

/** A peer that sends raw bytes and reads whatever frames come back. */
export class RawPeer implements Disposable {
  readonly socket: Socket;
  isClosed = false;
  #bytes = Buffer.alloc(0);
  readonly #decoder = new HpackDecoder(new DecodingRoom());
  /** What each HEADERS frame said, as `name: value` lines; decoded once, in order. */
  readonly #heads = new Map<Frame, string>();
  #seen = 0;
  #frames: Frame[] = [];
  #wake: () => void = () => undefined;

  constructor(target: number | Socket) {
    this.socket = typeof target === 'number' ? connect({ port: target, host: '127.0.0.1', noDelay: true }) : target;
    this.socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
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

  send(...parts: readonly Uint8Array[]): this {
    this.socket.write(Buffer.concat(parts));
    return this;
  }

  get frames(): readonly Frame[] {
    const all = framesOf(this.#bytes.subarray(this.#seen));
    for (const frame of all) {
      this.#seen += 9 + frame.payload.length;
      this.#frames.push(frame);
    }
    return this.#frames;
  }

  /** Skips a preface at the start, where the peer is a server. */
  skip(bytes: number): void {
    this.#seen = bytes;
  }

  of(type: number, streamId?: number): readonly Frame[] {
    return this.frames.filter((one) => one.type === type && (streamId === undefined || one.streamId === streamId));
  }

  /** The fields of every HEADERS frame so far, by stream. */
  heads(): readonly { readonly streamId: number; readonly text: string }[] {
    const heads = this.of(FRAME.headers);
    for (const one of heads) {
      if (this.#heads.has(one)) continue;
      const lines: string[] = [];
      const { payload } = one;
      this.#decoder.decode(payload, 0, payload.length, {
        onField: (_kind, name, value) => lines.push(`${name}: ${value}`),
      });
      this.#heads.set(one, lines.join('\n'));
    }
    return heads.map((one) => ({ streamId: one.streamId, text: this.#heads.get(one) ?? '' }));
  }

  body(streamId: number): string {
    return this.of(FRAME.data, streamId)
      .map(({ payload }) => payload.toString('latin1'))
      .join('');
  }

  isEnded(streamId: number): boolean {
    return this.frames.some(({ type, flags, streamId: id }) => id === streamId && type <= 1 && (flags & 1) === 1);
  }

  /** The error of GOAWAY; undefined while there is none. */
  goaway(): string | undefined {
    const frame = this.of(FRAME.goaway).at(-1);
    return frame && nameOf(frame.payload.readUInt32BE(4));
  }

  /** The error of the RST_STREAM of a stream. */
  resetOf(streamId: number): string | undefined {
    const frame = this.of(FRAME.reset, streamId)[0];
    return frame && nameOf(frame.payload.readUInt32BE(0));
  }

  /** Waits until what came is as wanted; fails after 20 s, telling what came. */
  async until(isThere: (peer: RawPeer) => unknown): Promise<this> {
    const deadline = AbortSignal.timeout(20_000);
    while (!isThere(this)) {
      if (deadline.aborted) {
        const last = this.frames.slice(-20).map(({ type, streamId, flags }) => `${type} on ${streamId} (${flags})`);
        throw new Error(`20 s passed, and only this came: ${last.join(', ')}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 10);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

function nameOf(code: number): string {
  return Object.entries(ERROR).find(([, value]) => value === code)?.[0] ?? String(code);
}
