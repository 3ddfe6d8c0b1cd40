/** Random identifiers of traces and spans, in lower-case hexadecimal. */
import { randomFillSync } from 'node:crypto';

const POOL_BYTES = 4096;

export class IdSource {
  readonly #pool = Buffer.allocUnsafe(POOL_BYTES);
  #at = POOL_BYTES;

  /** That many random bytes; never all zero, which is no identifier. */
  next(bytes: 8 | 16): string {
    if (this.#at + bytes > POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#at = 0;
    }
    const id = this.#pool.toString('hex', this.#at, this.#at + bytes);
    this.#at += bytes;
    return /^0+$/.test(id) ? this.next(bytes) : id;
  }
}
