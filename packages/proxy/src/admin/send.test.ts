import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { listen } from '../testing/listening.ts';
import { until } from '../testing/until.ts';
import { Sender } from './send.ts';

/** A text without an end. */
class Endless {
  pieces = 0;
  isEnded = false;

  *[Symbol.iterator](): Generator<string, void> {
    try {
      for (;;) {
        this.pieces++;
        yield 'x'.repeat(1000);
      }
    } finally {
      this.isEnded = true;
    }
  }
}

interface Ground {
  readonly port: number;
  readonly asked: Endless[];
}

async function serve(t: TestContext): Promise<Ground> {
  const sender = new Sender();
  const asked: Endless[] = [];
  const server = createServer((request, response) => {
    const endless = new Endless();
    if (request.url === '/endless') asked.push(endless);
    const body = request.url === '/endless' ? endless : ['short, ', '', 'and whole'];
    void sender.send(request.method === 'HEAD', response, { status: 200, contentType: 'text/plain', body });
  });
  return { port: await listen(t, server), asked };
}

function client(port: number, path: string, method = 'GET'): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  return socket;
}

async function answer(port: number, path: string, method = 'GET'): Promise<string> {
  let text = '';
  for await (const chunk of client(port, path, method)) text += String(chunk);
  return text;
}

test('a long answer is made as far as it is read, and no further once the client is gone', async (t) => {
  const { port, asked } = await serve(t);
  const socket = client(port, '/endless');
  socket.pause();
  let before = -1;
  await until(() => {
    const { pieces = 0 } = asked[0] ?? {};
    const isStill = pieces > 0 && pieces === before;
    before = pieces;
    return new Promise((resolve) => setTimeout(() => resolve(isStill), 100));
  }, 'a pause of what nobody reads');
  assert.equal(asked[0]?.isEnded, false);
  socket.destroy();
  await until(() => asked[0]?.isEnded === true, 'the end');
});

test('others are answered while long answers are made', async (t) => {
  const { port, asked } = await serve(t);
  const readers = Array.from({ length: 4 }, () => client(port, '/endless').resume());
  await until(() => asked.length === 4 && asked.every(({ pieces }) => pieces > 1000), 'all long answers');
  const text = await answer(port, '/short');
  assert.match(text, /\r\ncontent-length: 16\r\n[\s\S]*\r\n\r\nshort, and whole$/i);
  for (const reader of readers) reader.destroy();
  await until(() => asked.every(({ isEnded }) => isEnded), 'the ends');
});

test('of a long answer nothing is made for those who ask for its head alone', async (t) => {
  const { port, asked } = await serve(t);
  assert.match(await answer(port, '/endless', 'HEAD'), /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\n$/);
  assert.equal(asked[0]?.pieces, 0);
});
