/** Buffers that connections use in turn. */

/** As much as one TLS record holds. */
export const SLAB_BYTES = 16_384;
/** Those that are free are kept up to so many: beyond it they were for a burst. */
const MAX_FREE = 64;

/** A buffer of one size, which what is sent is gathered in. */
export interface Slab {
  readonly bytes: Buffer;
  /** Gives it back. */
  readonly release: () => void;
}

export class Slabs {
  readonly #free: Slab[] = [];

  take(): Slab {
    return this.#free.pop() ?? this.#make();
  }

  #make(): Slab {
    const slab: Slab = {
      bytes: Buffer.allocUnsafeSlow(SLAB_BYTES),
      release: () => {
        if (this.#free.length < MAX_FREE) this.#free.push(slab);
      },
    };
    return slab;
  }
}

/** Room for strings as they are decoded; lent to all decoders of a thread, each of which uses it for a moment only. */
export class DecodingRoom {
  #bytes: Buffer = Buffer.allocUnsafeSlow(1024);

  atLeast(size: number): Buffer {
    if (this.#bytes.length < size) this.#bytes = Buffer.allocUnsafeSlow(size * 2);
    return this.#bytes;
  }
}
