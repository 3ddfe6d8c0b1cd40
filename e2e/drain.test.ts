/** Draining under load, in HTTP/1.1 and HTTP/2, with several threads: clients are asked to leave, and no request fails. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DATA_PLANES, type DataPlane, freePort, until } from './harness.ts';
import { load, Tally } from './proxy-testing/asked-clients.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, startPlane } from './proxy-testing/plane.ts';
import { ScriptedUpstream } from './proxy-testing/scripted-upstream.ts';

async function prepare(t: TestContext, dataPlane: DataPlane): Promise<Plane> {
  const upstream = await new ScriptedUpstream().start(t);
  return startPlane(t, {
    dataPlane,
    bootstrap: 'threads.yaml',
    folder: temporaryFolder(t),
    ports: { 10000: await freePort(), 18000: upstream.port },
    flags: ['--concurrency', '2', '--drain-time-s', '2'],
  });
}

async function warm(tally: Tally): Promise<void> {
  await until(
    'answers',
    () => (tally.answered > 200 ? true : undefined),
    30_000,
    () => tally.failures.join('\n'),
  );
  assert.equal(tally.asked, 0);
}

/** Waits for a hundred answers, one after the other, with which nobody was asked to leave. */
async function nobodyAsked(tally: Tally): Promise<void> {
  let { asked, answered } = tally;
  await until('answers that ask nobody', () => {
    if (tally.asked !== asked) ({ asked, answered } = tally);
    return tally.answered > answered + 100 ? true : undefined;
  });
}

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane}: a graceful drain asks clients to leave before it closes listeners, and fails no request`, async (t) => {
    const plane = await prepare(t, dataPlane);
    const tally = new Tally();
    const clients = load(plane.port(), tally);
    await warm(tally);
    assert.equal((await plane.admin('/drain_listeners?graceful', 'POST')).status, 200);
    await Promise.all(clients);
    // Envoy resets the connections that wait to be accepted as it closes its sockets.
    if (dataPlane === 'weft') {
      assert.deepEqual(tally.failures, []);
      assert.equal(tally.refused, clients.length, 'each left when it was asked to, and found nobody at the end');
    }
    assert.ok(tally.asked >= clients.length, `${tally.asked} times asked`);
    assert.equal((await plane.admin('/ready')).status, 200, 'the process goes on');
    const closes = await plane.stat('http.http.downstream_cx_drain_close');
    assert.ok(closes >= clients.length, `${closes} closes counted`);
  });

  test(`${dataPlane}: a failed health check asks every client to leave, and takes connections as before`, async (t) => {
    const plane = await prepare(t, dataPlane);
    const tally = new Tally();
    const clients = load(plane.port(), tally);
    await warm(tally);
    assert.equal((await plane.admin('/healthcheck/fail', 'POST')).status, 200);
    await until('everybody to be asked', () => (tally.asked > 3 * clients.length ? true : undefined), 30_000);
    assert.equal((await plane.admin('/healthcheck/ok', 'POST')).status, 200);
    await nobodyAsked(tally);
    tally.isOver = true;
    await Promise.all(clients);
    assert.deepEqual(tally.failures, []);
  });
}

test('weft: a process that is told to end answers what it has begun, and fails no request', async (t) => {
  const plane = await prepare(t, 'weft');
  const tally = new Tally();
  const clients = load(plane.port(), tally);
  await warm(tally);
  plane.signal('SIGTERM');
  await Promise.all(clients);
  assert.deepEqual(tally.failures, []);
  assert.equal(tally.refused, clients.length);
  assert.equal(await plane.ended, 0);
});
