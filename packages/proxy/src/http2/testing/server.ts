/** A server of HTTP/2 connections on a real socket, and a client that sends raw frames; for tests. */
import type { Socket } from 'node:net';
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
import { FramePeer } from './frame-peer.ts';
import { type Frame, OPTIONS } from './frames.ts';

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
      ...this.handler,
      onConnectionError: (cause) => this.errors.push(cause),
      onIdleTimeout: () => this.errors.push('idle'),
      onClose: () => this.connections.delete(connection),
    };
    const connection = new Http2ServerConnection(socket, handler, this.#options, this.queue, systemClock, this.stats);
    this.connections.add(connection);
  }

  protected refuse(stream: ResponseStream, status: number, detail: string): void {
    respond(stream, status, detail);
  }
}

/** A peer that decodes the heads that come, and knows errors by their names. */
export class RawPeer extends FramePeer {
  readonly #decoder = new HpackDecoder(new DecodingRoom());
  /** What each HEADERS frame said, as `name: value` lines; decoded once, in order. */
  readonly #heads = new Map<Frame, string>();

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

  /** The error of GOAWAY; undefined while there is none. */
  get goawayError(): string | undefined {
    return nameOf(this.goaway);
  }

  /** The error of the RST_STREAM of a stream; undefined while there is none. */
  resetErrorOf(streamId: number): string | undefined {
    return nameOf(this.resetOf(streamId));
  }
}

function nameOf(code: number): string | undefined {
  if (code < 0) return undefined;
  return Object.entries(ERROR).find(([, value]) => value === code)?.[0] ?? String(code);
}
