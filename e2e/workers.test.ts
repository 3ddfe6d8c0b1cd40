/** `--concurrency`: threads that share the listening addresses, seen as one proxy from outside. */
import assert from 'node:assert/strict';
import { createConnection } from 'node:net';
import { type TestContext, test } from 'node:test';
import { answered, httpListener, routes } from '@weft/proxy/testing';
import { type Process, until } from './harness.ts';
import { openSuccessive, type Successive } from './proxy-testing/successive.ts';

const CONNECTIONS = 64;

interface Ground extends Pick<Successive, 'port' | 'admin' | 'stat'> {
  start(...flags: readonly string[]): Process;
}

async function prepare(t: TestContext): Promise<Ground> {
  const processes = await openSuccessive(t);
  const listener = httpListener(processes.port, { route_config: routes(answered({ prefix: '/' }, 'hello')) });
  const bootstrap = { static_resources: { listeners: [listener] } };
  return { ...processes, start: (...flags) => processes.start('bootstrap', bootstrap, ...flags) };
}

/** A connection that has had one answer, and stays. */
function connected(port: number): Promise<{ readonly close: () => void }> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.setTimeout(15_000, () => socket.destroy(new Error('a connection had no answer')));
    socket.on('error', reject);
    socket.once('data', () => resolve({ close: () => socket.destroy() }));
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  });
}

async function up(ground: Ground, started: Process): Promise<void> {
  const isUp = async (): Promise<true | undefined> => {
    return (await ground.admin('/ready')).startsWith('LIVE') ? true : undefined;
  };
  await until('the proxy', isUp, 30_000, () => started.text());
}

test('what all threads serve is counted together, and each has its share', async (t) => {
  const ground = await prepare(t);
  const started = ground.start('--concurrency', '3');
  await up(ground, started);
  const held = await Promise.all(Array.from({ length: CONNECTIONS }, () => connected(ground.port)));
  assert.equal(await ground.stat('http.http.downstream_cx_active'), CONNECTIONS);
  assert.equal(await ground.stat('http.http.downstream_rq_total'), CONNECTIONS);
  assert.equal(await ground.stat('http.http.downstream_rq_2xx'), CONNECTIONS);
  assert.equal(await ground.stat('server.concurrency'), 3);
  assert.equal(await ground.stat('listener_manager.total_listeners_active'), 1);
  assert.match(await ground.admin('/stats/prometheus'), /envoy_http_downstream_rq_total\{[^}]*\} 64\n/);
  for (const { close } of held) close();
  await until('the connections to be gone', async () =>
    (await ground.stat('http.http.downstream_cx_active')) === 0 ? true : undefined,
  );
  assert.equal((await started.stop()).code, 0);
});

for (const [before, after] of [
  [2, 2],
  [3, 1],
  [1, 3],
] as const) {
  test(`a process with ${before} threads is taken over from by one with ${after} without a refused connection`, async (t) => {
    const ground = await prepare(t);
    const first = ground.start('--concurrency', `${before}`, '--base-id', '1');
    await up(ground, first);
    let isLoading = true;
    let answered = 0;
    const load = (async () => {
      while (isLoading) {
        (await connected(ground.port)).close();
        answered++;
      }
    })();
    const second = ground.start('--concurrency', `${after}`, '--base-id', '1', '--restart-epoch', '1');
    const early = second.ended.then(() => assert.fail(`the second process has ended: ${second.text()}`));
    const { code } = await Promise.race([first.ended, early]);
    assert.equal(code, 0, first.text());
    const so = answered;
    const isEnough = () => (answered > so + 100 ? true : undefined);
    await until('more answers', isEnough, 30_000, () => second.text());
    isLoading = false;
    await load;
    assert.equal(await ground.stat('server.concurrency'), after);
    assert.equal(await ground.stat('server.hot_restart_epoch'), 1);
  });
}
