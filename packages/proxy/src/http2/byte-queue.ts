/**
 * Bytes that came and cannot be passed on yet. Small pieces are gathered: what a peer sends byte by byte takes no more
 * room than it would otherwise, and keeps no larger buffer alive.
 */
const SMALL_BYTES = 4096;
const BLOCK_BYTES = 16_384;

export class ByteQueue {
  #pieces: Buffer[] = [];
  /** Of the last piece: where it stands in a block of this queue; undefined where it is not one. */
  #block: Buffer | undefined;
  #blockEnd = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (chunk.length > SMALL_BYTES) {
      this.#pieces.push(chunk);
      this.#block = undefined;
      return;
    }
    if (!this.#block || this.#blockEnd + chunk.length > BLOCK_BYTES) {
      // The first piece gets no more room than it may need: most queues stay short.
      const room = this.#pieces.length === 0 ? SMALL_BYTES : BLOCK_BYTES;
      this.#block = Buffer.allocUnsafeSlow(room);
      this.#blockEnd = 0;
      this.#pieces.push(this.#block.subarray(0, 0));
    }
    if (this.#blockEnd + chunk.length > this.#block.length) {
      this.#block = undefined;
      this.#bytes -= chunk.length;
      this.add(chunk);
      return;
    }
    this.#block.set(chunk, this.#blockEnd);
    const last = this.#pieces.length - 1;
    const from = this.#blockEnd - (this.#pieces[last] as Buffer).length;
    this.#blockEnd += chunk.length;
    this.#pieces[last] = this.#block.subarray(from, this.#blockEnd);
  }

  /** The oldest piece, taken off; undefined where there is none. */
  shift(): Buffer | undefined {
    const piece = this.#pieces.shift();
    if (!piece) return undefined;
    this.#bytes -= piece.length;
    if (this.#pieces.length === 0) this.#block = undefined;
    return piece;
  }

  clear(): void {
    this.#pieces = [];
    this.#block = undefined;
    this.#bytes = 0;
  }
}
