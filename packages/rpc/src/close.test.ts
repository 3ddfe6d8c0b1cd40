import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Identity } from '@weft/contracts/node';
import { connect, fixedTls, listen } from './index.ts';
import {
  ANSWER,
  clientOptions,
  createGround,
  ECHO,
  echoService,
  eventually,
  identityService,
  REQUEST,
} from './testing.ts';

const ground = createGround();
const tls = fixedTls(ground.server);
const folder = mkdtempSync(join(tmpdir(), 'weft-rpc-'));
after(() => rmSync(folder, { recursive: true }));

describe('a server that closes', () => {
  test('lets running calls end within its grace', async () => {
    const began = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const renew = async () => {
      began.resolve();
      await go.promise;
      return ANSWER;
    };
    const server = await listen({ address: '127.0.0.1:0', tls, services: [identityService({ renew })] });
    const channel = connect(clientOptions(ground.client, server.address));
    const call = channel.client(Identity).renew(REQUEST);
    await began.promise;
    const closing = server.close(20_000);
    await assert.rejects(
      (async () => {
        const late = connect(clientOptions(ground.client, server.address));
        await late
          .client(Identity)
          .renew(REQUEST)
          .finally(() => late.close());
      })(),
      { code: 'UNAVAILABLE' },
    );
    go.resolve();
    assert.deepEqual(await call, ANSWER);
    await closing;
    channel.close();
  });

  test('ends calls and streams that outlast its grace, and tells their handlers', async () => {
    let isTold = false;
    const renew = (_request: unknown, call: { readonly signal: AbortSignal }) =>
      new Promise<typeof ANSWER>(() => {
        call.signal.addEventListener('abort', () => {
          isTold = true;
        });
      });
    const server = await listen({ address: '127.0.0.1:0', tls, services: [identityService({ renew }), echoService()] });
    const channel = connect(clientOptions(ground.client, server.address));
    const call = assert.rejects(channel.client(Identity).renew(REQUEST), { code: 'UNAVAILABLE' });
    const stream = channel.raw(ECHO);
    stream.send(Buffer.from('x'));
    const messages = stream.messages[Symbol.asyncIterator]();
    await messages.next();
    await server.close(100);
    await assert.rejects(messages.next(), { code: 'UNAVAILABLE', message: /closing/ });
    await call;
    await eventually('the handler to be told', () => isTold);
    channel.close();
  });

  test('frees its port at once', async () => {
    const first = await listen({ address: '127.0.0.1:0', tls, services: [identityService()] });
    const channel = connect(clientOptions(ground.client, first.address));
    await channel.client(Identity).renew(REQUEST);
    await first.close();
    const second = await listen({ address: first.address, tls, services: [identityService()] });
    await channel.client(Identity).renew(REQUEST);
    channel.close();
    await second.close();
    await second.close();
  });
});

describe('an address that cannot be listened on is told in words:', () => {
  test('in use', async () => {
    const server = await listen({ address: '127.0.0.1:0', tls, services: [identityService()] });
    await assert.rejects(listen({ address: server.address, tls, services: [identityService()] }), {
      code: 'FAILED_PRECONDITION',
      message: `${server.address} is in use by another process; end that process, or choose another address`,
    });
    await server.close();
  });

  test('not of this machine', async () => {
    await assert.rejects(listen({ address: '203.0.113.7:0', tls, services: [identityService()] }), {
      code: 'FAILED_PRECONDITION',
      message: /203\.0\.113\.7:0 is not an address of this machine/,
    });
  });

  test('in the clear to others than this machine', async () => {
    await assert.rejects(listen({ address: '0.0.0.0:0', services: [identityService()] }), {
      code: 'INVALID_ARGUMENT',
      message: /in the clear/,
    });
  });

  test('no address', async () => {
    await assert.rejects(listen({ address: 'nonsense', services: [identityService()] }), { code: 'INVALID_ARGUMENT' });
    const tooLong = `unix:${folder}/${'x'.repeat(120)}`;
    await assert.rejects(listen({ address: tooLong, services: [identityService()] }), {
      code: 'INVALID_ARGUMENT',
      message: /107 bytes/,
    });
  });
});

describe('a server on a unix socket', () => {
  const address = (name: string): string => `unix:${join(folder, name)}`;

  test('is open to its owner alone, and gone when closed', async () => {
    const path = join(folder, 'mode.sock');
    const server = await listen({ address: `unix:${path}`, services: [identityService(), echoService()] });
    assert.equal(server.address, `unix:${path}`);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const channel = connect({ addresses: [server.address] });
    await channel.client(Identity).renew(REQUEST);
    const stream = channel.raw(ECHO);
    stream.send(Buffer.from('x'));
    for await (const message of stream.messages) {
      assert.equal(message.toString(), 'x');
      break;
    }
    channel.close();
    await server.close();
    assert.equal(existsSync(path), false);
  });

  test('tells handlers that its callers are on the machine', async () => {
    let seen = '';
    const renew = async (_request: unknown, call: { readonly caller: { readonly address: string } }) => {
      seen = call.caller.address;
      return ANSWER;
    };
    const server = await listen({ address: address('caller.sock'), services: [identityService({ renew })] });
    const channel = connect({ addresses: [server.address] });
    await channel.client(Identity).renew(REQUEST);
    assert.equal(seen, 'unix');
    channel.close();
    await server.close();
  });

  test('takes the place of a socket that a killed process left behind', async () => {
    const path = join(folder, 'stale.sock');
    const { spawnSync } = await import('node:child_process');
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    assert.ok(existsSync(path));
    const server = await listen({ address: `unix:${path}`, services: [identityService()] });
    await server.close();
  });

  test('leaves alone a socket that answers, and a file that is none', async () => {
    const used = join(folder, 'used.sock');
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(used, resolve));
    await assert.rejects(listen({ address: `unix:${used}`, services: [identityService()] }), { message: /in use/ });
    await new Promise((resolve) => other.close(resolve));

    const file = join(folder, 'precious.txt');
    writeFileSync(file, 'keep me');
    chmodSync(file, 0o600);
    await assert.rejects(listen({ address: `unix:${file}`, services: [identityService()] }), {
      code: 'FAILED_PRECONDITION',
    });
    assert.ok(existsSync(file));
  });
});
