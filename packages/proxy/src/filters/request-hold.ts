/** The body of a request that a filter has stopped. */
import type { HeaderList } from '../http/header-list.ts';
import { Pieces } from '../net/pieces.ts';
import type { HeldBody } from './filter.ts';

export class RequestHold {
  readonly #pieces = new Pieces();
  trailers: HeaderList | undefined;
  #maxBytes = 0;
  #done: ((held: HeldBody) => void) | undefined;

  get chunks(): readonly Buffer[] {
    return this.#pieces.list;
  }

  /** Whether the client should be made to wait before it sends more. */
  get isFull(): boolean {
    return this.#done === undefined;
  }

  /** Asks for the body; it may be told at once. */
  ask(maxBytes: number, isComplete: boolean, done: (held: HeldBody) => void): void {
    this.#maxBytes = maxBytes;
    this.#done = done;
    this.#tell(isComplete);
  }

  add(chunk: Buffer): void {
    this.#pieces.add(chunk);
    this.#tell(false);
  }

  end(trailers: HeaderList | undefined): void {
    this.trailers = trailers;
    this.#tell(true);
  }

  #tell(isComplete: boolean): void {
    const done = this.#done;
    const isTooLong = this.#pieces.bytes > this.#maxBytes;
    if (!done || (!isComplete && !isTooLong)) return;
    this.#done = undefined;
    done({ type: isTooLong ? 'partial' : 'whole', bytes: Buffer.concat(this.chunks) });
  }
}
