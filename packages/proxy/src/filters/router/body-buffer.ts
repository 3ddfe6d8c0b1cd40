/** The body of a request as far as it came, kept while it may have to be sent again, up to a limit. */
export class BodyBuffer {
  readonly #limit: number;
  #chunks: Buffer[] = [];
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

  /** Keeps a chunk; false: that is more than may be kept, and what was there is gone. */
  add(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    if (!this.#isKept) return false;
    this.#chunks.push(chunk);
    if (this.#bytes > this.#limit) this.drop();
    return this.#isKept;
  }

  /** Keeps nothing any more: the request will not be sent again. */
  drop(): void {
    this.#isKept = false;
    this.#chunks = [];
  }
}
