import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createServer, type TlsOptions, connect as tlsConnect } from 'node:tls';
import { chainToPem } from '@weft/identity';
import { createTestMesh, makeLooseRoot } from '@weft/identity/testing';
import { type Clock, systemClock } from '../clock.ts';
import { until } from '../cluster/testing/cluster.ts';
import type { UpstreamTlsConfig } from '../config/tls.ts';
import { type ConnectFailure, Connecting } from '../net/connect.ts';
import { TlsStats } from '../stats/groups.ts';
import { Warming } from '../warming.ts';
import type { ResourceListener } from '../xds/subscriptions.ts';
import { SecretStore } from './secrets.ts';
import { upstreamConfig } from './testing/config.ts';
import { UpstreamTls } from './upstream.ts';

const mesh = createTestMesh('weft.local');
const server = mesh.issue('shop', 'stock');
const credentials = { cert: chainToPem(server.chain), key: server.keyPem };
const otherRootPem = chainToPem([makeLooseRoot().certificate.der]);
const source = { type: 'ads', initialFetchTimeoutMs: 1000 } as const;

const config = upstreamConfig({ validationSecret: { name: 'roots', source } });

/** A cluster's TLS towards one server, with roots that can change. */
class Upstream {
  readonly tls: UpstreamTls;
  readonly port: number;
  readonly #stats = new TlsStats();
  #listener: ResourceListener | undefined;

  constructor(port: number, fields: Partial<UpstreamTlsConfig>, clock: Clock) {
    this.port = port;
    const subscriptions = {
      watch: (_source: unknown, _type: unknown, _name: string, listener: ResourceListener) => {
        this.#listener = listener;
        return () => undefined;
      },
      watchAll: () => () => undefined,
    };
    const warming = new Warming(systemClock, () => undefined);
    this.tls = new UpstreamTls(
      { ...config, ...fields },
      new SecretStore(subscriptions, []),
      warming,
      this.#stats,
      clock,
    );
    this.trust(mesh.rootPem);
  }

  trust(...roots: readonly string[]): void {
    const trusted_ca = { inline_string: roots.join('') };
    assert.deepEqual(this.#listener?.onResource({ name: 'roots', validation_context: { trusted_ca } }, '1'), []);
  }

  /** Connects, and waits for what the server sends after the handshake; whether that was resumed, or why it failed. */
  async connect(): Promise<'full' | 'resumed' | string> {
    const before = this.#stats.session_reused;
    const failure = await new Promise<ConnectFailure | undefined>((resolve) => {
      const listener = {
        onConnected: (socket: NodeJS.ReadWriteStream & { destroy(): void }) => {
          socket.on('error', () => undefined);
          socket.once('data', () => {
            socket.destroy();
            resolve(undefined);
          });
        },
        onConnectFailed: resolve,
      };
      const options = { timeoutMs: 20_000, tls: this.tls, keepalive: undefined, clock: systemClock };
      new Connecting({ type: 'tcp', host: '127.0.0.1', port: this.port }, listener, options);
    });
    return failure?.text ?? (this.#stats.session_reused > before ? 'resumed' : 'full');
  }
}

async function upstream(
  t: TestContext,
  fields: Partial<UpstreamTlsConfig> = {},
  options: TlsOptions = {},
  clock: Clock = systemClock,
): Promise<Upstream> {
  // What a server sends comes after its tickets.
  const listening = createServer({ ...credentials, ...options }, (socket) => {
    socket.on('error', () => undefined);
    socket.write('ready');
  }).listen(0, '127.0.0.1');
  await until(() => listening.listening);
  t.after(() => listening.close());
  return new Upstream((listening.address() as AddressInfo).port, fields, clock);
}

/** The session that the next handshake offers. */
function offered(tls: UpstreamTls): Buffer | undefined {
  const options = tls.options();
  assert.ok(typeof options === 'object');
  return options.session;
}

for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
  test(`a server is come back to with the session that it gave: ${maxVersion}`, async (t) => {
    const stock = await upstream(t, { maxVersion });
    assert.deepEqual([await stock.connect(), await stock.connect()], ['full', 'resumed']);
  });
}

test('as many sessions are kept as is said, and each is offered once', async (t) => {
  const one = await upstream(t);
  await one.connect();
  assert.deepEqual([offered(one.tls) !== undefined, offered(one.tls)], [true, undefined]);
  const two = await upstream(t, { maxSessions: 2 });
  await two.connect();
  const sessions = [offered(two.tls), offered(two.tls), offered(two.tls)];
  assert.deepEqual([new Set(sessions).size, sessions[2]], [3, undefined]);
});

test('no session is kept where none are asked for', async (t) => {
  const stock = await upstream(t, { maxSessions: 0 });
  assert.deepEqual([await stock.connect(), await stock.connect()], ['full', 'full']);
});

test('a session does not outlive the trust that it was made under', async (t) => {
  const stock = await upstream(t);
  await stock.connect();
  stock.trust(mesh.rootPem, otherRootPem);
  assert.equal(await stock.connect(), 'full');
  stock.trust(otherRootPem);
  assert.match(await stock.connect(), /^TLS_error: CERTIFICATE_VERIFY_FAILED/);
});

test('a handshake that began before trust changed is judged by what it began with, and its session offered to nobody', async (t) => {
  const stock = await upstream(t);
  const options = stock.tls.options();
  assert.ok(typeof options === 'object');
  const socket = tlsConnect({ ...options, socket: connect(stock.port, '127.0.0.1'), rejectUnauthorized: false });
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  stock.trust(mesh.rootPem, otherRootPem);
  assert.equal(stock.tls.verify(socket, options), undefined);
  await once(socket, 'data');
  assert.equal(offered(stock.tls), undefined);
});

test('a session does not outlive the certificate of its server', async (t) => {
  let wallMs = Date.now();
  const stock = await upstream(t, {}, {}, { ...systemClock, wallMs: () => wallMs });
  await stock.connect();
  wallMs += 100 * 365 * 86_400_000;
  assert.equal(await stock.connect(), 'full');
});

test('a session that was offered in time does not hold beyond the certificate either', async (t) => {
  let wallMs = Date.now();
  const stock = await upstream(t, {}, {}, { ...systemClock, wallMs: () => wallMs });
  await stock.connect();
  const options = stock.tls.options();
  assert.ok(typeof options === 'object');
  const socket = tlsConnect({ ...options, socket: connect(stock.port, '127.0.0.1'), rejectUnauthorized: false });
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  wallMs += 100 * 365 * 86_400_000;
  assert.match(stock.tls.verify(socket, options) ?? '', /has expired/);
});

test('a server that was refused gives no session', async (t) => {
  const stock = await upstream(t);
  stock.trust(otherRootPem);
  assert.match(await stock.connect(), /^TLS_error/);
  assert.match(await stock.connect(), /^TLS_error/);
  assert.equal(offered(stock.tls), undefined);
});

test('a handshake that is under way while roots change is judged by those that it began with', async (t) => {
  const good = await upstream(t);
  for (const [before, after, isAccepted] of [
    [mesh.rootPem, otherRootPem, true],
    [otherRootPem, mesh.rootPem, false],
  ] as const) {
    good.trust(before);
    const begun = good.tls.options();
    assert.ok(typeof begun === 'object');
    good.trust(after);
    const socket = tlsConnect({ ...begun, port: good.port, host: '127.0.0.1', rejectUnauthorized: false });
    t.after(() => socket.destroy());
    await once(socket, 'secureConnect');
    assert.equal(good.tls.verify(socket, begun) === undefined, isAccepted);
  }
});
