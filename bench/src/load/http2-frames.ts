/** Frames of HTTP/2 (RFC 9113, 4 and 6), as far as load needs them. */

export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 } as const;

export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** What a stream or connection may send before it is told that it may send more, where nobody says otherwise. */
export const DEFAULT_WINDOW = 65_535;
export const MAX_WINDOW = 0x7fff_ffff;

const HEADER_BYTES = 9;
const SETTINGS_MAX_CONCURRENT_STREAMS = 3;
const SETTINGS_INITIAL_WINDOW_SIZE = 4;

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(streamId, 5);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(increment);
  return frame(FRAME.WINDOW_UPDATE, 0, streamId, payload);
}

/** The first frames of either side: streams may send all that they have, and so may the connection. */
export function firstFrames(): Buffer {
  const settings = Buffer.alloc(12);
  settings.writeUInt16BE(SETTINGS_MAX_CONCURRENT_STREAMS, 0);
  settings.writeUInt32BE(10_000, 2);
  settings.writeUInt16BE(SETTINGS_INITIAL_WINDOW_SIZE, 6);
  settings.writeUInt32BE(MAX_WINDOW, 8);
  return Buffer.concat([frame(FRAME.SETTINGS, 0, 0, settings), windowUpdate(0, MAX_WINDOW - DEFAULT_WINDOW)]);
}

export const SETTINGS_ACK: Buffer = frame(FRAME.SETTINGS, FLAG.ACK, 0, Buffer.alloc(0));

/** The frames of several messages in one buffer, whose stream can be filled in. */
export class Template {
  readonly #bytes: Buffer;
  readonly #streamIds: readonly number[];
  /** Of all DATA frames, as flow control counts them. */
  readonly dataBytes: number;

  constructor(frames: readonly Buffer[]) {
    this.#bytes = Buffer.concat(frames);
    const streamIds: number[] = [];
    let at = 0;
    let dataBytes = 0;
    for (const each of frames) {
      streamIds.push(at + 5);
      at += each.length;
      if (each[3] === FRAME.DATA) dataBytes += each.length - HEADER_BYTES;
    }
    this.#streamIds = streamIds;
    this.dataBytes = dataBytes;
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** Writes it for a stream; gives where it ends. */
  write(target: Buffer, at: number, streamId: number): number {
    target.set(this.#bytes, at);
    for (const offset of this.#streamIds) target.writeUInt32BE(streamId, at + offset);
    return at + this.#bytes.length;
  }
}

export interface FrameHandler {
  /** The payload is `bytes` from `start` to `end`, and is gone afterwards. */
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void;
}

/** Cuts what arrives into frames, in whatever pieces it comes. */
export class FrameReader {
  readonly #handler: FrameHandler;
  #rest: Buffer | undefined;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  read(arrived: Buffer): void {
    const bytes = this.#rest ? Buffer.concat([this.#rest, arrived]) : arrived;
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const start = at + HEADER_BYTES;
      const end = start + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const type = bytes[at + 3] as number;
      const flags = bytes[at + 4] as number;
      this.#handler.onFrame(type, flags, bytes.readUInt32BE(at + 5) & MAX_WINDOW, bytes, start, end);
      at = end;
    }
    this.#rest = at === bytes.length ? undefined : Buffer.from(bytes.subarray(at));
  }
}
