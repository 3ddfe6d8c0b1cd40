/** Length-prefixed messages: gRPC over HTTP/2, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. */
import { WeftError } from '@weft/contracts/error';
import { MAX_MESSAGE_BYTES } from './stream.ts';

const HEAD_BYTES = 5;

/** A message with its head. */
export function frame(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, HEAD_BYTES);
  return bytes;
}

/** Finds the messages in the bytes of a stream, however they are cut. */
export class FrameReader {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #held = 0;

  /** `maxBytes`: how large a message may be; default 16 MiB. */
  constructor(maxBytes = MAX_MESSAGE_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Whether a message has begun and not ended. */
  get isInside(): boolean {
    return this.#held > 0;
  }

  /** The messages that are whole now. Throws `WeftError` for one that is too large or compressed. */
  push(chunk: Buffer): readonly Buffer[] {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    const messages: Buffer[] = [];
    for (
      let length = this.#length();
      length !== undefined && this.#held >= HEAD_BYTES + length;
      length = this.#length()
    ) {
      messages.push(this.#take(HEAD_BYTES + length).subarray(HEAD_BYTES));
    }
    return messages;
  }

  /** The length of the message at the front; undefined while its head is not whole. */
  #length(): number | undefined {
    if (this.#held < HEAD_BYTES) return undefined;
    if ((this.#chunks[0]?.length ?? 0) < HEAD_BYTES) this.#chunks = [Buffer.concat(this.#chunks)];
    const [head = Buffer.alloc(HEAD_BYTES)] = this.#chunks;
    if (head[0] !== 0) throw new WeftError('INTERNAL', 'a message is compressed, which was not agreed on');
    const length = head.readUInt32BE(1);
    if (length > this.#maxBytes) {
      const most = Math.floor(this.#maxBytes / 2 ** 20);
      throw new WeftError('RESOURCE_EXHAUSTED', `a message of ${length} bytes is larger than ${most} MiB`);
    }
    return length;
  }

  #take(count: number): Buffer {
    const whole = this.#chunks.length === 1 && this.#chunks[0] ? this.#chunks[0] : Buffer.concat(this.#chunks);
    const rest = whole.subarray(count);
    this.#held = rest.length;
    this.#chunks = rest.length > 0 ? [rest] : [];
    return whole.subarray(0, count);
  }
}
