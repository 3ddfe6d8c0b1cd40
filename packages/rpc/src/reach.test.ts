import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { WeftError } from '@weft/contracts/error';
import { Identity } from '@weft/contracts/node';
import { connect, fixedTls, type GrpcServer, listen } from './index.ts';
import { clientOptions, createGround, ECHO, echoService, eventually, identityService, REQUEST } from './testing.ts';

const ground = createGround();
const cleanup: (() => unknown)[] = [];

after(async () => {
  for (const clean of cleanup.reverse()) await clean();
});

/** A plain TCP server and its address. */
async function plainServer(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  await listening(server);
  cleanup.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return addressOf(server);
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
}

function addressOf(server: Server): string {
  const bound = server.address();
  assert.ok(typeof bound === 'object' && bound);
  return `127.0.0.1:${bound.port}`;
}

/** An address at which nothing listens any more. */
async function freeAddress(): Promise<string> {
  const server = createServer();
  await listening(server);
  const address = addressOf(server);
  await new Promise((resolve) => server.close(resolve));
  return address;
}

async function serve(address = '127.0.0.1:0'): Promise<GrpcServer> {
  const services = [identityService(), echoService()];
  const server = await listen({ address, tls: fixedTls(ground.server), services });
  cleanup.push(() => server.close());
  return server;
}

function renew(isSecure: boolean, ...addresses: readonly string[]): Promise<unknown> {
  const channel = connect(isSecure ? clientOptions(ground.client, ...addresses) : { addresses });
  return channel
    .client(Identity)
    .renew(REQUEST)
    .finally(() => channel.close());
}

describe('a server that cannot be reached is told in words:', () => {
  const cases: Readonly<
    Record<
      string,
      { readonly address: () => Promise<string>; readonly message: (at: string) => string; readonly secure?: boolean }
    >
  > = {
    'nothing listens': { address: freeAddress, message: (at) => `nothing listens at ${at}` },
    'no such socket': {
      address: async () => 'unix:/nowhere/to/be/found.sock',
      message: (at) => `there is no socket at ${at}`,
    },
    'an unknown host': {
      address: async () => 'no-such-host.invalid:7440',
      message: (at) => `the host name in ${at} cannot be resolved`,
    },
    'a server without TLS': {
      address: () => plainServer((socket) => socket.end('SSH-2.0-something\r\n')),
      message: (at) => `${at} does not speak TLS`,
    },
    'a server that closes': {
      address: () => plainServer((socket) => socket.destroy()),
      message: (at) => `${at} closed the connection before it was ready`,
    },
    'a server that is silent': {
      address: () => plainServer(() => undefined),
      message: (at) => `${at} did not answer within 3 s`,
    },
    'a server of HTTP/1.1': {
      secure: false,
      address: async () => {
        const server = createHttpServer((_request, response) => response.end('hello'));
        await listening(server);
        cleanup.push(() => new Promise((resolve) => server.close(resolve)));
        return addressOf(server);
      },
      message: (at) => `${at} does not speak HTTP/2`,
    },
  };
  for (const [what, { address, message, secure = true }] of Object.entries(cases)) {
    test(what, async () => {
      const at = await address();
      await assert.rejects(renew(secure, at), { code: 'UNAVAILABLE', message: message(at), retryable: true });
    });
  }

  test('several, each with its reason', async () => {
    const [first, second] = [await freeAddress(), 'unix:/nowhere/at/all.sock'];
    await assert.rejects(renew(true, first, second), {
      code: 'UNAVAILABLE',
      message: `no server can be reached: nothing listens at ${first}; there is no socket at ${second}`,
    });
  });

  test('none, when there is no address', async () => {
    await assert.rejects(renew(true), { code: 'UNAVAILABLE', message: 'no address of the server is known' });
  });
});

test('a text that is no address is refused as the channel is made', () => {
  for (const address of ['7440', 'host:', 'host:99999', ':80', 'unix:', 'http://host:80']) {
    assert.throws(() => connect({ addresses: [address] }), { code: 'INVALID_ARGUMENT' }, address);
  }
});

