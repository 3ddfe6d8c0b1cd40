/** An application that speaks HTTP/1.1: one answer made beforehand for each head that comes. */
import { createServer, type Server } from 'node:net';
import { makeBody } from './http1-client.ts';

const CR = 13;
const LF = 10;

/** Counts ends of heads in bytes that come in any pieces; requests have no bodies here. */
export class HeadCounter {
  /** How much of CR LF CR LF has been seen. */
  #seen = 0;

  count(chunk: Uint8Array): number {
    let heads = 0;
    let seen = this.#seen;
    let at = 0;
    while (at < chunk.length) {
      if (seen === 0) at = chunk.indexOf(CR, at);
      if (at < 0) break;
      const byte = chunk[at++];
      if (byte === (seen % 2 === 0 ? CR : LF)) seen++;
      else seen = byte === CR ? 1 : 0;
      if (seen === 4) {
        heads++;
        seen = 0;
      }
    }
    this.#seen = seen;
    return heads;
  }
}

function makeAnswer(bodyBytes: number): Buffer {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${bodyBytes}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), makeBody(bodyBytes)]);
}

export interface Http1Upstream {
  readonly bodyBytes: number;
}

export function createHttp1Upstream({ bodyBytes }: Http1Upstream): Server {
  const answer = makeAnswer(bodyBytes);
  return createServer({ noDelay: true }, (socket) => {
    const counter = new HeadCounter();
    socket.on('data', (chunk: Buffer) => {
      const heads = counter.count(chunk);
      if (heads === 1) socket.write(answer);
      else if (heads > 1) socket.write(Buffer.concat(Array.from({ length: heads }, () => answer)));
    });
    // A proxy that ends takes its connections with it.
    socket.on('error', () => socket.destroy());
  });
}
