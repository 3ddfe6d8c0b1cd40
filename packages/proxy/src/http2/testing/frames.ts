/** Frames made by hand and read again; for tests. */
import { ERROR, FLAG_ACK, FLAG_END_HEADERS, FLAG_END_STREAM, FRAME, MAX_STREAM_ID, PREFACE } from '../frames.ts';
import type { Http2Limits, Http2ServerOptions } from '../options.ts';

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

function length(size: number): Buffer {
  if (size < 127) return Buffer.from([size]);
  const bytes = [127];
  let rest = size - 127;
  for (; rest >= 128; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

export type Field = readonly [name: string, value: string];

/** Fields as literals that no table keeps. */
export function block(fields: readonly Field[]): Buffer {
  const parts = fields.flatMap(([name, value]) => [
    Buffer.from([0]),
    length(Buffer.byteLength(name, 'latin1')),
    Buffer.from(name, 'latin1'),
    length(Buffer.byteLength(value, 'latin1')),
    Buffer.from(value, 'latin1'),
  ]);
  return Buffer.concat(parts);
}

export const GET: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a'],
];
export const POST: readonly Field[] = [[':method', 'POST'], ...GET.slice(1)];

/** A whole block in one frame. */
export function headers(streamId: number, fields: readonly Field[], isEnd = true): Buffer {
  return frame(FRAME.headers, FLAG_END_HEADERS | (isEnd ? FLAG_END_STREAM : 0), streamId, block(fields));
}

export function data(streamId: number, text: string | Uint8Array, isEnd = false): Buffer {
  return frame(FRAME.data, isEnd ? FLAG_END_STREAM : 0, streamId, Buffer.from(text as string));
}

export function reset(streamId: number, code: number = ERROR.cancel): Buffer {
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

/** As many parts, one after the other. */
export function many(count: number, make: (index: number) => Uint8Array): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));
}

/** What a client begins with. */
export const HELLO = Buffer.concat([PREFACE, settings()]);
/** The same, with word that it holds the server's settings: from then on it may be held to them. */
export const HELLO_WITH_ACK = Buffer.concat([HELLO, frame(FRAME.settings, FLAG_ACK, 0)]);

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** The frames that are whole in some bytes. */
export function framesOf(bytes: Buffer): readonly Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + 9 <= bytes.length; ) {
    const size = bytes.readUIntBE(at, 3);
    if (at + 9 + size > bytes.length) break;
    const payload = bytes.subarray(at + 9, at + 9 + size);
    frames.push({
      type: bytes[at + 3] as number,
      flags: bytes[at + 4] as number,
      streamId: bytes.readUInt32BE(at + 5) & MAX_STREAM_ID,
      payload,
    });
    at += 9 + size;
  }
  return frames;
}

export const LIMITS: Http2Limits = {
  maxOutboundFrames: 10_000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveEmptyFrames: 1,
  maxPriorityFramesPerStream: 100,
  maxWindowUpdatesPerDataFrame: 10,
};

export const OPTIONS: Http2ServerOptions = {
  maxHeadBytes: 8192,
  maxFields: 100,
  maxConcurrentStreams: 100,
  streamWindowBytes: 65_535,
  connectionWindowBytes: 1_048_576,
  hpackTableBytes: 4096,
  allowsConnect: true,
  invalidMessageEndsStream: false,
  limits: LIMITS,
  idleTimeoutMs: 0,
  maxRequests: 0,
  keepalive: { intervalMs: 0, jitterMs: 0, timeoutMs: 0 },
  requestHeadersTimeoutMs: 0,
  delayedCloseMs: 1000,
  flushTimeoutMs: 0,
};
