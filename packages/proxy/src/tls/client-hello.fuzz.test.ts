import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect } from 'node:tls';
import fc from 'fast-check';
import { readClientHello } from './client-hello.ts';

/** What a client of Node begins a connection with. */
async function helloOf(servername: string, ALPNProtocols: string[]): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const accepted = once(server, 'connection');
  const port = typeof address === 'object' && address ? address.port : 0;
  const client = connect({ port, host: '127.0.0.1', servername, ALPNProtocols });
  client.on('error', () => undefined);
  const [socket] = (await accepted) as [Socket];
  let hello = Buffer.alloc(0);
  while (hello.length < 5 || hello.length < 5 + hello.readUInt16BE(3)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    hello = Buffer.concat([hello, chunk]);
  }
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

/** The same message in records of at most so many bytes, as a client may send it (RFC 8446, 5.1). */
function inRecords(hello: Buffer, size: number): Buffer {
  const records: Buffer[] = [];
  for (let at = 5; at < hello.length; at += size) {
    const part = hello.subarray(at, at + size);
    const head = Buffer.from(hello.subarray(0, 5));
    head.writeUInt16BE(part.length, 3);
    records.push(head, part);
  }
  return Buffer.concat(records);
}

/** What is said once so much has come, when it comes a byte after the other: the first word that is not `more`. */
function byteForByte(bytes: Buffer, maxBytes: number): { readonly said: unknown; readonly asked: number } {
  let asked = 0;
  for (let length = 0; length <= bytes.length; length++) {
    const said = readClientHello(bytes.subarray(0, length), maxBytes);
    if (typeof said === 'string' || !('type' in said)) return { said, asked };
    assert.ok(said.atLeast > length, `at ${length} it asks for ${said.atLeast}`);
    assert.ok(said.atLeast <= maxBytes);
    // What it takes at least can only grow with what is known.
    assert.ok(said.atLeast >= asked, `first ${asked}, then ${said.atLeast}`);
    asked = said.atLeast;
  }
  return { said: 'more', asked };
}

test('a hello says the same however it is cut into records and reads, and asks for no more than it has', async () => {
  const hello = await helloOf('shop.example', ['h2', 'http/1.1']);
  const expected = { serverName: 'shop.example', protocols: ['h2', 'http/1.1'] };
  fc.assert(
    fc.property(fc.integer({ min: 4, max: hello.length }), fc.uint8Array({ maxLength: 20 }), (size, after) => {
      const bytes = inRecords(hello, size);
      const { said, asked } = byteForByte(bytes, 16_384);
      assert.deepEqual(said, expected);
      assert.ok(asked <= bytes.length);
      assert.deepEqual(readClientHello(Buffer.concat([bytes, after])), expected);
    }),
    { numRuns: 50, interruptAfterTimeLimit: 5000 },
  );
});

test('a hello that is changed is read or refused, alike as a whole and byte for byte, and never throws', async () => {
  const hello = await helloOf('shop.example', ['h2']);
  const change = fc.tuple(fc.nat(hello.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.constantFrom(64, 300, 16_384), (changes, most) => {
      const bytes = Buffer.from(hello);
      for (const [at, to] of changes) bytes[at] = to;
      const { said } = byteForByte(bytes, most);
      const whole = readClientHello(bytes, most);
      if (said === 'more') assert.ok(typeof whole === 'object' && 'type' in whole);
      else assert.deepEqual(whole, said);
    }),
    { numRuns: 300, interruptAfterTimeLimit: 5000 },
  );
});
