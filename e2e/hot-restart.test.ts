/** A new process of Weft's proxy takes over the port of the one that runs, which ends when its work is done. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort, type Process, until, weftProcess } from './harness.ts';

const TYPES = 'type.googleapis.com/envoy.extensions.filters';

function bootstrapText(port: number, adminPort: number, upstreamPort: number, route: string): string {
  return `
admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${adminPort} } } }
static_resources:
  listeners:
    - name: http
      address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }
      filter_chains:
        - filters:
            - name: http
              typed_config:
                "@type": ${TYPES}.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: http
                http_filters: [{ name: router, typed_config: { "@type": ${TYPES}.http.router.v3.Router } }]
                route_config:
                  virtual_hosts:
                    - name: a
                      domains: ["*"]
                      routes:
                        - { match: { path: /who }, direct_response: { status: 200, body: { inline_string: ${route} } } }
                        - { match: { prefix: / }, route: { cluster: up, timeout: 30s } }
  clusters:
    - name: up
      type: STATIC
      load_assignment:
        cluster_name: up
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${upstreamPort} } } } }] }]
`;
}

/** One request on a connection of its own; gives the body, or what the connection came to. */
function ask(port: number, path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
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
  readonly adminPort: number;
  /** Ends the answer that the upstream owes to `/slow`. */
  readonly finishSlow: () => void;
  isSlowBegun(): boolean;
  start(route: string, ...flags: readonly string[]): Process;
}

async function prepare(t: TestContext): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-restart-'));
  let finish: (() => void) | undefined;
  const upstream = createServer((_request, response) => {
    finish = () => response.end('slow');
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const bound = upstream.address();
  const upstreamPort = typeof bound === 'object' && bound ? bound.port : 0;
  const [port, adminPort] = [await freePort(), await freePort()];
  const processes: Process[] = [];
  t.after(async () => {
    for (const process of processes) await process.kill();
    upstream.close();
    upstream.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    port,
    adminPort,
    finishSlow: () => finish?.(),
    isSlowBegun: () => finish !== undefined,
    start(route, ...flags) {
      const path = join(folder, `${route}.yaml`);
      writeFileSync(path, bootstrapText(port, adminPort, upstreamPort, route));
      // A folder of its own keeps the base IDs of this test apart from those of others.
      const process = weftProcess(['proxy', '-c', path, ...flags], { env: { TMPDIR: folder } });
      processes.push(process);
      return process;
    },
  };
}

test('a new process takes over while requests come and go: none is refused, none is cut', async (t) => {
  const ground = await prepare(t);
  const { port } = ground;
  const first = ground.start('first', '--base-id', '7');
  await until('the first process', async () => ((await ask(port, '/who')) === 'first' ? true : undefined));

  const answers: string[] = [];
  let isLoading = true;
  const load = (async () => {
    while (isLoading) answers.push(await ask(port, '/who'));
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
  const state = await fetch(`http://127.0.0.1:${ground.adminPort}/server_info`).then((answer) => answer.text());
  assert.match(state, /"restart_epoch": 2/);
  assert.equal((await third.stop()).code, 0);
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
