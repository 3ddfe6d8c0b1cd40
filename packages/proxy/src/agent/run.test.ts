import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { findBinary } from '@weft/binaries';
import { freePort, listen } from '../testing/listening.ts';
import type { AgentOptions, AgentReady } from './options.ts';
import { runAgent } from './run.ts';
import { eventually } from './testing/eventually.ts';
import { FakeMesh, type FakeMeshOptions } from './testing/fake-mesh.ts';
import { meshResources } from './testing/mesh-resources.ts';
import { recordingLog } from './testing/silent-log.ts';
import { temporaryFolder } from './testing/temporary.ts';

const envoy = await findBinary('envoy');
const skip = envoy ? false : 'there is no Envoy on this machine: weft binaries fetch envoy';

async function startMesh(t: TestContext, options: FakeMeshOptions = {}): Promise<FakeMesh> {
  const mesh = new FakeMesh(options);
  await mesh.start();
  t.after(() => mesh.stop());
  mesh.onRegistry = () => mesh.xds.set(meshResources(mesh.workloads));
  return mesh;
}

/** An HTTP server that answers every path with its service's name, `/slow` after a second, `/stream` for seven. */
const APPLICATION = `
  const { createServer } = require('node:http');
  const server = createServer((request, response) => {
    if (request.url === '/stream') {
      let left = 70;
      const timer = setInterval(() => {
        response.write('x');
        if (--left > 0) return;
        clearInterval(timer);
        response.end('end');
      }, 100);
      return;
    }
    setTimeout(() => response.end(process.env.WEFT_SERVICE + ' ' + request.url), request.url === '/slow' ? 1000 : 0);
  });
  server.listen(Number(process.argv[1]), '127.0.0.1');
  process.on('SIGTERM', () => { server.close(() => process.exit(42)); server.closeIdleConnections(); });
`;

interface Agent {
  readonly ready: Promise<AgentReady>;
  readonly exit: Promise<number>;
  readonly lines: readonly string[];
  signal(name: NodeJS.Signals): void;
}

function run(t: TestContext, mesh: FakeMesh, service: string, change: Partial<AgentOptions> = {}): Agent {
  const signals = new EventEmitter();
  const ready = Promise.withResolvers<AgentReady>();
  const log = recordingLog();
  const exit = runAgent({
    join: mesh.address,
    token: mesh.token,
    namespace: 'shop',
    service,
    protocol: 'http',
    dataPlane: 'envoy',
    ...(envoy ? { envoyPath: envoy.path } : {}),
    stateDir: temporaryFolder(t),
    drainTimeoutMs: 10_000,
    log,
    signals,
    onReady: ready.resolve,
    ...change,
  });
  exit.catch(ready.reject);
  ready.promise.catch(() => undefined);
  const signal = (name: NodeJS.Signals) => void signals.emit(name, name);
  t.after(async () => {
    for (const _ of [1, 2, 3]) signal('SIGTERM');
    await exit.catch(() => undefined);
  });
  return { ready: ready.promise, exit, lines: log.lines, signal };
}

function serve(
  t: TestContext,
  mesh: FakeMesh,
  service: string,
  port: number,
  change: Partial<AgentOptions> = {},
): Agent {
  return run(t, mesh, service, { port, command: [process.execPath, '-e', APPLICATION, String(port)], ...change });
}

/** What a program behind HTTP_PROXY gets. */
function get(proxyPort: number, url: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({
      host: '127.0.0.1',
      port: proxyPort,
      path: url,
      headers: { host: new URL(url).host },
      agent: false,
    });
    asked.once('error', reject);
    asked.once('response', (response: IncomingMessage) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    asked.end();
  });
}

