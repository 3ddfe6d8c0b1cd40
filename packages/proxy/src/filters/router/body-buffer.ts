/** The body of a request as far as it came, kept while it may have to be sent again, up to a limit. */
import { Pieces } from '../../net/pieces.ts';

export class BodyBuffer {
  readonly #limit: number;
  readonly #pieces = new Pieces();
  #isEmpty = true;
  #isKept = true;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether the whole body so far is here. */
  get isKept(): boolean {
    return this.#isKept;
  }

  /** Whether none of it has come. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  get chunks(): readonly Buffer[] {
    return this.#pieces.list;
  }

  /** Keeps a chunk that was sent, for another attempt; beyond the limit there will be none. */
  add(chunk: Buffer): void {
    this.hold(chunk);
    this.trim();
  }

  /** Keeps a chunk that could not be sent yet, whatever the limit. */
  hold(chunk: Buffer): void {
    if (chunk.length > 0) this.#isEmpty = false;
    if (this.#isKept) this.#pieces.add(chunk);
  }

  /** What was held is sent: from now on the limit counts. */
  trim(): void {
    if (this.#pieces.bytes > this.#limit) this.drop();
  }

  /** Keeps nothing any more: the request will not be sent again. */
  drop(): void {
    this.#isKept = false;
    this.#pieces.take();
  }
}
