/** Large buffers that streams of bytes are read into, one after the other, without a new one for each read. */

const BULK_BYTES = 131_072;
/** Those that are free are kept up to so many: beyond it they were for a burst. */
const MAX_FREE = 16;

/** A buffer that is read into while it is used, and is free again when everything written from it is gone. */
export class BulkBuffer {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(BULK_BYTES);
  readonly #onFree: (buffer: BulkBuffer) => void;
  #writing = 0;
  #isUsed = true;

  constructor(onFree: (buffer: BulkBuffer) => void) {
    this.#onFree = onFree;
  }

  /** A write of some of its bytes begins; `written` is called at its end. */
  begin(): void {
    this.#writing++;
  }

  written(): void {
    if (--this.#writing === 0 && !this.#isUsed) this.#onFree(this);
  }

  use(): void {
    this.#isUsed = true;
  }

  /** Nothing more is read into it. */
  leave(): void {
    this.#isUsed = false;
    if (this.#writing === 0) this.#onFree(this);
  }
}

export class BulkBuffers {
  readonly #free: BulkBuffer[] = [];
  readonly #onFree = (buffer: BulkBuffer): void => {
    if (this.#free.length < MAX_FREE) this.#free.push(buffer);
  };

  take(): BulkBuffer {
    const buffer = this.#free.pop() ?? new BulkBuffer(this.#onFree);
    buffer.use();
    return buffer;
  }
}