test('two workloads on real Envoy reach each other by mutual TLS', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const stock = serve(t, mesh, 'stock', await freePort());
  const cart = run(t, mesh, 'cart');
  const [{ workloadId }, { outboundPort }] = await Promise.all([stock.ready, cart.ready]);
  assert.ok(mesh.events.includes(`register ${workloadId} STARTING`));
  await eventually(() => mesh.workloads.get(workloadId)?.health === 'READY');
  const answer = await eventually(async () => {
    const got = await get(outboundPort, 'http://stock.mesh/hello');
    return got.status === 200 ? got : undefined;
  });
  assert.equal(answer.body, 'stock /hello');
  await eventually(() => mesh.logs.some((line) => line === 'inbound /hello'));
  await eventually(() => mesh.logs.some((line) => line === 'outbound /hello'));
  assert.deepEqual(mesh.xds.nacks, []);

  stock.signal('SIGTERM');
  assert.equal(await stock.exit, 42);
  const order = mesh.events.filter((event) => /deregister|propagated/.test(event));
  assert.deepEqual(order.slice(0, 2), [`deregister ${workloadId}`, 'propagated']);
  cart.signal('SIGINT');
  assert.equal(await cart.exit, 0);
});

test('a request that is under way when its workload is stopped is answered', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const stock = serve(t, mesh, 'stock', await freePort());
  const cart = run(t, mesh, 'cart');
  const [, { outboundPort }] = await Promise.all([stock.ready, cart.ready]);
  await eventually(async () => (await get(outboundPort, 'http://stock.mesh/')).status === 200);
  const slow = get(outboundPort, 'http://stock.mesh/slow');
  await new Promise((resolve) => setTimeout(resolve, 300));
  stock.signal('SIGTERM');
  assert.deepEqual(await slow, { status: 200, body: 'stock /slow' });
  assert.equal(await stock.exit, 42);
});

