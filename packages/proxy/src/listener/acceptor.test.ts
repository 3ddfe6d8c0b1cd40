import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { until } from '../testing/until.ts';
import { Acceptor } from './acceptor.ts';

async function bound(t: TestContext): Promise<{ readonly acceptor: Acceptor; readonly port: number }> {
  const address = { type: 'tcp', host: '127.0.0.1', port: 0 } as const;
  const acceptor = await Acceptor.bind({ address, backlog: undefined });
  t.after(() => acceptor.close());
  const { address: found } = acceptor;
  return { acceptor, port: found.type === 'tcp' ? found.port : 0 };
}

/** A client that has said something, and had the time to be taken. */
async function early(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  socket.write('hello');
  const later = connect(port, '127.0.0.1');
  await once(later, 'connect');
  later.destroy();
  return socket;
}

test('a connection that comes before it is known what serves it waits, and loses nothing of what it says', async (t) => {
  const { acceptor, port } = await bound(t);
  const socket = await early(t, port);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const served: Socket[] = [];
  acceptor.serve((taken) => {
    served.push(taken);
    taken.pipe(taken);
    taken.resume();
  });
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.equal(answer.toString(), 'hello');
  assert.ok(served.length > 0);
});

test('one that waits as the address is let go of is ended', async (t) => {
  const { acceptor, port } = await bound(t);
  const socket = await early(t, port);
  socket.on('error', () => undefined);
  acceptor.close();
  await until(() => socket.destroyed || socket.readableEnded || socket.resume().destroyed, 'its end');
});
