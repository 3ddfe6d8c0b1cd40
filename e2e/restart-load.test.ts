/** Hot restarts while clients of every kind go on: whatever they speak, none is refused, and none is cut. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createConnection, createServer as createTcpServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createTestMesh } from '@weft/identity/testing';
import { httpListener, localAddress, routes, staticCluster } from '@weft/proxy/testing';
import { freePort, listen, type Process, until } from './harness.ts';
import { http1Client, http2Client, Tally } from './proxy-testing/asked-clients.ts';
import { openSuccessive, type Successive } from './proxy-testing/successive.ts';

const TYPE = 'type.googleapis.com/envoy.extensions';
/** What a connection of TCP says before its client ends it. */
const WORDS = 50;

interface Ports {
  readonly http: number;
  readonly tls: number;
  readonly tcp: number;
}

async function bootstrapOf(t: TestContext, { http, tls, tcp }: Ports): Promise<object> {
  const { chainPem, keyPem } = createTestMesh().issue('shop', 'cart');
  const upstream = createServer((_request, response) => response.end('ok'));
  upstream.keepAliveTimeout = 0;
  const echo = createTcpServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  const manager = { route_config: routes({ match: { prefix: '/' }, route: { cluster: 'up' } }) };
  const common_tls_context = {
    alpn_protocols: ['h2', 'http/1.1'],
    tls_certificates: [{ certificate_chain: { inline_string: chainPem }, private_key: { inline_string: keyPem } }],
  };
  const context = { '@type': `${TYPE}.transport_sockets.tls.v3.DownstreamTlsContext`, common_tls_context };
  const proxy = { '@type': `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`, stat_prefix: 'tcp', cluster: 'echo' };
  const listeners = [
    httpListener(http, manager),
    httpListener(tls, { ...manager, stat_prefix: 'tls' }, 'tls', {
      transport_socket: { name: 'tls', typed_config: context },
    }),
    { name: 'tcp', address: localAddress(tcp), filter_chains: [{ filters: [{ name: 'tcp', typed_config: proxy }] }] },
  ];
  const clusters = [staticCluster('up', await listen(t, upstream)), staticCluster('echo', await listen(t, echo))];
  return { static_resources: { listeners, clusters } };
}

function said(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(new Error('a connection of TCP was cut'));
    socket.once('close', onClose);
    socket.once('data', () => {
      socket.off('close', onClose);
      resolve();
    });
    socket.write('x');
  });
}

async function tcpClient(port: number, tally: Tally): Promise<void> {
  while (!tally.isOver) {
    const socket = await new Promise<Socket>((resolve, reject) => {
      const made = createConnection(port, '127.0.0.1', () => resolve(made));
      made.once('error', reject);
    });
    socket.on('error', () => undefined);
    for (let word = 0; word < WORDS && !tally.isOver; word++) {
      await said(socket);
      tally.answered++;
    }
    socket.destroy();
  }
}

function clientsOf({ http, tls, tcp }: Ports, tally: Tally): readonly Promise<void>[] {
  const secure = { rejectUnauthorized: false };
  const clients: readonly (readonly [string, () => Promise<void>])[] = [
    ['HTTP/1', () => http1Client(http, tally)],
    ['HTTP/1 again', () => http1Client(http, tally)],
    ['HTTP/2', () => http2Client(http, tally)],
    ['HTTP/1 over TLS', () => http1Client(tls, tally, { ...secure, ALPNProtocols: ['http/1.1'] })],
    ['HTTP/2 over TLS', () => http2Client(tls, tally, secure)],
    ['TCP', () => tcpClient(tcp, tally)],
  ];
  return clients.map(async ([name, run]) => {
    try {
      await run();
    } catch (thrown) {
      tally.failures.push(`${name}: ${String(thrown)}`);
    }
  });
}

async function serves({ admin }: Successive, epoch: number, started: Process): Promise<void> {
  const isThere = async (): Promise<true | undefined> => {
    const told = await admin('/server_info');
    return told.includes('"state": "LIVE"') && told.includes(`"restart_epoch": ${epoch}`) ? true : undefined;
  };
  await until(`the process ${epoch}`, isThere, 60_000, () => started.text());
}

test('processes with 2, 3 and 1 threads follow each other, and clients of HTTP, TLS and TCP lose nothing', async (t) => {
  const successive = await openSuccessive(t);
  const ports = { http: successive.port, tls: await freePort(), tcp: await freePort() };
  const bootstrap = await bootstrapOf(t, ports);
  const start = (epoch: number, threads: number): Process =>
    successive.start(
      `${epoch}`,
      bootstrap,
      '--base-id',
      '3',
      '--restart-epoch',
      `${epoch}`,
      '--concurrency',
      `${threads}`,
    );
  let running = start(0, 1);
  await serves(successive, 0, running);
  const tally = new Tally();
  const clients = clientsOf(ports, tally);
  for (const [index, threads] of [2, 3, 1].entries()) {
    const next = start(index + 1, threads);
    await serves(successive, index + 1, next);
    const { code, err } = await running.ended;
    assert.equal(code, 0, err);
    const answered = tally.answered + 300;
    const fails = (): string => tally.failures.join('\n');
    await until('more answers', () => (tally.answered > answered ? true : undefined), 30_000, fails);
    running = next;
  }
  assert.ok(tally.asked > 0, 'clients were asked to leave the processes before');
  tally.isOver = true;
  await Promise.all(clients);
  assert.deepEqual(tally.failures, []);
  assert.equal((await running.stop()).code, 0);
});