test('a TCP connection that is under way when its workload is stopped goes on until it ends', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const port = await freePort();
  const localPort = await freePort();
  const echo = `
    const server = require('node:net').createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    server.listen(Number(process.argv[1]), '127.0.0.1');
    process.on('SIGTERM', () => process.exit(42));
  `;
  const command = [process.execPath, '-e', echo, String(port)];
  const db = run(t, mesh, 'db', { port, protocol: 'tcp', command });
  const cart = run(t, mesh, 'cart', { upstreams: [{ service: 'db', localPort }] });
  const [{ workloadId }] = await Promise.all([db.ready, cart.ready]);
  await eventually(() => mesh.workloads.get(workloadId)?.health === 'READY');
  const socket = await eventually(() => echoed(localPort));
  t.after(() => socket.destroy());
  db.signal('SIGTERM');
  await eventually(() => mesh.events.includes('propagated'));
  let isOver = false;
  const exit = db.exit.finally(() => {
    isOver = true;
  });
  for (let round = 0; round < 10; round++) {
    socket.write(`round ${round}`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.equal(answer.toString(), `round ${round}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal(isOver, false);
  socket.end();
  assert.equal(await exit, 42);
});

/** A connection over which the far side has sent back what it was sent; undefined where there is none yet. */
async function echoed(port: number): Promise<Socket | undefined> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.write('hello');
  const answer = await Promise.race([
    once(socket, 'data').then(([data]) => String(data)),
    once(socket, 'close').then(() => 'closed'),
  ]).catch(() => 'broken');
  return answer === 'hello' ? socket : undefined;
}

test('a second signal waits for no request, and a third for no application', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const stubborn = `process.on('SIGTERM', () => undefined); ${APPLICATION.replace('1000', '600000')}`;
  const port = await freePort();
  const command = [process.execPath, '-e', stubborn, String(port)];
  const stock = run(t, mesh, 'stock', { port, command, drainTimeoutMs: 600_000 });
  const cart = run(t, mesh, 'cart');
  const [, { outboundPort }] = await Promise.all([stock.ready, cart.ready]);
  await eventually(async () => (await get(outboundPort, 'http://stock.mesh/')).status === 200);
  const slow = get(outboundPort, 'http://stock.mesh/slow').catch(() => undefined);
  await eventually(() => mesh.logs.length > 0);
  stock.signal('SIGINT');
  await eventually(() => mesh.events.includes('propagated'));
  stock.signal('SIGINT');
  stock.signal('SIGINT');
  assert.equal(await stock.exit, 137);
  await slow;
});

test('a workload whose agent was killed starts again at once, at the same ports', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const stateDir = temporaryFolder(t);
  const port = await freePort();
  const script = `
    const { runAgent } = await import(${JSON.stringify(import.meta.resolve('./run.ts'))});
    const ignore = () => undefined;
    const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
    await runAgent({ ...JSON.parse(process.argv[1]), log, onReady: (ready) => console.log(JSON.stringify(ready)) });
  `;
  const options = {
    join: mesh.address,
    token: mesh.token,
    namespace: 'shop',
    service: 'stock',
    protocol: 'http',
    dataPlane: 'envoy',
    envoyPath: envoy?.path,
    stateDir,
    port,
    command: ['sh', '-c', 'exec "$0" -e "$1" "$2" >&2', process.execPath, APPLICATION, String(port)],
  };
  const args = ['--input-type=module', '-e', script, JSON.stringify(options)];
  const agent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  t.after(() => agent.kill('SIGKILL'));
  const [line] = (await once(createInterface({ input: agent.stdout }), 'line')) as [string];
  const before = JSON.parse(line) as AgentReady;
  agent.kill('SIGKILL');
  await once(agent, 'exit');
  const again = serve(t, mesh, 'stock', port, { stateDir });
  assert.deepEqual(await again.ready, before);
});

test('certificates of three seconds are renewed under traffic without a failed request', { skip }, async (t) => {
  const mesh = await startMesh(t, { svidLifeMs: 3000 });
  const stock = serve(t, mesh, 'stock', await freePort());
  const cart = run(t, mesh, 'cart');
  const [, { outboundPort }] = await Promise.all([stock.ready, cart.ready]);
  await eventually(async () => (await get(outboundPort, 'http://stock.mesh/')).status === 200);
  const stream = get(outboundPort, 'http://stock.mesh/stream');
  assert.deepEqual(await failuresOf(outboundPort, 8000), []);
  assert.deepEqual(await stream, { status: 200, body: `${'x'.repeat(70)}end` });
  assert.ok(mesh.events.filter((event) => event.startsWith('renew')).length >= 6);
});

/** Sends one request after the other and gives those that failed. */
async function failuresOf(proxyPort: number, forMs: number): Promise<readonly string[]> {
  const failed: string[] = [];
  const endAt = Date.now() + forMs;
  while (Date.now() < endAt) {
    const { status, body } = await get(proxyPort, 'http://stock.mesh/x');
    if (status !== 200) failed.push(`${status} ${body}`);
  }
  return failed;
}

test('the root is replaced under traffic without a failed request', { skip }, async (t) => {
  const mesh = await startMesh(t, { svidLifeMs: 2000 });
  const stock = serve(t, mesh, 'stock', await freePort());
  const cart = run(t, mesh, 'cart');
  const [, { outboundPort }] = await Promise.all([stock.ready, cart.ready]);
  await eventually(async () => (await get(outboundPort, 'http://stock.mesh/')).status === 200);
  mesh.addRoot();
  assert.deepEqual(await failuresOf(outboundPort, 3000), []);
  mesh.dropOldRoots();
  assert.deepEqual(await failuresOf(outboundPort, 2000), []);
});

test('without its control plane a workload starts again from what was known last', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const stateDir = temporaryFolder(t);
  const port = await freePort();
  const stock = serve(t, mesh, 'stock', port);
  const first = run(t, mesh, 'cart', { stateDir });
  const [, before] = await Promise.all([stock.ready, first.ready]);
  await eventually(async () => (await get(before.outboundPort, 'http://stock.mesh/')).status === 200);
  first.signal('SIGTERM');
  await first.exit;

  await mesh.stop();
  const second = run(t, mesh, 'cart', { stateDir });
  const after = await second.ready;
  assert.equal(after.outboundPort, before.outboundPort);
  assert.deepEqual(await get(after.outboundPort, 'http://stock.mesh/again'), { status: 200, body: 'stock /again' });
  assert.ok(second.lines.some((line) => /starts from its last known good configuration/.test(line)));

  const { nodes } = mesh.xds;
  nodes.length = 0;
  await mesh.start();
  await eventually(() => mesh.workloads.get(after.workloadId)?.health === 'READY');
  await eventually(() => mesh.xds.begun.some(({ initial }) => Object.keys(initial).length > 0));
  assert.equal((await get(after.outboundPort, 'http://stock.mesh/')).status, 200);
});

test('Envoy that dies is started again while the application runs', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const cart = run(t, mesh, 'cart');
  const { adminPort } = await cart.ready;
  const isUp = async () => (await fetch(`http://127.0.0.1:${adminPort}/ready`)).ok;
  assert.ok(await isUp());
  await quit(adminPort);
  await eventually(() => cart.lines.some((line) => /Envoy died; it is started again/.test(line)));
  await eventually(isUp);
});

function quit(adminPort: number): Promise<void> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port: adminPort, path: '/quitquitquit', method: 'POST', agent: false });
    asked.once('error', () => resolve());
    asked.once('response', (response) => {
      response.resume();
      resolve();
    });
    asked.end();
  });
}

