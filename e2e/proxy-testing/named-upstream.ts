/** Upstreams that answer with their own number, so that a client sees which of them a request came to. */
import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { listen } from '../harness.ts';
import { readMessage } from './wire.ts';

/** Starts as many, each on a port of its own; they end with the test. Gives the ports. */
export async function startNamedUpstreams(test: TestContext, count: number): Promise<readonly number[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => startOne(test, String(i))));
}

async function startOne(test: TestContext, name: string): Promise<number> {
  const answer = `HTTP/1.1 200 OK\r\ncontent-length: ${name.length}\r\n\r\n${name}`;
  const server = createServer((socket) => {
    let text = '';
    socket.setNoDelay();
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (let read = readMessage(text, { isResponse: false }); read; ) {
        text = text.slice(read.end);
        socket.write(answer);
        read = readMessage(text, { isResponse: false });
      }
    });
  });
  return listen(test, server);
}
