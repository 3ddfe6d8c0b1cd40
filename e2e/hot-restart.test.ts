/** A new process of Weft's proxy takes over the port of the one that runs, which ends when its work is done. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { answered, httpListener, routes, staticCluster } from '@weft/proxy/testing';
import { listen, type Process, until } from './harness.ts';
import { openSuccessive } from './proxy-testing/successive.ts';

/** A control plane that never answers: what names it is not ready before this time is over. */
function waiting(waitMs: number): object {
  const grpc_services = [{ envoy_grpc: { cluster_name: 'silent' } }];
  return {
    node: { id: 'a', cluster: 'a' },
    dynamic_resources: {
      lds_config: {
        resource_api_version: 'V3',
        initial_fetch_timeout: `${waitMs / 1000}s`,
        api_config_source: { api_type: 'GRPC', transport_api_version: 'V3', grpc_services },
      },
    },
  };
}

const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const SILENT = staticCluster('silent', 1, {
  typed_extension_protocol_options: {
    [OPTIONS]: { '@type': `type.googleapis.com/${OPTIONS}`, explicit_http_config: { http2_protocol_options: {} } },
  },
});

interface Wanted {
  /** What `/who` is answered with. */
  readonly route: string;
  readonly port: number;
  readonly upstreamPort: number;
  readonly socketPath: string;
  readonly waitMs: number;
}

function bootstrap({ port, upstreamPort, route, socketPath, waitMs }: Wanted): object {
  const who = answered({ path: '/who' }, route);
  const rest = { match: { prefix: '/' }, route: { cluster: 'up', timeout: '30s' } };
  return {
    ...(waitMs > 0 && waiting(waitMs)),
    static_resources: {
      listeners: [
        httpListener(port, { route_config: routes(who, rest) }),
        httpListener(socketPath, { stat_prefix: 'unix', route_config: routes(who) }, 'unix'),
      ],
      clusters: [SILENT, staticCluster('up', upstreamPort)],
    },
  };
}

/** One request on a connection of its own; gives the body, or what the connection came to. */
function ask(at: number | string, path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = typeof at === 'string' ? createConnection(at) : createConnection(at, '127.0.0.1');
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(`failed: ${error.code}`));
    socket.on('close', () => resolve(received.split('\r\n\r\n')[1] ?? `cut: ${received}`));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  });
}

interface Ground {
  readonly port: number;
  /** Of a listener at a Unix socket. */
  readonly socketPath: string;
  /** Ends the answer that the upstream owes to `/slow`. */
  readonly finishSlow: () => void;
  isSlowBegun(): boolean;
  start(route: string, ...flags: readonly string[]): Process;
  /** The same, for a process that is not ready before that time. */
  startLate(waitMs: number, route: string, ...flags: readonly string[]): Process;
  /** What the admin interface answers; '' where it does not. */
  admin(path: string): Promise<string>;
}

async function prepare(t: TestContext): Promise<Ground> {
  const { folder, port, start, admin } = await openSuccessive(t);
  let finish: (() => void) | undefined;
  const upstream = createServer((_request, response) => {
    finish = () => response.end('slow');
  });
  const upstreamPort = await listen(t, upstream);
  const socketPath = join(folder, 'proxy.sock');
  const startLate: Ground['startLate'] = (waitMs, route, ...flags) =>
    start(route, bootstrap({ port, upstreamPort, route, socketPath, waitMs }), ...flags);
  return {
    port,
    socketPath,
    start: (route, ...flags) => startLate(0, route, ...flags),
    startLate,
    admin,
    finishSlow: () => finish?.(),
    isSlowBegun: () => finish !== undefined,
  };
}

test('a new process takes over while requests come and go: none is refused, none is cut', async (t) => {
  const ground = await prepare(t);
  const { port, socketPath } = ground;
  const first = ground.start('first', '--base-id', '7');
  await until('the first process', async () => ((await ask(socketPath, '/who')) === 'first' ? true : undefined));

  const answers: string[] = [];
  let isLoading = true;
  const load = (async () => {
    while (isLoading) answers.push(await ask(port, '/who'), await ask(socketPath, '/who'));
  })();
  const slow = ask(port, '/slow');
  await until('the slow request', () => (ground.isSlowBegun() ? true : undefined));

  const second = ground.start('second', '--base-id', '7', '--restart-epoch', '1');
  await until(
    'the second process',
    () => (answers.at(-1) === 'second' ? true : undefined),
    30_000,
    () => second.text(),
  );
  const third = ground.start('third', '--base-id', '7', '--restart-epoch', '2');
  await until(
    'the third process',
    () => (answers.at(-1) === 'third' ? true : undefined),
    30_000,
    () => third.text(),
  );
  assert.equal((await second.ended).code, 0);

  assert.equal(await ground.admin('/hot_restart_version'), 'weft.1');
  ground.finishSlow();
  assert.equal(await slow, 'slow');
  assert.equal((await first.ended).code, 0);
  const end = answers.length + 20;
  await until('more requests', () => (answers.length >= end ? true : undefined));
  isLoading = false;
  await load;
  assert.deepEqual(
    answers.filter((answer) => !['first', 'second', 'third'].includes(answer)),
    [],
  );
  assert.match(await ground.admin('/server_info'), /"restart_epoch": 2/);
  assert.equal((await third.stop()).code, 0);
  assert.equal(existsSync(socketPath), false, 'the last one removes the path');
});

