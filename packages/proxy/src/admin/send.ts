/** Writes answers. Long ones are made as they are read, a few milliseconds at a time: the proxy serves meanwhile. */
import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Answer } from './answer.ts';

/** What requests wait for at most because an answer is made. */
const SLICE_MS = 4;
/** How much of an answer is made before it is written. */
const PIECE = 65_536;

export class Sender {
  /** Of all that are made at a time one has each turn of the event loop. */
  #turns: Promise<void> = Promise.resolve();

  /** Resolves once all is written, or the client is gone. Rejects with what goes wrong as the answer is made. */
  async send(isHead: boolean, response: ServerResponse, answer: Answer): Promise<void> {
    if (answer.after) response.once('close', answer.after);
    const { body } = answer;
    if (isHead) begin(response, answer, typeof body === 'string' ? Buffer.byteLength(body) : undefined).end();
    else if (typeof body === 'string') end(response, answer, body);
    else await this.#sendLong(response, answer, body[Symbol.iterator]());
  }

  async #sendLong(response: ServerResponse, answer: Answer, pieces: Iterator<string>): Promise<void> {
    let text = '';
    for (let isDone = false; !isDone; ) {
      await this.#turn();
      if (response.destroyed) {
        pieces.return?.();
        return;
      }
      const until = performance.now() + SLICE_MS;
      do {
        const next = pieces.next();
        isDone = next.done === true;
        if (!isDone) text += next.value;
      } while (!isDone && text.length < PIECE && performance.now() < until);
      if (isDone || text.length < PIECE) continue;
      if (!response.headersSent) begin(response, answer, undefined);
      if (!response.write(text)) await drained(response);
      text = '';
    }
    if (response.headersSent) response.end(text);
    else end(response, answer, text);
  }

  #turn(): Promise<void> {
    this.#turns = this.#turns.then(() => nextTurn());
    return this.#turns;
  }
}

/** `length`: undefined where it is not known yet. */
function begin(response: ServerResponse, { status, contentType }: Answer, length: number | undefined): ServerResponse {
  return response.writeHead(status, {
    'content-type': contentType,
    'cache-control': 'no-cache, max-age=0',
    'x-content-type-options': 'nosniff',
    ...(length !== undefined && { 'content-length': length }),
    server: 'weft',
  });
}

function end(response: ServerResponse, answer: Answer, text: string): void {
  const body = Buffer.from(text);
  begin(response, answer, body.length).end(body);
}

/** The client has read enough to be written more, or is gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) {
      resolve();
      return;
    }
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
