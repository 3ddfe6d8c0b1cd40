import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../clock.ts';
import { PREFACE } from '../http2/frames.ts';
import { FirstBytes } from './first-bytes.ts';

/** What is told of a connection on which these pieces come. */
async function told(pieces: readonly Buffer[], end: 'stays' | 'ends', idleMs = 0, headMs = 0): Promise<string> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  const answer = new Promise<string>((resolve) => {
    const listener = {
      onProtocol: (protocol: string, bytes: Buffer) => resolve(`${protocol} ${bytes.toString('latin1')}`),
      onNothing: () => resolve('nothing'),
    };
    new FirstBytes(socket, listener, idleMs, headMs, systemClock);
  });
  for (const piece of pieces) {
    client.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  if (end === 'ends') client.end();
  const text = await answer;
  client.destroy();
  socket.destroy();
  server.close();
  return text;
}

test('the preface of HTTP/2 is told from everything else, in whatever pieces it comes', async () => {
  const preface = PREFACE.toString('latin1');
  assert.equal(await told([Buffer.from(`${preface}more`)], 'stays'), `http2 ${preface}more`);
  assert.equal(
    await told([PREFACE.subarray(0, 1), PREFACE.subarray(1, 20), PREFACE.subarray(20)], 'stays'),
    `http2 ${preface}`,
  );
  assert.equal(await told([Buffer.from('GET / HTTP/1.1\r\n')], 'stays'), 'http1 GET / HTTP/1.1\r\n');
  assert.equal(await told([Buffer.from('PRI'), Buffer.from(' /')], 'stays'), 'http1 PRI /');
});

test('a connection that ends, or on which the rest does not come in time, is nothing', async () => {
  assert.equal(await told([], 'ends'), 'nothing');
  assert.equal(await told([Buffer.from('PRI')], 'ends'), 'nothing');
  assert.equal(await told([], 'stays', 50), 'nothing');
  assert.equal(await told([Buffer.from('PRI')], 'stays', 20_000, 50), 'nothing');
});
