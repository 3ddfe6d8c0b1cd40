/** Buffers of one size that what is sent is gathered in, lent from one connection to the next. */

/** As much as one TLS record holds. */
export const SLAB_BYTES = 16_384;
/** Those that are free are kept up to so many: beyond it they were for a burst. */
const MAX_FREE = 64;

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
