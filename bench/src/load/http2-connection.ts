/** What both sides of an HTTP/2 connection do: settings, pings and flow control; what one read asks for is one write. */
import type { Socket } from 'node:net';
import {
  DEFAULT_WINDOW,
  FLAG,
  FRAME,
  type FrameHandler,
  FrameReader,
  frame,
  MAX_WINDOW,
  SETTINGS_ACK,
  type Template,
  windowUpdate,
} from './http2-frames.ts';

/** After so many bytes of bodies the far side is told that it may send as many again. */
const REPLENISH_BYTES = 1 << 29;
const OUTPUT_BYTES = 65_536;

export interface Http2Events {
  /** `first`: the first byte of the head block that is no change of the table's size. */
  onHead(streamId: number, first: number, isEnd: boolean): void;
  onData(streamId: number, bytes: number, isEnd: boolean): void;
  /** A stream was reset, or the connection is to end. */
  onBroken(reason: string): void;
}

export class Http2Connection implements FrameHandler {
  readonly #socket: Socket;
  readonly #events: Http2Events;
  readonly #reader = new FrameReader(this);
  #output = Buffer.allocUnsafe(OUTPUT_BYTES);
  #filled = 0;
  #isReading = false;
  /** What may be sent on the connection, and what waits until it may. */
  #window = DEFAULT_WINDOW;
  readonly #waiting: (readonly [Template, number])[] = [];
  #received = 0;

  constructor(socket: Socket, events: Http2Events) {
    this.#socket = socket;
    this.#events = events;
  }

  read(arrived: Buffer): void {
    this.#isReading = true;
    this.#reader.read(arrived);
    this.#isReading = false;
    this.#flush();
  }

  /** Sends a message on a stream once the connection's window has room for it. */
  send(template: Template, streamId: number): void {
    if (template.dataBytes > this.#window || this.#waiting.length > 0) this.#waiting.push([template, streamId]);
    else this.#put(template, streamId);
  }

  #put(template: Template, streamId: number): void {
    this.#window -= template.dataBytes;
    this.#room(template.length);
    this.#filled = template.write(this.#output, this.#filled, streamId);
    if (!this.#isReading) this.#flush();
  }

  sendBytes(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#output.set(bytes, this.#filled);
    this.#filled += bytes.length;
    if (!this.#isReading) this.#flush();
  }

  #room(bytes: number): void {
    if (this.#filled + bytes > this.#output.length) this.#flush();
    if (bytes > this.#output.length) this.#output = Buffer.allocUnsafe(bytes);
  }

  #flush(): void {
    if (this.#filled === 0) return;
    // What was written may still be on its way: the rest of the buffer is for what comes next.
    this.#socket.write(this.#output.subarray(0, this.#filled));
    const left = this.#output.subarray(this.#filled);
    this.#output = left.length < OUTPUT_BYTES / 2 ? Buffer.allocUnsafe(OUTPUT_BYTES) : left;
    this.#filled = 0;
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (type === FRAME.DATA) this.#onData(flags, streamId, end - start);
    else if (type === FRAME.HEADERS) this.#onHead(flags, streamId, bytes, start);
    else if (type === FRAME.WINDOW_UPDATE) this.#onWindowUpdate(streamId, bytes.readUInt32BE(start) & MAX_WINDOW);
    else if (type === FRAME.SETTINGS) {
      if ((flags & FLAG.ACK) === 0) this.sendBytes(SETTINGS_ACK);
    } else if (type === FRAME.PING) {
      if ((flags & FLAG.ACK) === 0) this.sendBytes(frame(FRAME.PING, FLAG.ACK, 0, bytes.subarray(start, end)));
    } else if (type === FRAME.RST_STREAM) {
      this.#events.onBroken(`stream ${streamId} was reset with code ${bytes.readUInt32BE(start)}`);
    } else if (type === FRAME.GOAWAY) {
      const text = bytes.toString('latin1', start + 8, end);
      this.#events.onBroken(`the connection got GOAWAY with code ${bytes.readUInt32BE(start + 4)} ${text}`.trim());
    }
  }

  #onHead(flags: number, streamId: number, bytes: Buffer, start: number): void {
    let at = start;
    if (flags & FLAG.PADDED) at += 1;
    if (flags & FLAG.PRIORITY) at += 5;
    // Changes of the dynamic table's size (RFC 7541, 6.3) come first.
    while (((bytes[at] ?? 0) & 0xe0) === 0x20) {
      const isLong = ((bytes[at++] ?? 0) & 0x1f) === 0x1f;
      if (isLong) while (((bytes[at++] ?? 0) & 0x80) !== 0);
    }
    this.#events.onHead(streamId, bytes[at] ?? 0, (flags & FLAG.END_STREAM) !== 0);
  }

  #onData(flags: number, streamId: number, bytes: number): void {
    this.#received += bytes;
    if (this.#received >= REPLENISH_BYTES) {
      this.sendBytes(windowUpdate(0, this.#received));
      this.#received = 0;
    }
    this.#events.onData(streamId, bytes, (flags & FLAG.END_STREAM) !== 0);
  }

  #onWindowUpdate(streamId: number, increment: number): void {
    if (streamId !== 0) return;
    this.#window += increment;
    for (let next = this.#waiting[0]; next && next[0].dataBytes <= this.#window; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#put(...next);
    }
  }
}
