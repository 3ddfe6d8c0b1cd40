/**
 * The body of a request as far as it came, kept while it may have to be sent again, up to a limit. Small pieces are
 * gathered into larger ones: a body that comes byte by byte costs no more memory than another.
 */
const SMALL_BYTES = 2048;
const BLOCK_BYTES = 16_384;
/** So many pieces are kept as they are: most bodies have no more. */
const FEW = 8;

export class BodyBuffer {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  /** Bytes of the last chunk's block that are free; 0 where the last chunk is no block of this buffer. */
  #free = 0;
  #block: Buffer | undefined;
  #bytes = 0;
  #isKept = true;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether the whole body so far is here. */
  get isKept(): boolean {
    return this.#isKept;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }

  /** Keeps a chunk that was sent, for another attempt; beyond the limit there will be none. */
  add(chunk: Buffer): void {
    this.hold(chunk);
    this.trim();
  }

  /** Keeps a chunk that could not be sent yet, whatever the limit. */
  hold(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (!this.#isKept) return;
    if (chunk.length > SMALL_BYTES || this.#chunks.length < FEW) {
      this.#chunks.push(chunk);
      this.#free = 0;
    } else this.#gather(chunk);
  }

  #gather(chunk: Buffer): void {
    if (this.#free < chunk.length || !this.#block) {
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#free = BLOCK_BYTES;
      this.#chunks.push(this.#block.subarray(0, 0));
    }
    const at = BLOCK_BYTES - this.#free;
    this.#block.set(chunk, at);
    this.#free -= chunk.length;
    const last = this.#chunks.length - 1;
    const from = at - (this.#chunks[last] as Buffer).length;
    this.#chunks[last] = this.#block.subarray(from, at + chunk.length);
  }

  /** What was held is sent: from now on the limit counts. */
  trim(): void {
    if (this.#bytes > this.#limit) this.drop();
  }

  /** Keeps nothing any more: the request will not be sent again. */
  drop(): void {
    this.#isKept = false;
    this.#chunks = [];
    this.#block = undefined;
    this.#free = 0;
  }
}
