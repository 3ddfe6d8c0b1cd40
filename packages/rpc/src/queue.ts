/** Messages on their way from a wire to whoever reads them, with a bound that stops the wire. */
import type { WeftError } from '@weft/contracts/error';

/** Past this many bytes that nobody has read the far side is held back. */
export const QUEUE_BYTES = 64 * 1024;
/** What a message costs beside its bytes. */
export const MESSAGE_OVERHEAD_BYTES = 64;

type End = { readonly type: 'ended' } | { readonly type: 'broken'; readonly error: WeftError };

export class MessageQueue implements AsyncIterable<Buffer> {
  readonly #messages: Buffer[] = [];
  readonly #onRead: () => void;
  #bytes = 0;
  #end: End | undefined;
  #wake: (() => void) | undefined;

  /** `onRead` is called after each message that was taken out. */
  constructor(onRead: () => void) {
    this.#onRead = onRead;
  }

  /** Whether there is room: a wire that is told false stops reading until `onRead`. */
  get hasRoom(): boolean {
    return this.#bytes < QUEUE_BYTES;
  }

  /** Whether all has been read and nothing will come. */
  get isDone(): boolean {
    return this.#end !== undefined && this.#messages.length === 0;
  }

  push(message: Buffer): void {
    if (this.#end) return;
    this.#messages.push(message);
    this.#bytes += message.length + MESSAGE_OVERHEAD_BYTES;
    this.#wake?.();
  }

  /** Nothing more comes; what is there can still be read. With an error, reading it throws after that. */
  end(error?: WeftError): void {
    if (this.#end) return;
    this.#end = error ? { type: 'broken', error } : { type: 'ended' };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      const message = this.#messages.shift();
      if (message) {
        this.#bytes -= message.length + MESSAGE_OVERHEAD_BYTES;
        this.#onRead();
        yield message;
      } else if (this.#end) {
        if (this.#end.type === 'broken') throw this.#end.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }
}