test('the new process tells how many connections the old one still has', async (t) => {
  const ground = await prepare(t);
  const { port } = ground;
  const first = ground.start('first', '--base-id', '7');
  await until('the first process', async () => ((await ask(port, '/who')) === 'first' ? true : undefined));
  const slow = ask(port, '/slow');
  await until('the slow request', () => (ground.isSlowBegun() ? true : undefined));
  ground.start('second', '--base-id', '7', '--restart-epoch', '1');
  const tells = (count: number) => async () =>
    (await ground.admin('/stats')).includes(`server.parent_connections: ${count}\n`) ? true : undefined;
  await until('the second process', async () => ((await ask(port, '/who')) === 'second' ? true : undefined));
  await until('the connection of the old one', tells(1));
  ground.finishSlow();
  assert.equal(await slow, 'slow');
  assert.equal((await first.ended).code, 0);
  await until('none', tells(0));
});

test('a new process that ends before it serves leaves the old one as it was, its admin interface too', async (t) => {
  const ground = await prepare(t);
  const { port, socketPath } = ground;
  ground.start('first', '--base-id', '7');
  await until('the first process', async () => ((await ask(socketPath, '/who')) === 'first' ? true : undefined));
  for (const end of ['SIGKILL', 'SIGTERM'] as const) {
    const late = ground.startLate(60_000, 'late', '--base-id', '7', '--restart-epoch', '1');
    await until('the admin interface of the new one', async () =>
      (await ground.admin('/ready')).startsWith('INITIALIZING') ? true : undefined,
    );
    const other = await ground.start('other', '--base-id', '7', '--restart-epoch', '1').ended;
    assert.equal(other.code, 1);
    assert.match(other.err, /another process is taking over/);
    late.signal(end);
    await late.ended;
    await until('the old one', async () => ((await ground.admin('/ready')).startsWith('LIVE') ? true : undefined));
    for (let count = 0; count < 20; count++) {
      assert.equal(await ask(port, '/who'), 'first');
      assert.equal(await ask(socketPath, '/who'), 'first');
    }
  }
  ground.start('second', '--base-id', '7', '--restart-epoch', '1');
  await until('the second process', async () => ((await ask(socketPath, '/who')) === 'second' ? true : undefined));
});

test('an old process that is ended while it is taken over leaves no gap', async (t) => {
  const ground = await prepare(t);
  const { port, socketPath } = ground;
  const first = ground.start('first', '--base-id', '7');
  await until('the first process', async () => ((await ask(socketPath, '/who')) === 'first' ? true : undefined));
  ground.startLate(4000, 'late', '--base-id', '7', '--restart-epoch', '1');
  await until('the admin interface of the new one', async () =>
    (await ground.admin('/ready')).startsWith('INITIALIZING') ? true : undefined,
  );
  assert.equal((await first.stop()).code, 0);
  assert.equal(await ask(port, '/who'), 'late', 'connections wait until the new one serves');
  assert.equal(await ask(socketPath, '/who'), 'late');
  await until('the new one', async () => ((await ground.admin('/ready')).startsWith('LIVE') ? true : undefined));
});

test('what cannot be taken over is said, and what runs goes on', async (t) => {
  const ground = await prepare(t);
  const none = await ground.start('none', '--base-id', '7', '--restart-epoch', '1').ended;
  assert.equal(none.code, 1);
  assert.match(none.err, /no proxy runs with the base ID 7/);
  ground.start('first', '--base-id', '7');
  await until('the first process', async () => ((await ask(ground.port, '/who')) === 'first' ? true : undefined));
  const again = await ground.start('again', '--base-id', '7').ended;
  assert.equal(again.code, 1);
  assert.match(again.err, /a proxy with the base ID 7 runs already; give --restart-epoch/);
  const wrong = await ground.start('wrong', '--base-id', '7', '--restart-epoch', '5').ended;
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /has the restart epoch 0; give --restart-epoch 1/);
  assert.equal(await ask(ground.port, '/who'), 'first');
});
