/** The in-process twin of a stream over gRPC. */
import { toWeftError, WeftError } from '@weft/contracts/error';
import { streamOver, type WireEnd } from './stream.ts';
import type { RawStream } from './types.ts';

/** One direction: what one side has sent and the other has no room for yet. */
class Lane {
  readonly #far: () => WireEnd;
  readonly #waiting: { readonly message: Buffer; readonly done: () => void }[] = [];
  #isHeld = false;
  #finish: (() => void) | undefined;

  constructor(far: () => WireEnd) {
    this.#far = far;
  }

  write(message: Buffer, done: () => void): void {
    this.#waiting.push({ message, done });
    this.#flushSoon();
  }

  /** Calls `finish` after the last message; at once, in place of what waits, when the stream is cancelled. */
  finish(finish: () => void, isCancelled: boolean): void {
    if (isCancelled) {
      this.#waiting.length = 0;
      finish();
    } else {
      this.#finish = finish;
      this.#flushSoon();
    }
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#flushSoon();
  }

  #flushSoon(): void {
    // Never within `send`: a reader must not run inside its writer.
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    while (!this.#isHeld) {
      const next = this.#waiting.shift();
      if (!next) break;
      this.#far().deliver(next.message);
      next.done();
    }
    const finish = this.#finish;
    if (this.#waiting.length > 0 || !finish) return;
    this.#finish = undefined;
    finish();
  }
}

/**
 * Two ends of one stream, that of the client and that of the server, which behave as over gRPC: what one sends the
 * other reads, in order, and held back while it does not; the client's `end` closes its direction, the server's ends
 * the stream, and an error of the client cancels it. A message is handed over and not copied: neither side may change it.
 */
export function memoryStreamPair(): readonly [client: RawStream, server: RawStream] {
  const up = new Lane(() => server);
  const down = new Lane(() => client);
  const client: WireEnd = streamOver({
    write: (message, done) => up.write(message, done),
    finish: (error) =>
      up.finish(() => {
        if (error === undefined) return server.remoteEnd();
        server.close(new WeftError('CANCELLED', 'the call was cancelled by its caller', { cause: error }));
        client.close(toWeftError(error));
      }, error !== undefined),
    pause: () => down.hold(),
    resume: () => down.release(),
  });
  const server: WireEnd = streamOver({
    write: (message, done) => down.write(message, done),
    finish: (error) =>
      down.finish(() => {
        const status = error === undefined ? undefined : toWeftError(error);
        server.close(status);
        client.close(status);
      }, false),
    pause: () => up.hold(),
    resume: () => up.release(),
  });
  return [client.stream, server.stream];
}
