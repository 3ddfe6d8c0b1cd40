/**
 * Sockets and the runtime of Weft's proxy and of the real Envoy on the same bootstrap: where connections to hosts come from,
 * what listeners log of connections, and values that come from a control plane.
 */
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DATA_PLANES, type DataPlane, until } from './harness.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, startPlane } from './proxy-testing/plane.ts';

interface Side {
  readonly plane: Plane;
  readonly folder: string;
}

/** Says who is connected, once it is told something. */
async function startUpstream(test: TestContext): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end(`from ${socket.remoteAddress}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.after(() => server.close());
  const bound = server.address();
  return typeof bound === 'object' && bound ? bound.port : 0;
}

/** Puts values of the layer in place of those that were there. */
function tell(folder: string, version: string, layer: object): void {
  const resource = { '@type': 'type.googleapis.com/envoy.service.runtime.v3.Runtime', name: 'told', layer };
  writeFileSync(join(folder, 'rtds.new'), JSON.stringify({ version_info: version, resources: [resource] }));
  renameSync(join(folder, 'rtds.new'), join(folder, 'rtds.json'));
}

async function startSide(test: TestContext, dataPlane: DataPlane): Promise<Side> {
  const folder = temporaryFolder(test);
  tell(folder, '1', { shown: 100 });
  const ports = { 10081: await startUpstream(test) };
  return { folder, plane: await startPlane(test, { dataPlane, bootstrap: 'net.yaml', folder, ports }) };
}

/** Sends a text and gives all that comes until the end; an end that is broken off is none. */
function say({ plane }: Side, listener: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    let seen = '';
    const socket = connect({ host: '127.0.0.1', port: plane.port(listener) }, () => socket.write(text));
    const deadline = setTimeout(() => socket.destroy(), 20_000);
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1');
    });
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      clearTimeout(deadline);
      resolve(seen);
    });
  });
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
const statusOf = (answer: string): string => answer.split('\r\n')[0] ?? '';
const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4);

/** The lines of the log of connections, once there are so many. */
function logged({ folder }: Side, count: number): Promise<readonly string[]> {
  return until('the lines of the log', async () => {
    const lines = readFileSync(join(folder, 'connections.log'), 'utf8').split('\n').slice(0, -1);
    return lines.length >= count ? lines : undefined;
  });
}

/** What both make of it; fails where that is not the same. */
async function same<T>(sides: readonly Side[], name: string, act: (side: Side) => Promise<T>): Promise<T> {
  const [ours, theirs] = await Promise.all(sides.map(act));
  assert.deepEqual(ours, theirs, name);
  return ours as T;
}

test('connections come from the same addresses, and are logged alike at their end', async (t) => {
  const sides = await Promise.all(DATA_PLANES.map((dataPlane) => startSide(t, dataPlane)));
  assert.equal(await same(sides, 'of the cluster', (side) => say(side, 'bound', 'hello')), 'from 127.0.0.6');
  assert.equal(await same(sides, 'of all clusters', (side) => say(side, 'of-manager', 'hello')), 'from 127.0.0.9');
  assert.equal(await same(sides, 'of no address here', (side) => say(side, 'no-address', 'hello')), '');
  assert.equal(await same(sides, 'of no chain', (side) => say(side, 'no-chain', 'hello')), '');
  const answer = await same(sides, 'of HTTP', async (side) => {
    const given = await say(side, 'http', get('/bind'));
    return [statusOf(given), bodyOf(given)];
  });
  assert.equal(answer[0], 'HTTP/1.1 503 Service Unavailable');
  await same(sides, 'lines', (side) => logged(side, 3));
  await same(sides, 'errors of binding', ({ plane }) => plane.stat('cluster.no-address.bind_errors'));
});

test('values of the runtime come from a control plane', async (t) => {
  const sides = await Promise.all(DATA_PLANES.map((dataPlane) => startSide(t, dataPlane)));
  const shown = async (side: Side) => statusOf(await say(side, 'http', get('/')));
  const becomes = (status: string) => (side: Side) =>
    until(status, async () => ((await shown(side)) === status ? true : undefined));
  assert.equal(await same(sides, 'at first', shown), 'HTTP/1.1 200 OK');
  for (const { folder } of sides) tell(folder, '2', { shown: 0, other: { deep: 7 } });
  await same(sides, 'a change', becomes('HTTP/1.1 404 Not Found'));
  await same(sides, '/runtime', async ({ plane }) => JSON.parse((await plane.admin('/runtime')).body) as object);
  await same(sides, 'a change by hand', ({ plane }) => plane.admin('/runtime_modify?shown=100', 'POST'));
  assert.equal(await same(sides, 'after that', shown), 'HTTP/1.1 200 OK');
  for (const { folder } of sides) tell(folder, '3', {});
  await same(sides, 'nothing more', ({ plane }) =>
    until('the last update', async () => ((await plane.stat('runtime.update_success')) === 3 ? true : undefined)),
  );
  await same(sides, 'what is counted', async ({ plane }) => {
    const { body } = await plane.admin('/stats?filter=^runtime\\.(update|num|load|admin)[a-z_]*$');
    return body.split('\n').filter((line) => !/update_(time|duration)|^runtime.load_success/.test(line));
  });
});

/** Answers each check with what is next: a status, or 200 and degraded; with 200 once there is nothing more. */
async function startChecked(test: TestContext, answers: readonly (number | 'degraded')[]): Promise<number> {
  const left = [...answers];
  const server = createHttpServer((_, response) => {
    const answer = left.shift() ?? 200;
    if (answer === 'degraded') response.setHeader('x-envoy-degraded', 'true');
    response.writeHead(answer === 'degraded' ? 200 : answer).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const bound = server.address();
  return typeof bound === 'object' && bound ? bound.port : 0;
}

test('events of checks are told in the same lines', async (t) => {
  const answers = [500, 200, 500, 503, 200, 'degraded', 200] as const;
  // One of the first failure, one of the way back, three of two more, one of the way back, two of each that passed.
  const wanted = 1 + 1 + 3 + 1 + 2 + 2;
  const sides = DATA_PLANES.map(async (dataPlane) => {
    const folder = temporaryFolder(t);
    const port = await startChecked(t, answers);
    await startPlane(t, { dataPlane, bootstrap: 'health-events.yaml', folder, ports: { 10081: port } });
    const lines = await until('the events', async () => {
      const all = readFileSync(join(folder, 'events.log'), 'utf8').split('\n').slice(0, -1);
      return all.length >= wanted ? all.slice(0, wanted) : undefined;
    });
    return lines.map((line) => line.replace(`:${port},`, ':<port>,').replace(/"timestamp":"[^"]+"/, '<time>'));
  });
  const [ours, theirs] = await Promise.all(sides);
  assert.deepEqual(ours, theirs);
  assert.match(ours?.[0] ?? '', /"health_check_failure_event":\{"failure_type":"ACTIVE","first_check":true/);
});
