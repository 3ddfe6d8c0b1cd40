/** Frames of HTTP/2 made by hand, and a peer that sends them as they are and reads what comes back (RFC 9113, 4 and 6). */
import { connect, type Socket } from 'node:net';

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const FLAG = { end: 1, endHeaders: 4, padded: 8, priority: 32 } as const;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export type Field = readonly [name: string, value: string];

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4);
  for (const [i, number] of numbers.entries()) bytes.writeUInt32BE(number, i * 4);
  return bytes;
}

/** A string of HPACK that is not compressed (RFC 7541, 5.2). */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

/** Fields that no table keeps. */
export function block(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

export function headers(streamId: number, fields: readonly Field[], isEnd = true): Buffer {
  return frame(FRAME.headers, FLAG.endHeaders | (isEnd ? FLAG.end : 0), streamId, block(fields));
}

export function data(streamId: number, text: string | Uint8Array, isEnd = false): Buffer {
  return frame(FRAME.data, isEnd ? FLAG.end : 0, streamId, Buffer.from(text as string));
}

export function reset(streamId: number, code = 8): Buffer {
  return frame(FRAME.reset, 0, streamId, uint32(code));
}

export function settings(...pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  for (const [i, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  }
  return frame(FRAME.settings, 0, 0, payload);
}

export function many(count: number, make: (i: number) => Uint8Array): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
}

/** What a client begins with. */
export const HELLO: Buffer = Buffer.concat([PREFACE, settings(), frame(FRAME.settings, 1, 0)]);

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** The status that a block of fields begins with; 0: it is written in a way that is not read here. */
function statusOf(payload: Buffer): number {
  const [first = 0, length = 0] = payload;
  const known = [200, 204, 206, 304, 400, 404, 500][first - 0x88];
  if (known !== undefined) return known;
  return length === 3 ? Number(payload.toString('latin1', 2, 5)) : 0;
}

/** One end of a connection, by hand. */
export class FramePeer implements Disposable {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  isClosed = false;
  #rest: Buffer;
  #wake: () => void = () => undefined;

  /** `target`: a port of this machine, or a connection; `skip`: bytes that come before the first frame. */
  constructor(target: number | Socket, skip = 0) {
    this.socket = typeof target === 'number' ? connect({ port: target, host: '127.0.0.1', noDelay: true }) : target;
    this.#rest = Buffer.alloc(0);
    let toSkip = skip;
    this.socket.on('data', (chunk: Buffer) => {
      const skipped = Math.min(toSkip, chunk.length);
      toSkip -= skipped;
      this.#read(chunk.subarray(skipped));
    });
    const over = (): void => {
      this.isClosed = true;
      this.#wake();
    };
    this.socket.on('end', over).on('close', over).on('error', over);
  }

  #read(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at + 9 <= bytes.length) {
      const end = at + 9 + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const streamId = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      this.frames.push({
        type: bytes[at + 3] ?? 0,
        flags: bytes[at + 4] ?? 0,
        streamId,
        payload: bytes.subarray(at + 9, end),
      });
      at = end;
    }
    this.#rest = bytes.subarray(at);
    this.#wake();
  }

  send(...parts: readonly Uint8Array[]): this {
    if (this.socket.writable) this.socket.write(Buffer.concat(parts));
    return this;
  }

  of(type: number, streamId?: number): readonly Frame[] {
    return this.frames.filter((one) => one.type === type && (streamId === undefined || one.streamId === streamId));
  }

  status(streamId: number): number {
    const head = this.of(FRAME.headers, streamId).find(
      ({ payload }) => statusOf(payload) >= 200 || statusOf(payload) === 0,
    );
    return head ? statusOf(head.payload) : -1;
  }

  body(streamId: number): string {
    return this.of(FRAME.data, streamId)
      .map(({ payload }) => payload.toString('latin1'))
      .join('');
  }

  /** Whether the far side said that it sends no more on the stream. */
  hasEnded(streamId: number): boolean {
    return this.frames.some((one) => one.streamId === streamId && one.type <= 1 && (one.flags & FLAG.end) !== 0);
  }

  /** The code with which the stream was reset; -1: it was not. */
  resetOf(streamId: number): number {
    return this.of(FRAME.reset, streamId)[0]?.payload.readUInt32BE(0) ?? -1;
  }

  /** The code of the last GOAWAY; -1: there was none. */
  get goaway(): number {
    return this.of(FRAME.goaway).at(-1)?.payload.readUInt32BE(4) ?? -1;
  }

  /** Whether it came to an end: of the stream, or of the connection. */
  isOver(streamId: number): boolean {
    return this.isClosed || this.hasEnded(streamId) || this.resetOf(streamId) >= 0;
  }

  /** Waits until that holds; false where it does not within the time. */
  async until(holds: (peer: this) => boolean, timeoutMs = 10_000): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!holds(this)) {
      if (performance.now() > deadline) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 20);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
