/** A peer that sends frames made by hand and reads whatever frames come back; for tests. */
import type { Socket } from 'node:net';
import { HandConnection } from '../../testing/hand-connection.ts';
import { FLAG_END_STREAM, FRAME, HEAD_BYTES } from '../frames.ts';
import { type Frame, framesOf } from './frames.ts';

export class FramePeer extends HandConnection {
  readonly frames: Frame[] = [];
  #toSkip: number;
  #rest: Buffer = Buffer.alloc(0);

  /** `target`: a port of this machine, or a connection; `skip`: bytes that come before the first frame. */
  constructor(target: number | Socket, skip = 0) {
    super(target);
    this.#toSkip = skip;
  }

  protected keep(chunk: Buffer): void {
    const skipped = Math.min(this.#toSkip, chunk.length);
    this.#toSkip -= skipped;
    const bytes = Buffer.concat([this.#rest, chunk.subarray(skipped)]);
    const whole = framesOf(bytes);
    this.frames.push(...whole);
    this.#rest = bytes.subarray(whole.reduce((sum, { payload }) => sum + HEAD_BYTES + payload.length, 0));
  }

  protected told(): string {
    const last = this.frames.slice(-20);
    return last.map(({ type, streamId, flags }) => `${type} on ${streamId} (${flags})`).join(', ');
  }

  /** Waits until what came is as wanted; fails after 20 s, telling what came. */
  async until(isThere: (peer: this) => unknown): Promise<this> {
    await this.hold(isThere);
    return this;
  }

  of(type: number, streamId?: number): readonly Frame[] {
    return this.frames.filter((one) => one.type === type && (streamId === undefined || one.streamId === streamId));
  }

  body(streamId: number): string {
    return this.of(FRAME.data, streamId)
      .map(({ payload }) => payload.toString('latin1'))
      .join('');
  }

  /** The final status of the stream; -1: none came, 0: it is written in a way that is not read here. */
  status(streamId: number): number {
    const statuses = this.of(FRAME.headers, streamId).map(({ payload }) => statusOf(payload));
    return statuses.find((status) => status >= 200 || status === 0) ?? -1;
  }

  /** Whether the far side said that it sends no more on the stream. */
  hasEnded(streamId: number): boolean {
    return this.frames.some(
      (one) => one.streamId === streamId && one.type <= FRAME.headers && (one.flags & FLAG_END_STREAM) !== 0,
    );
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
}

/** The status that a block of fields begins with, read without the tables of HPACK; 0: it is written in another way. */
function statusOf(payload: Buffer): number {
  const [first = 0, length = 0] = payload;
  const known = [200, 204, 206, 304, 400, 404, 500][first - 0x88];
  if (known !== undefined) return known;
  return length === 3 ? Number(payload.toString('latin1', 2, 5)) : 0;
}
