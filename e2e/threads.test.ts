/** What holds for a process with several threads holds for all of them together, in Weft's proxy as in Envoy. */
import assert from 'node:assert/strict';
import { readFileSync, renameSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DATA_PLANES, type DataPlane, until } from './harness.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, startPlane } from './proxy-testing/plane.ts';
import { ScriptedUpstream } from './proxy-testing/scripted-upstream.ts';

interface Ground {
  readonly plane: Plane;
  readonly upstream: ScriptedUpstream;
  readonly folder: string;
  /** So many requests, each on a connection of its own, one begun after the other; those that are answered say how. */
  ask(count: number, path: string, fields?: string): Promise<readonly Promise<number>[]>;
  statuses(count: number, path: string): Promise<readonly number[]>;
}

/** Resolves once the request is on its way; the status comes later. */
function begin(
  t: TestContext,
  port: number,
  path: string,
  fields: string,
): Promise<{ readonly status: Promise<number> }> {
  const { promise: status, resolve: answered } = Promise.withResolvers<number>();
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`, () => resolve({ status }));
    });
    t.after(() => socket.destroy());
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.includes('\r\n\r\n')) answered(Number(text.split(' ')[1]));
    });
    socket.on('error', reject);
    socket.on('close', () => answered(0));
  });
}

async function prepare(t: TestContext, dataPlane: DataPlane, threads: number): Promise<Ground> {
  const folder = temporaryFolder(t);
  const upstream = await new ScriptedUpstream().start(t);
  const plane = await startPlane(t, {
    dataPlane,
    bootstrap: 'threads.yaml',
    folder,
    ports: { 18000: upstream.port },
    flags: ['--concurrency', String(threads)],
  });
  const ask: Ground['ask'] = async (count, path, fields = '') => {
    const begun: Promise<number>[] = [];
    for (let index = 0; index < count; index++) begun.push((await begin(t, plane.port(), path, fields)).status);
    return begun;
  };
  return {
    plane,
    upstream,
    folder,
    ask,
    async statuses(count, path) {
      const got: number[] = [];
      for (let index = 0; index < count; index++) got.push(...(await Promise.all(await ask(1, path))));
      return got;
    },
  };
}

const countOf = (statuses: readonly number[], status: number): number =>
  statuses.filter((given) => given === status).length;

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane}: circuit breakers hold for all threads together`, async (t) => {
    const { plane, upstream, ask } = await prepare(t, dataPlane, 2);
    const held: (() => void)[] = [];
    upstream.answer = (response) => void held.push(() => response.end('late'));
    const begun = await ask(24, '/broken');
    const refused: number[] = [];
    for (const status of begun) void status.then((given) => given === 503 && refused.push(given));
    await until(
      'the others to be refused',
      () => (refused.length === 21 ? true : undefined),
      30_000,
      () => {
        return `${refused.length} refused, ${held.length} passed`;
      },
    );
    assert.equal(held.length, 3);
    assert.equal(await plane.stat('cluster.broken.circuit_breakers.default.rq_open'), 1);
    assert.equal(await plane.stat('cluster.broken.circuit_breakers.default.remaining_rq'), 0);
    assert.equal(await plane.stat('cluster.broken.upstream_rq_active'), 3);
    for (const end of held) end();
    assert.equal(countOf(await Promise.all(begun), 200), 3);
    assert.equal(await plane.stat('cluster.broken.circuit_breakers.default.remaining_rq'), 3);
  });

  test(`${dataPlane}: a token bucket is one for all threads, and so is the number of faults`, async (t) => {
    const { plane, statuses, ask } = await prepare(t, dataPlane, 2);
    assert.equal(countOf(await statuses(40, '/limited'), 200), 10);
    assert.equal(await plane.stat('limited.http_local_rate_limit.rate_limited'), 30);
    const slow = await ask(20, '/', 'x-slow: 1\r\n');
    await until('faults', async () => ((await plane.stat('http.http.fault.active_faults')) === 4 ? true : undefined));
    await until('the others', async () =>
      (await plane.stat('http.http.fault.faults_overflow')) === 16 ? true : undefined,
    );
    assert.equal(countOf(await Promise.all(slow), 200), 20);
  });

  test(`${dataPlane}: a host is checked by one thread, and what comes of it holds in all`, async (t) => {
    const { plane, upstream, statuses } = await prepare(t, dataPlane, 2);
    assert.equal(countOf(await statuses(16, '/checked'), 200), 16);
    const [attempts, checks] = [await plane.stat('cluster.checked.health_check.attempt'), upstream.checkCount];
    assert.ok(checks <= attempts + 3, `${checks} checks came of ${attempts}`);
    assert.equal(await plane.stat('cluster.checked.health_check.healthy'), 1);
    upstream.live = (response) => response.writeHead(500).end();
    await until('the host to fail', async () =>
      (await plane.stat('cluster.checked.membership_healthy')) === 0 ? true : undefined,
    );
    await until('all threads to know', async () =>
      countOf(await statuses(16, '/checked'), 503) === 16 ? true : undefined,
    );
    upstream.live = (response) => response.end();
    await until('all threads to know', async () =>
      countOf(await statuses(16, '/checked'), 200) === 16 ? true : undefined,
    );
    upstream.answer = (response) => response.writeHead(200, { 'x-envoy-immediate-health-check-fail': '1' }).end();
    upstream.live = (response) => response.writeHead(500).end();
    await statuses(1, '/checked');
    await until('all threads to leave it alone', async () =>
      countOf(await statuses(16, '/checked'), 503) === 16 ? true : undefined,
    );
  });

  test(`${dataPlane}: failures in a row are counted in all threads, and the host is ejected once`, async (t) => {
    const { plane, upstream, statuses } = await prepare(t, dataPlane, 2);
    upstream.answer = (response) => response.writeHead(500).end();
    assert.equal(countOf(await statuses(6, '/ejecting'), 500), 6);
    assert.equal(await plane.stat('cluster.ejecting.outlier_detection.ejections_active'), 0);
    assert.equal(countOf(await statuses(1, '/ejecting'), 500), 1);
    await until('the ejection', async () =>
      (await plane.stat('cluster.ejecting.outlier_detection.ejections_active')) === 1 ? true : undefined,
    );
    await until('all threads to know', async () =>
      countOf(await statuses(16, '/ejecting'), 503) === 16 ? true : undefined,
    );
    assert.equal(await plane.stat('cluster.ejecting.outlier_detection.ejections_enforced_total'), 1);
    assert.match((await plane.admin('/clusters')).body, /ejecting::127\S+::health_flags::\/failed_outlier_check/);
  });

  test(`${dataPlane}: hosts, statistics and access logs are those of all threads`, async (t) => {
    const { plane, upstream, statuses, folder } = await prepare(t, dataPlane, 2);
    assert.equal(countOf(await statuses(40, '/some'), 200), 40);
    assert.equal(upstream.take().length, 40);
    const { body } = await plane.admin('/clusters');
    assert.match(body, /plain::127\S+::rq_total::40\n/);
    assert.match(body, /plain::127\S+::rq_success::40\n/);
    assert.equal(await plane.stat('cluster.plain.upstream_rq_200'), 40);
    const path = join(folder, 'access.log');
    const lines = (): readonly string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1);
    await until('the log', () => (lines().length === 40 ? true : undefined));
    renameSync(path, `${path}.1`);
    await plane.admin('/reopen_logs', 'POST');
    await until('the new log', () => {
      try {
        return readFileSync(path, 'utf8') === '' ? true : undefined;
      } catch {
        return undefined;
      }
    });
    await statuses(40, '/other');
    await until('the lines', () => (lines().length >= 40 ? true : undefined));
    assert.deepEqual(new Set(lines()), new Set(['/other 200 -']));
  });
}

/** How many sockets of this machine listen at a port of the loopback. */
function listeningAt(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync('/proc/net/tcp', 'utf8').split(`0100007F:${hex} 00000000:0000 0A`).length - 1;
}

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane}: each thread listens at the port that was found for 0`, async (t) => {
    const { plane } = await prepare(t, dataPlane, 3);
    assert.equal(listeningAt(plane.port()), 3);
  });
}
