/** HTTP/1.1 load: bytes made beforehand on keep-alive connections, each answer checked for its status and length. */
import { connect, type Socket } from 'node:net';
import type { Meter } from './meter.ts';

const HEAD_END = Buffer.from('\r\n\r\n');
const STATUS = Buffer.from('HTTP/1.1 200');
/** First and last byte of every body: a body of another length has others there. */
export const BODY_FIRST = 0x3c;
export const BODY_LAST = 0x3e;

/** A body as {@link Http1Connection} expects it. */
export function makeBody(bytes: number): Buffer {
  const body = Buffer.alloc(bytes, 'x');
  body[0] = BODY_FIRST;
  body[bytes - 1] = BODY_LAST;
  return body;
}

/** What is read is looked at before the next read, so that all connections share one buffer. */
const READ_BYTES = 65_536;

export interface Http1ConnectionOptions {
  readonly port: number;
  /** Whole requests without a body, sent in turn. */
  readonly requests: readonly Buffer[];
  readonly bodyBytes: number;
  readonly meter: Meter;
  readonly buffer: Buffer;
  /** An answer has come: send the next request, or rest. */
  readonly onIdle: (connection: Http1Connection) => void;
}

export function readBuffer(): Buffer {
  return Buffer.allocUnsafe(READ_BYTES);
}

export class Http1Connection {
  readonly #options: Http1ConnectionOptions;
  readonly #socket: Socket;
  #next: number;
  #sentMs = -1;
  #rest: Buffer | undefined;
  #isHeadChecked = false;

  constructor(options: Http1ConnectionOptions, first: number) {
    this.#options = options;
    this.#next = first % options.requests.length;
    const { port, meter, buffer } = options;
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer, callback: (bytes) => this.#read(buffer.subarray(0, bytes)) },
    });
    this.#socket.on('error', (error) => meter.fail(`a connection to port ${port} failed: ${error.message}`));
    this.#socket.on('close', () => meter.fail(`a connection to port ${port} was closed`));
  }

  /** Resolves when it is connected; a failure is told to the meter. */
  connected(): Promise<void> {
    return new Promise((resolve) => this.#socket.once('connect', resolve));
  }

  /** Sends the next request; its time counts from `sinceMs` on. */
  send(sinceMs: number): void {
    this.#sentMs = sinceMs;
    const { requests } = this.#options;
    this.#socket.write(requests[this.#next] as Buffer);
    this.#next = this.#next + 1 === requests.length ? 0 : this.#next + 1;
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.on('error', () => undefined);
    this.#socket.destroy();
  }

  #read(arrived: Buffer): boolean {
    const { meter, bodyBytes, onIdle } = this.#options;
    const bytes = this.#rest ? Buffer.concat([this.#rest, arrived]) : arrived;
    this.#rest = undefined;
    const head = bytes.length < STATUS.length ? -1 : bytes.indexOf(HEAD_END);
    if (bytes.length >= STATUS.length && bytes.compare(STATUS, 0, STATUS.length, 0, STATUS.length) !== 0) {
      meter.fail(`an answer was not 200: ${JSON.stringify(bytes.toString('latin1', 0, 200))}`);
      return false;
    }
    const end = head + 4 + bodyBytes;
    if (head < 0 || bytes.length < end) {
      this.#rest = Buffer.from(bytes);
      return true;
    }
    const wrong = this.#whatIsWrong(bytes, head, end);
    if (wrong !== undefined) {
      meter.fail(wrong);
      return false;
    }
    meter.completed(this.#sentMs);
    this.#sentMs = -1;
    onIdle(this);
    return true;
  }

  #whatIsWrong(bytes: Buffer, head: number, end: number): string | undefined {
    if (this.#sentMs < 0 || bytes.length !== end)
      return 'there were more bytes than those of one answer to one request';
    if (bytes[head + 4] !== BODY_FIRST || bytes[end - 1] !== BODY_LAST)
      return 'an answer had not the body that was sent';
    if (this.#isHeadChecked) return undefined;
    this.#isHeadChecked = true;
    const text = bytes.toString('latin1', 0, head + 2).toLowerCase();
    const expected = `\r\ncontent-length: ${this.#options.bodyBytes}\r\n`;
    return text.includes(expected) ? undefined : `an answer has no ${expected.trim()}: ${JSON.stringify(text)}`;
  }
}
