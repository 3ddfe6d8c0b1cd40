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

  /** Keeps a chunk that was sent, for another attempt; beyond the limit there will be none. */
  add(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (!this.#isKept) return;
    this.#chunks.push(chunk);
    this.trim();
  }

  /** Keeps a chunk that could not be sent yet, whatever the limit. */
  hold(chunk: Buffer): void {
    this.#bytes += chunk.length;
    this.#chunks.push(chunk);
  }

  /** What was held is sent: from now on the limit counts. */
  trim(): void {
    if (this.#bytes > this.#limit) this.drop();
  }

  /** Keeps nothing any more: the request will not be sent again. */
  drop(): void {
    this.#isKept = false;
    this.#chunks = [];
  }
}
