/** Streams of a connection that have something to send and no room for it. */
import type { FrameWriter } from './frame-writer.ts';
import type { Http2Stream } from './stream.ts';

export class WaitingStreams {
  readonly #streams = new Set<Http2Stream>();
  readonly #writer: FrameWriter;

  constructor(writer: FrameWriter) {
    this.#writer = writer;
  }

  add(stream: Http2Stream): void {
    this.#streams.add(stream);
  }

  delete(stream: Http2Stream): void {
    this.#streams.delete(stream);
  }

  has(stream: Http2Stream): boolean {
    return this.#streams.has(stream);
  }

  clear(): void {
    this.#streams.clear();
  }

  /** Sends a frame of each in turn, as long as there is room. */
  pump(): void {
    let isMoving = true;
    while (isMoving && this.#streams.size > 0) {
      isMoving = false;
      for (const stream of [...this.#streams]) {
        if (this.#writer.isBlocked) return;
        if (!this.#streams.delete(stream)) continue;
        if (stream.pump()) isMoving = true;
        // Behind the others: where the window of the connection is small, everybody has a turn.
        if (stream.isWaiting) this.#streams.add(stream);
      }
    }
  }
}
