/** Draining under load, in HTTP/1.1 and HTTP/2, with several threads: clients are asked to leave, and no request fails. */
import assert from 'node:assert/strict';
import { type ClientHttp2Session, connect } from 'node:http2';
import { createConnection, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { DATA_PLANES, type DataPlane, freePort, until } from './harness.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, startPlane } from './proxy-testing/plane.ts';
import { ScriptedUpstream } from './proxy-testing/scripted-upstream.ts';

/** What clients have met. */
class Tally {
  readonly failures: string[] = [];
  answered = 0;
  /** How often they were asked to leave, and came again. */
  asked = 0;
  /** Clients that found nobody listening any more, and went away. */
  refused = 0;
  isOver = false;
}

/** No connection came about; at the moment at which a listener closes, the kernel says so in another way. */
const isRefused = (error: unknown): boolean => (error as NodeJS.ErrnoException).syscall === 'connect';

function opened(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => resolve(socket));
    socket.setMaxListeners(0);
    socket.once('error', reject);
  });
}

/** The answer to one request on a connection that stays. */
function answerOn(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!text.endsWith('\r\n\r\nok')) return;
      socket.off('data', onData);
      resolve(text);
    };
    socket.on('data', onData);
    socket.once('close', () => reject(new Error(`the connection ended: ${text}`)));
    socket.write('GET /some HTTP/1.1\r\nHost: a\r\n\r\n');
  });
}

async function http1Client(port: number, tally: Tally): Promise<void> {
  while (!tally.isOver) {
    const socket = await opened(port);
    socket.on('error', () => undefined);
    try {
      for (let isAsked = false; !isAsked && !tally.isOver; ) {
        const text = await answerOn(socket);
        assert.match(text, /^HTTP\/1\.1 200 /);
        tally.answered++;
        isAsked = /\r\nconnection: close\r\n/i.test(text);
        if (isAsked) tally.asked++;
      }
    } finally {
      socket.destroy();
    }
  }
}

function session(port: number): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const client = connect(`http://127.0.0.1:${port}`, {}, () => resolve(client));
    client.once('error', reject);
  });
}

function streamOn(client: ClientHttp2Session): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = client.request({ ':path': '/some' });
    let status = 0;
    stream.on('response', (headers) => {
      status = headers[':status'] ?? 0;
    });
    stream.on('error', reject);
    stream.on('close', () => (stream.rstCode === 0 ? resolve(status) : reject(new Error(`reset ${stream.rstCode}`))));
    stream.resume();
    stream.end();
  });
}

async function http2Client(port: number, tally: Tally): Promise<void> {
  while (!tally.isOver) {
    const client = await session(port);
    let isAsked = false;
    client.on('error', () => undefined);
    client.on('goaway', () => {
      isAsked = true;
    });
    while (!isAsked && !client.closed && !tally.isOver) {
      const statuses = await Promise.all([streamOn(client), streamOn(client)]);
      assert.deepEqual(statuses, [200, 200]);
      tally.answered += 2;
    }
    if (isAsked) tally.asked++;
    client.close();
  }
}

function load(port: number, tally: Tally): readonly Promise<void>[] {
  const clients = [http1Client, http1Client, http1Client, http1Client, http2Client, http2Client, http2Client];
  return clients.map(async (client, index) => {
    try {
      await client(port, tally);
    } catch (thrown) {
      if (isRefused(thrown)) tally.refused++;
      else tally.failures.push(`${index} ${client.name}: ${String(thrown)}`);
    }
  });
}

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
