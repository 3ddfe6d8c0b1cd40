import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { TestUpstream, until } from '../cluster/testing/cluster.ts';
import { FlushQueue } from './flush-queue.ts';
import { SocketWriter } from './socket-writer.ts';

/** A connected pair; what arrives is gathered by chunk. */
class Pair implements AsyncDisposable {
  readonly #far = new TestUpstream();
  near!: Socket;
  drains = 0;
  writer!: SocketWriter;
  writes = 0;

  async start(): Promise<this> {
    await this.#far.start();
    this.near = connect({ port: this.#far.port, host: '127.0.0.1', allowHalfOpen: true });
    this.near.on('error', () => undefined);
    this.writer = new SocketWriter(this.near, new FlushQueue(), () => this.drains++);
    const write = this.near.write.bind(this.near) as (chunk: string | Buffer, encoding?: BufferEncoding) => boolean;
    this.near.write = ((chunk: string | Buffer, encoding?: BufferEncoding) => {
      this.writes++;
      return encoding ? write(chunk, encoding) : write(chunk);
    }) as Socket['write'];
    await until(() => this.#far.sockets.length === 1);
    return this;
  }

  get far(): Socket {
    return this.#far.sockets[0]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.near.destroy();
    await this.#far[Symbol.asyncDispose]();
  }
}

test('what one turn produces leaves in one write', async () => {
  await using pair = await new Pair().start();
  let received = '';
  pair.far.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  pair.writer.text('HTTP/1.1 200 OK\r\n');
  pair.writer.text('x: \xff\r\n\r\n');
  pair.writer.bytes(Buffer.from('body'));
  pair.writer.text('next');
  assert.equal(pair.writes, 0);
  await until(() => received.endsWith('next'));
  assert.equal(pair.writes, 1);
  assert.equal(received, 'HTTP/1.1 200 OK\r\nx: \xff\r\n\r\nbodynext');
});

test('whatever pieces are written, they arrive in order and whole', async () => {
  const piece = fc.oneof(
    fc.string({ maxLength: 50, unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) }),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.integer({ min: 10_000, max: 90_000 }).map((size) => Buffer.alloc(size, size)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(piece, fc.boolean()), { minLength: 1, maxLength: 12 }), async (pieces) => {
      await using pair = await new Pair().start();
      const received: Buffer[] = [];
      let isEnded = false;
      pair.far.on('data', (chunk: Buffer) => received.push(chunk));
      pair.far.on('end', () => {
        isEnded = true;
      });
      for (const [text, waits] of pieces) {
        if (typeof text === 'string') pair.writer.text(text);
        else pair.writer.bytes(text);
        if (waits) await new Promise(setImmediate);
      }
      pair.writer.end();
      await until(() => isEnded);
      const expected = pieces.map(([text]) => (typeof text === 'string' ? Buffer.from(text, 'latin1') : text));
      assert.ok(Buffer.concat(received).equals(Buffer.concat(expected)));
    }),
    { numRuns: 40 },
  );
});

test('a far side that is slow is told of, and so is its return', async () => {
  await using pair = await new Pair().start();
  pair.far.pause();
  let sent = 0;
  while (pair.writer.bytes(Buffer.alloc(65_536)) || pair.drains > 0) {
    sent++;
    assert.ok(sent < 10_000);
    await new Promise(setImmediate);
    if (!pair.writer.isBlocked) pair.drains = 0;
  }
  assert.equal(pair.writer.isBlocked, true);
  pair.drains = 0;
  pair.far.resume();
  await until(() => pair.drains > 0);
  assert.equal(pair.writer.isBlocked, false);
});

test('what is written after the connection is gone is dropped', async () => {
  await using pair = await new Pair().start();
  pair.near.destroy();
  pair.writer.text('x');
  pair.writer.flush();
  pair.writer.end();
  assert.equal(pair.writes, 0);
});
