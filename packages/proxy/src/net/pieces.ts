/**
 * Bytes of a body that are kept until they are needed. Small pieces are gathered into larger ones: a body that comes byte by
 * byte takes no more room than another.
 */
const SMALL_BYTES = 2048;
const BLOCK_BYTES = 16_384;
/** So many pieces are kept as they are: most bodies have no more. */
const FEW = 8;

export class Pieces {
  #list: Buffer[] = [];
  #bytes = 0;
  /** What small pieces are copied into, one behind the other. */
  #block: Buffer | undefined;
  #blockEnd = 0;
  /** Whether the last piece is the end of what the block holds, and can grow. */
  #isOpen = false;

  get bytes(): number {
    return this.#bytes;
  }

  /** In their order. None of them is changed later; there may be more of them. */
  get list(): readonly Buffer[] {
    return this.#list;
  }

  /** Keeps a piece; the buffer is not to be written to any more. */
  add(piece: Buffer): void {
    this.#bytes += piece.length;
    if (piece.length > SMALL_BYTES || this.#list.length < FEW) {
      this.#list.push(piece);
      this.#isOpen = false;
    } else this.#gather(piece);
  }

  #gather(piece: Buffer): void {
    if (!this.#block || this.#blockEnd + piece.length > BLOCK_BYTES) {
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#blockEnd = 0;
      this.#isOpen = false;
    }
    const from = this.#blockEnd;
    this.#block.set(piece, from);
    this.#blockEnd += piece.length;
    const last = this.#list.length - 1;
    if (this.#isOpen) {
      const before = this.#list[last] as Buffer;
      this.#list[last] = this.#block.subarray(from - before.length, this.#blockEnd);
    } else this.#list.push(this.#block.subarray(from, this.#blockEnd));
    this.#isOpen = true;
  }

  /** Gives all of them, and keeps none. */
  take(): readonly Buffer[] {
    const list = this.#list;
    this.#list = [];
    this.#bytes = 0;
    this.#block = undefined;
    this.#isOpen = false;
    return list;
  }
}
