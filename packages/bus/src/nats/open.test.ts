import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import { logContract, stateContract } from '../contract-suite/ground.ts';
import { startNats } from '../testing/nats-fixture.ts';
import { openNatsBus } from './index.ts';

/** A port where something speaks as a NATS server does when a client comes, and then says nothing more. */
async function fakeServer(t: TestContext, info: object): Promise<string> {
  const fake = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (data) => data.includes('PING') && socket.write('PONG\r\n'));
    socket.write(`INFO ${JSON.stringify({ server_id: 'x', max_payload: 1024, headers: true, proto: 1, ...info })}\r\n`);
    t.after(() => socket.destroy());
  });
  t.after(() => fake.close());
  fake.listen(0, '127.0.0.1');
  await once(fake, 'listening');
  return `nats://127.0.0.1:${(fake.address() as AddressInfo).port}`;
}

async function unusedAddress(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return `nats://127.0.0.1:${port}`;
}

test('where no server answers, the error names those that were tried', async () => {
  const servers = [await unusedAddress(), await unusedAddress()];
  await assert.rejects(openNatsBus({ servers, name: 'test', connectTimeoutMs: 600 }), {
    name: 'WeftError',
    code: 'UNAVAILABLE',
    message: new RegExp(`^no NATS server answered at ${servers[0]}, ${servers[1]} within 600 ms: is it running\\?`),
  });
});

test('an address that is none is told', async () => {
  for (const address of ['http://127.0.0.1:1', 'nats://', '127.0.0.1:notaport', 'nats://a b']) {
    const servers = [address];
    await assert.rejects(openNatsBus({ servers, name: 'test' }), {
      code: 'INVALID_ARGUMENT',
      message: /is not the address/,
    });
  }
  await assert.rejects(openNatsBus({ servers: [], name: 'test' }), { code: 'INVALID_ARGUMENT' });
});

test('a server without JetStream is told with how to enable it', async (t) => {
  const servers = await startNats({ jetstream: false });
  t.after(() => servers.close());
  await assert.rejects(openNatsBus({ servers: servers.urls, name: 'test' }), {
    code: 'FAILED_PRECONDITION',
    message: /runs without JetStream: start it with -js/,
  });
});

test('a server that is too old is told with the version that is needed', async (t) => {
  const servers = [await fakeServer(t, { version: '2.9.10', jetstream: true })];
  const message = /is version 2\.9\.10, and 2\.11 or newer is needed/;
  await assert.rejects(openNatsBus({ servers, name: 'test' }), { code: 'FAILED_PRECONDITION', message });
});

test('a server whose JetStream does not answer is told when the time is up', async (t) => {
  const servers = [await fakeServer(t, { version: '2.15.1', jetstream: true })];
  const failure = {
    code: 'UNAVAILABLE',
    message: /^JetStream of the NATS server at \S+ cannot be used: it did not answer/,
  };
  await assert.rejects(openNatsBus({ servers, name: 'test', connectTimeoutMs: 500 }), failure);
});

test('opening waits for a server that is started later, and ends when it is called off', async (t) => {
  const servers = await startNats();
  t.after(() => servers.close());
  const [node = assert.fail()] = servers.nodes;
  await node.stop();
  const opening = openNatsBus({ servers: servers.urls, name: 'test', connectTimeoutMs: 30_000 });
  const abort = new AbortController();
  const calledOff = openNatsBus({ servers: servers.urls, name: 'test', signal: abort.signal });
  setTimeout(() => abort.abort(), 200);
  await assert.rejects(calledOff, { name: 'WeftError', code: 'CANCELLED' });
  await node.start();
  await (await opening).close();
});

test('credentials are taken as options or in the address, and their refusal is told without them', async (t) => {
  const servers = await startNats({ config: 'authorization { user: weft, password: "s3:cret" }' });
  t.after(() => servers.close());
  const [url = ''] = servers.urls;
  const refused = {
    code: 'UNAUTHENTICATED',
    message: new RegExp(`^the NATS server at ${url} refused the credentials`),
  };
  await assert.rejects(openNatsBus({ servers: [url], name: 'test' }), refused);
  const wrong = url.replace('nats://', 'nats://weft:wrong@');
  await assert.rejects(openNatsBus({ servers: [wrong], name: 'test' }), refused);
  const credentials = { type: 'password', user: 'weft', password: 's3:cret' } as const;
  await (await openNatsBus({ servers: [url], name: 'test', credentials })).close();
  const right = url.replace('nats://', `nats://weft:${encodeURIComponent('s3:cret')}@`);
  await (await openNatsBus({ servers: [right], name: 'test' })).close();
});

test('what the server does not allow this user is PERMISSION_DENIED, at once', async (t) => {
  const allowed = '"$JS.API.>", "weft.log.>", "_INBOX.>"';
  const user = `{ user: weft, password: x, permissions: { publish: { allow: [${allowed}] }, subscribe: ">" } }`;
  const servers = await startNats({ config: `authorization { users: [${user}] }` });
  t.after(() => servers.close());
  const bus = await openNatsBus({
    servers: servers.urls,
    name: 'test',
    credentials: { type: 'password', user: 'weft', password: 'x' },
  });
  t.after(() => bus.close());
  await bus.log(logContract()).append({ text: 'allowed' });
  const denied = { name: 'WeftError', code: 'PERMISSION_DENIED', message: /^the state \S+: .*\$KV\.weft_/ };
  await assert.rejects(bus.state(stateContract()).put('a', { text: '' }), denied);
});

test('a state is a KV bucket as other clients know them', async (t) => {
  const servers = await startNats();
  t.after(() => servers.close());
  const bus = await openNatsBus({ servers: servers.urls, name: 'test' });
  t.after(() => bus.close());
  const connection = await connect({ servers: [...servers.urls] });
  t.after(() => connection.close());
  const stateOf = stateContract();
  const state = bus.state(stateOf);
  const revision = await state.put('ns/a.b', { text: 'one' });
  await state.put('gone', { text: '' });
  await state.delete('gone');
  const bucket = await new Kvm(connection).open(`weft_${stateOf.name}`);
  const entry = await bucket.get('ns/a.b');
  assert.deepEqual([entry?.string(), entry?.revision], ['one', revision]);
  assert.equal((await bucket.get('gone'))?.operation, 'DEL');
  await bucket.update('ns/a.b', 'two', revision);
  assert.equal((await state.get('ns/a.b'))?.value.text, 'two');
  await bucket.purge('ns/a.b');
  assert.equal(await state.get('ns/a.b'), undefined);
  assert.deepEqual(await state.list(), []);
});
