import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { LentReads } from './lent-reads.ts';

const BYTES = 4_000_000;

test('a pause holds, also in the turn of a resume', async (t) => {
  const reads = new LentReads();
  let seen = 0;
  const server = createServer((socket) => {
    const onFirst = (): void => {
      socket.off('data', onFirst);
      // Who listens resumes the socket, and that goes on after this turn.
      socket.on('data', () => assert.fail('it tells by its events'));
      const isAttached = reads.attach(socket, (chunk) => {
        seen += chunk.length;
      });
      assert.ok(isAttached);
      socket.pause();
    };
    socket.on('data', onFirst);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const client = connect(typeof address === 'object' && address ? address.port : 0, '127.0.0.1');
  t.after(() => {
    client.destroy();
    server.close();
  });
  const [accepted] = (await once(server, 'connection')) as [Socket];
  client.setNoDelay().write('first');
  await once(accepted, 'data');
  client.write(Buffer.alloc(BYTES));
  await wait(300);
  assert.ok(seen <= 2 * 65_536, `${seen} bytes came`);
  accepted.resume();
  while (seen < BYTES) await wait(10);
  accepted.destroy();
});
