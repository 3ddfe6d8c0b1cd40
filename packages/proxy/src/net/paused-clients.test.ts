import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { PausedClients } from './paused-clients.ts';
import { systemCalls } from './system-calls.ts';

interface Connection {
  readonly client: Socket;
  /** The side that is paused, with bytes that nobody reads. */
  readonly served: Socket;
}

async function connection(t: TestContext): Promise<Connection> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const accepted = once(server, 'connection');
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  client.on('error', () => undefined);
  const [served] = (await accepted) as [Socket];
  t.after(() => {
    client.destroy();
    served.destroy();
  });
  served.pause();
  await new Promise<void>((resolve) => client.write('bytes that nobody reads', () => resolve()));
  return { client, served };
}

function closed(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
}

const onLinux = { skip: process.platform !== 'linux' && 'only Linux tells of ends behind bytes', timeout: 30_000 };

test('a client that resets its connection is found gone behind bytes that were not read', onLinux, async (t) => {
  const paused = new PausedClients();
  const { client, served } = await connection(t);
  const end = closed(served);
  paused.add(served, { leaves: 'with-both-ends' });
  client.resetAndDestroy();
  assert.equal(await end, 'ECONNRESET');
});

test('a client that closes its connection is gone where its end is taken for that', onLinux, async (t) => {
  const paused = new PausedClients();
  const { client, served } = await connection(t);
  const end = closed(served);
  paused.add(served, { leaves: 'with-its-end' });
  client.end();
  assert.equal(await end, 'ECONNRESET');
});

test('a client that only ends what it sends keeps its connection where it may go on to read', onLinux, async (t) => {
  const calls = await systemCalls();
  const rounds: string[] = [];
  const looked = Promise.withResolvers<void>();
  const paused = new PausedClients(async () => (descriptors) => {
    const ends = calls.endsOf(descriptors);
    rounds.push(...ends);
    if (ends.includes('ended')) looked.resolve();
    return ends;
  });
  const { client, served } = await connection(t);
  paused.add(served, { leaves: 'with-both-ends' });
  client.end();
  await looked.promise;
  assert.equal(served.destroyed, false);
  const read = once(served, 'data');
  served.resume();
  assert.equal(String((await read)[0]), 'bytes that nobody reads');
});

test('a connection that both sides ended is gone once nobody takes what came before', onLinux, async (t) => {
  const paused = new PausedClients();
  const { client, served } = await connection(t);
  const other = await connection(t);
  const end = closed(served);
  paused.add(served, { leaves: 'with-both-ends' });
  paused.add(other.served, { leaves: 'broken' });
  for (const one of [{ client, served }, other]) {
    one.served.end();
    one.client.resume().end();
  }
  assert.equal(await end, 'ECONNRESET');
  assert.equal(other.served.destroyed, false, 'whoever takes the rest gets it, however late');
});

test('a connection that both sides ended stays as long as something is taken of it', onLinux, async (t) => {
  let rounds = 0;
  const looked = Promise.withResolvers<void>();
  const { client, served } = await connection(t);
  const paused = new PausedClients(async () => () => {
    if (++rounds === 4) looked.resolve();
    // As if a part of what came had been read.
    Object.defineProperty(served, 'bytesRead', { configurable: true, value: rounds });
    return ['closed'];
  });
  paused.add(served, { leaves: 'with-both-ends' });
  served.end();
  client.resume().end();
  await looked.promise;
  assert.equal(served.destroyed, false);
});

test('a client that has not got all is not gone, though both sides have ended', onLinux, async (t) => {
  const calls = await systemCalls();
  const seen: string[] = [];
  const looked = Promise.withResolvers<void>();
  const paused = new PausedClients(async () => (descriptors) => {
    const ends = calls.endsOf(descriptors);
    seen.push(...ends);
    if (seen.length === 4) looked.resolve();
    return ends;
  });
  const { client, served } = await connection(t);
  client.pause();
  served.end(Buffer.alloc(30_000_000));
  client.end();
  paused.add(served, { leaves: 'with-both-ends' });
  await looked.promise;
  assert.deepEqual(new Set(seen), new Set(['ended']));
  assert.equal(served.destroyed, false);
});

test('a client that resets its connection after its end was read is found gone, and no sooner', onLinux, async (t) => {
  const paused = new PausedClients();
  const { client, served } = await connection(t);
  client.end();
  served.resume();
  await once(served, 'end');
  const end = closed(served);
  paused.add(served, { leaves: 'with-its-end' });
  await new Promise((resolve) => setTimeout(resolve, 900));
  assert.equal(served.destroyed, false, 'it may go on to read');
  client.resetAndDestroy();
  assert.equal(await end, 'ECONNRESET');
});

test('nobody is looked at who is read again', onLinux, async (t) => {
  let asked = 0;
  const paused = new PausedClients(async () => {
    asked++;
    return (descriptors) => descriptors.map(() => 'broken' as const);
  });
  const { served } = await connection(t);
  const other = await connection(t);
  paused.add(served, { leaves: 'with-its-end' });
  served.resume();
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.equal(asked, 0, 'nothing is loaded for those who were paused for a moment');
  const end = closed(other.served);
  paused.add(other.served, { leaves: 'with-its-end' });
  await end;
  assert.equal(served.destroyed, false);
});
