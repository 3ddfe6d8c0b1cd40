/** A block of fields that comes in several frames (RFC 9113, 4.3), gathered until it is whole. */
import { ERROR, Http2Error } from './frames.ts';

/** Frames that one block may come in: nobody needs more. */
const MAX_FRAMES = 128;
/** A head somewhat above its limit ends its stream only; this is what a block may have beyond twice that limit. */
const SLACK_BYTES = 16_384;

export class HeaderBlock {
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Of the block under way; 0: there is none. */
  streamId = 0;
  /** Whether the stream ends with it. */
  isEnd = false;

  constructor(maxHeadBytes: number) {
    this.#maxBytes = 2 * maxHeadBytes + SLACK_BYTES;
  }

  begin(streamId: number, isEnd: boolean, bytes: Buffer, start: number, end: number): void {
    this.streamId = streamId;
    this.isEnd = isEnd;
    this.add(bytes, start, end);
  }

  add(bytes: Buffer, start: number, end: number): void {
    this.#bytes += end - start;
    if (this.#bytes > this.#maxBytes || this.#pieces.length >= MAX_FRAMES) {
      throw new Http2Error(ERROR.enhanceYourCalm, 'a header block that does not end');
    }
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
  }

  /** The whole block; there is none under way any more. */
  take(): Buffer {
    const whole = Buffer.concat(this.#pieces);
    this.drop();
    return whole;
  }

  drop(): void {
    this.#pieces = [];
    this.#bytes = 0;
    this.streamId = 0;
  }
}
