import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { descriptorOf, systemCalls } from './system-calls.ts';

const onLinux = { skip: process.platform !== 'linux' && 'only Linux has packet filters', timeout: 30_000 };

test(
  'a socket that takes no more connections serves those it has, and nobody is connected to be cut off',
  onLinux,
  async (t) => {
    const calls = await systemCalls();
    const server = createServer((socket) => socket.pipe(socket).on('error', () => undefined));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const at = { host: '127.0.0.1', port: typeof address === 'object' && address ? address.port : 0 };
    const before = connect(at);
    await once(before, 'connect');
    calls.takeNoMore(descriptorOf(server) ?? -1);
    const late = connect(at);
    t.after(() => {
      before.destroy();
      late.destroy();
    });
    let isConnected = false;
    late.on('connect', () => {
      isConnected = true;
    });
    const refused = once(late, 'error');
    before.write('still here');
    assert.equal(String((await once(before, 'data'))[0]), 'still here');
    await delay(100);
    assert.equal(isConnected, false);
    server.close();
    assert.equal(((await refused)[0] as NodeJS.ErrnoException).code, 'ECONNREFUSED');
    before.write('and here');
    assert.equal(String((await once(before, 'data'))[0]), 'and here');
  },
);