test('a call goes to the first address that can be reached', async () => {
  const server = await serve();
  await renew(true, await freeAddress(), server.address, await freeAddress());
});

test('a host name is resolved', async () => {
  const server = await serve();
  await renew(true, server.address.replace('127.0.0.1', 'localhost'));
});

test('the next call after a restart of the server succeeds', async () => {
  const first = await serve();
  const channel = connect(clientOptions(ground.client, first.address));
  cleanup.push(() => channel.close());
  const client = channel.client(Identity);
  for (let round = 0; round < 3; round += 1) {
    const server = round === 0 ? first : await serve(first.address);
    await client.renew(REQUEST);
    await server.close();
    await assert.rejects(client.renew(REQUEST), {
      code: 'UNAVAILABLE',
      message: `nothing listens at ${first.address}`,
    });
  }
});

test('a stream that was asked for while nothing listens tells why, and is over', async () => {
  const address = await freeAddress();
  const channel = connect(clientOptions(ground.client, address));
  const stream = channel.raw(ECHO);
  stream.send(Buffer.from('early'));
  await assert.rejects(Array.fromAsync(stream.messages), {
    code: 'UNAVAILABLE',
    message: `nothing listens at ${address}`,
  });
  await eventually('the stream to be over', () => stream.signal.aborted);
  channel.close();
});

test('a closed channel ends its calls and makes no more', async () => {
  const server = await serve();
  const channel = connect(clientOptions(ground.client, server.address));
  const stream = channel.raw(ECHO);
  stream.send(Buffer.from('x'));
  for await (const _ of stream.messages) break;
  channel.close();
  await assert.rejects(Array.fromAsync(stream.messages), { code: 'CANCELLED', message: 'the channel was closed' });
  await assert.rejects(channel.client(Identity).renew(REQUEST), { code: 'CANCELLED' });
});

test('many calls at once share one connection', async () => {
  const server = await serve();
  const channel = connect(clientOptions(ground.client, server.address));
  const client = channel.client(Identity);
  const answers = await Promise.all(Array.from({ length: 200 }, () => client.renew(REQUEST)));
  assert.equal(answers.length, 200);
  channel.close();
});

test('a server that stops answering is given up', async () => {
  const server = await serve();
  let isFrozen = false;
  const [host, port] = server.address.split(':');
  // Between the two stands one that passes bytes on until it freezes, as a machine does that lost its network.
  const { connect: connectNet } = await import('node:net');
  const address = await plainServer((near) => {
    const far = connectNet({ host: host ?? '', port: Number(port) });
    far.on('error', () => undefined);
    cleanup.push(() => far.destroy());
    near.on('data', (data) => isFrozen || far.write(data));
    far.on('data', (data) => isFrozen || near.write(data));
  });
  const channel = connect({ ...clientOptions(ground.client, address), keepaliveMs: 100 });
  const stream = channel.raw(ECHO);
  stream.send(Buffer.from('x'));
  for await (const _ of stream.messages) break;
  isFrozen = true;
  const started = performance.now();
  await assert.rejects(Array.fromAsync(stream.messages), (error: WeftError) => {
    assert.equal(error.code, 'UNAVAILABLE');
    assert.match(error.message, /answers no PING/);
    return true;
  });
  assert.ok(performance.now() - started < 15_000);
  channel.close();
});

test('a process with an idle channel can end', async () => {
  const { spawn } = await import('node:child_process');
  const server = await listen({ address: '127.0.0.1:0', services: [identityService()] });
  const folder = mkdtempSync(join(tmpdir(), 'weft-rpc-'));
  cleanup.push(
    () => rmSync(folder, { recursive: true }),
    () => server.close(),
  );
  const script = `
    import { connect } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
    import { Identity } from '@weft/contracts/node';
    const channel = connect({ addresses: ['${server.address}'] });
    await channel.client(Identity).renew({ csr: Buffer.alloc(0), nowMs: 0 });
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: import.meta.dirname });
  let errors = '';
  child.stderr.on('data', (data) => {
    errors += data;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const code = await new Promise((resolve) => child.once('exit', resolve));
  clearTimeout(timer);
  assert.equal(code, 0, errors);
});