test('an application that is not ready yet gets no requests, and one that stops listening none any more', {
  skip,
}, async (t) => {
  const mesh = await startMesh(t);
  const port = await freePort();
  const stock = run(t, mesh, 'stock', { port });
  await eventually(() => mesh.workloads.size === 1);
  const health = () => [...mesh.workloads.values()][0]?.health;
  assert.equal(health(), 'STARTING');
  const server: Server = createServer((_request, response) => response.end('here')).listen(port, '127.0.0.1');
  t.after(() => server.close());
  await stock.ready;
  await eventually(() => health() === 'READY');
  server.closeAllConnections();
  server.close();
  await eventually(() => health() === 'UNREADY');
});

test('what cannot work is told before anything starts', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const port = await listen(t, createTcpServer());
  await assert.rejects(serve(t, mesh, 'stock', port).exit, {
    code: 'ALREADY_EXISTS',
    message: /which the application was to have, is in use/,
  });
  const upstreams = [{ service: 'stock', localPort: port }];
  await assert.rejects(run(t, mesh, 'cart', { upstreams }).exit, {
    message: /which upstream stock was to have, is in use/,
  });
  await assert.rejects(run(t, mesh, 'cart', { envoyPath: '/no/such/envoy' }).exit, {
    code: 'NOT_FOUND',
    message: /Envoy at \/no\/such\/envoy cannot be started/,
  });
  assert.equal(await run(t, mesh, 'cart', { command: ['no-such-program'] }).exit, 127);
});

test('a registration that is refused ends the start with the reason', { skip }, async (t) => {
  const mesh = await startMesh(t);
  const { WeftError } = await import('@weft/contracts/error');
  mesh.refuseRegistration = new WeftError('PERMISSION_DENIED', 'service account cart may not register as service pay');
  await assert.rejects(run(t, mesh, 'cart').exit, {
    code: 'PERMISSION_DENIED',
    message: /may not register as service pay/,
  });
});

test('a data plane that gets no configuration is given up with the reason', { skip }, async (t) => {
  const mesh = await startMesh(t);
  mesh.onRegistry = () => undefined;
  await assert.rejects(run(t, mesh, 'cart', { readyTimeoutMs: 1500 }).exit, {
    code: 'UNAVAILABLE',
    message: /the data plane is not ready after 2 s: /,
  });
});

test('a signal during the start ends it', { skip }, async (t) => {
  const mesh = await startMesh(t);
  mesh.onRegistry = () => undefined;
  const cart = run(t, mesh, 'cart');
  await eventually(() => mesh.workloads.size === 1);
  cart.signal('SIGTERM');
  assert.equal(await cart.exit, 143);
});
