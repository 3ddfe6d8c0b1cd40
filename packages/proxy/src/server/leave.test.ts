import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { httpChain, Listened, listenerOn, TLS_INSPECTOR } from '../listener/testing/listened.ts';
import { freePort } from '../testing/listening.ts';
import { until } from '../testing/until.ts';

const NAME = 'l';

interface Ground {
  readonly listened: Listened;
  readonly count: (name: string) => number;
  /** Sends a request on a connection that was taken before, and waits for the end of it. */
  readonly ask: () => Promise<string>;
}

/** A connection that was taken, and of which it is still looked at what it is going to be. */
async function prepare(t: TestContext): Promise<Ground> {
  const listened = await Listened.start(t);
  const port = await freePort();
  await listened.set({ [NAME]: listenerOn(port, [httpChain('one')], { ...TLS_INSPECTOR, stat_prefix: NAME }) });
  await listened.proxy.ready();
  const count = (name: string): number => {
    const found = new RegExp(`^listener\\.${NAME}\\.${name}: (\\d+)$`, 'm').exec(listened.proxy.stats.text());
    return Number(found?.[1] ?? 0);
  };
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => resolve(text));
  await until(() => count('downstream_pre_cx_active') === 1, 'the connection');
  return {
    listened,
    count,
    ask: () => {
      socket.write('GET /direct HTTP/1.1\r\nHost: a\r\n\r\n');
      return promise;
    },
  };
}

test('a connection whose chain is not known yet is waited for by a proxy that ends', async (t) => {
  const { listened, ask } = await prepare(t);
  const drained = listened.proxy.drain({ timeoutMs: 20_000 });
  await until(() => listened.proxy.sockets().length === 0, 'the end of listening');
  const asked = new Promise((resolve) => setTimeout(resolve, 700)).then(ask);
  await drained;
  assert.match(await asked, /^HTTP\/1\.1 200 OK[\s\S]*connection: close[\s\S]*one$/);
});

test('one that says nothing is not waited for long', async (t) => {
  const { listened, count } = await prepare(t);
  await listened.proxy.drain({ timeoutMs: 60_000 });
  await until(() => count('downstream_cx_active') === 0, 'the end of the connection');
});

test('a connection whose chain is not known yet is served by its listener, which is gone meanwhile', async (t) => {
  const { listened, ask } = await prepare(t);
  await listened.set({}, [NAME]);
  assert.match(await ask(), /^HTTP\/1\.1 200 OK[\s\S]*connection: close[\s\S]*one$/);
  await until(
    () => listened.proxy.stats.text().includes('listener_manager.total_listeners_draining: 0\n'),
    'the end of the listener',
  );
});
