/** A real Envoy through restarts, changed identities and refusals. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { Workload } from '@weft/contracts/bus';
import { createTestMesh } from '@weft/identity/testing';
import { sketchWorkload } from '@weft/model/testing';
import { sketchRoute } from '@weft/policies/testing';
import { type Application, call, startApplication } from './testing/applications.ts';
import { envoyPath, freePort, type RunningEnvoy, startEnvoy } from './testing/envoy.ts';
import { Ground, type RunningServer } from './testing/ground.ts';

const path = await envoyPath();
const options = { skip: path === undefined ? 'there is no Envoy on this machine' : false, timeout: 120_000 };
const VARIANTS = ['DELTA_GRPC', 'GRPC'] as const;

interface Pair {
  readonly ground: Ground;
  readonly server: RunningServer;
  readonly app: Application;
  readonly stock: Workload;
  readonly web: Workload;
  readonly envoy: RunningEnvoy;
}

/** A caller and one instance of stock, each behind an Envoy. */
async function openPair(t: TestContext, variant: (typeof VARIANTS)[number], outboundPort?: number): Promise<Pair> {
  const ground = await Ground.open(t);
  const server = await ground.serve();
  const app = await startApplication(t, 'stock');
  const local = { address: '127.0.0.1', outboundPort: 0 };
  const stock = sketchWorkload({
    service: 'stock',
    ...local,
    inboundPort: await freePort(),
    applicationPort: app.port,
  });
  const web = sketchWorkload({
    service: 'web',
    ...local,
    inboundPort: 0,
    outboundPort: outboundPort ?? (await freePort()),
  });
  const started: RunningEnvoy[] = [];
  for (const workload of [stock, web]) {
    await ground.register(workload);
    const { id, service: cluster } = workload;
    started.push(await startEnvoy(t, path ?? '', { id: `shop/${id}`, cluster, server: server.address, variant }));
  }
  await ground.status('shop/stock-1', ({ acknowledgedRegistryRevision: revision }) => revision >= 2);
  const envoy = started[1];
  assert.ok(envoy);
  return { ground, server, app, stock, web, envoy };
}

const get = ({ web }: Pair) => call({ port: web.outboundPort, path: 'http://stock.mesh/' });

async function updates(envoy: RunningEnvoy): Promise<number[]> {
  const names = [
    'cluster_manager.cds.update_attempt',
    'cluster_manager.cds.update_success',
    'listener_manager.lds.update_success',
  ];
  return Promise.all(names.map((name) => envoy.stat(name)));
}

for (const variant of VARIANTS) {
  test(
    `traffic goes on while the xds-server is away, and it changes nothing as it comes back, over ${variant}`,
    options,
    async (t) => {
      const pair = await openPair(t, variant);
      const { ground, server, envoy } = pair;
      await ground.status('shop/web-1', ({ snapshot }) => snapshot !== '');
      assert.equal((await get(pair)).status, 200);
      const before = await updates(envoy);
      await server.stop();
      assert.equal((await get(pair)).status, 200);
      const again = await ground.serve({ port: Number(server.address.split(':')[1]) });
      await ground.status(
        'shop/web-1',
        ({ xdsInstance, snapshot }) => xdsInstance === again.instanceId && snapshot !== '',
      );
      const after = await updates(envoy);
      // Over the state of the world everything is sent again, and Envoy sees that nothing is new.
      if (variant === 'DELTA_GRPC') assert.deepEqual(after.slice(1), before.slice(1));
      assert.equal(await envoy.stat('cluster_manager.cluster_modified'), 0);
      assert.equal(await envoy.stat('listener_manager.listener_modified'), 0);
      assert.equal((await get(pair)).status, 200);
    },
  );

  test(`a service whose identities change is reached all the time, over ${variant}`, options, async (t) => {
    const pair = await openPair(t, variant);
    const { ground, stock } = pair;
    await ground.status('shop/web-1', ({ snapshot }) => snapshot !== '');
    let done = false;
    const statuses = new Map<number, number>();
    const caller = async () => {
      while (!done) {
        const { status } = await get(pair);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    const calling = caller();
    for (const account of ['stock-b', 'stock-c']) {
      const other = sketchWorkload({ service: 'stock', id: account, serviceAccount: account, health: 'STARTING' });
      const revision = await ground.register(other);
      await ground.status('shop/web-1', ({ acknowledgedRegistryRevision: has }) => has >= revision);
      await ground.deregister(other);
    }
    const revision = await ground.register({ ...stock, labels: { version: 'b' } });
    await ground.status('shop/web-1', ({ acknowledgedRegistryRevision: has }) => has >= revision);
    done = true;
    await calling;
    assert.deepEqual([...statuses.keys()], [200]);
    assert.ok((await pair.envoy.stat('cluster_manager.cluster_modified')) > 0);
    assert.doesNotMatch(pair.envoy.log(), /initial fetch timed out/);
  });

  test(`what Envoy refuses is told in its words, and the rest goes on, over ${variant}`, options, async (t) => {
    const rival = createServer();
    await new Promise<void>((resolve) => rival.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      rival.close();
    });
    const address = rival.address();
    const taken = typeof address === 'object' && address ? address.port : 0;
    const pair = await openPair(t, variant, taken);
    const { ground, web, server } = pair;
    const refused = await ground.status('shop/web-1', ({ nacks }) => nacks.length > 0);
    assert.match(refused.nacks[0]?.message ?? '', new RegExp(`outbound: cannot bind '127.0.0.1:${taken}'`));
    assert.equal(refused.nacks[0]?.typeUrl, 'type.googleapis.com/envoy.config.listener.v3.Listener');
    const other = sketchWorkload({ service: 'other', id: 'other', address: '127.0.0.1' });
    const registryRevision = await ground.register(other);
    await ground.status('shop/web-1', ({ acknowledgedRegistryRevision: revision }) => revision >= registryRevision);
    const mended = { ...web, outboundPort: await freePort() };
    await ground.register(mended);
    await ground.status(
      'shop/web-1',
      ({ nacks, acknowledgedRegistryRevision: has }) => nacks.length === 0 && has > registryRevision,
    );
    assert.equal((await get({ ...pair, web: mended })).status, 200);
    assert.ok(server.service.notReadyBecause() === undefined);
  });
}

/** What a listener says to a caller with that certificate, or none: nothing is what it should be. */
function answerTo(port: number, credential: { readonly cert?: string; readonly key?: string }): Promise<string> {
  return new Promise((resolve) => {
    let received = '';
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...credential });
    socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: stock.mesh\r\n\r\n'));
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString();
      if (received.includes('}')) socket.destroy();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(received));
  });
}

test('nobody gets a byte through who is not of the mesh, or is another than the registry says', options, async (t) => {
  const pair = await openPair(t, 'DELTA_GRPC');
  const { ground, stock, web, app } = pair;
  await ground.status('shop/web-1', ({ snapshot }) => snapshot !== '');
  const port = stock.ports[0]?.inboundPort ?? 0;
  const of = ({ chainPem: cert, keyPem: key }: { readonly chainPem: string; readonly keyPem: string }) => ({
    cert,
    key,
  });
  assert.match(await answerTo(port, of(ground.mesh.issue('shop', 'web'))), /^HTTP\/1.1 200/);
  const seen = app.seen();
  assert.equal(await answerTo(port, {}), '');
  assert.equal(await answerTo(port, of(createTestMesh('weft.test').issue('shop', 'web'))), '');
  assert.equal(await answerTo(port, of(createTestMesh('other.test').issue('shop', 'web'))), '');
  const forger = sketchWorkload({
    service: 'vault',
    address: '127.0.0.1',
    outboundPort: 0,
    inboundPort: await freePort(),
    applicationPort: app.port,
  });
  const registryRevision = await ground.register(forger);
  ground.disguise(forger, stock);
  const { server } = pair;
  await startEnvoy(t, path ?? '', {
    id: 'shop/vault-1',
    cluster: 'vault',
    server: server.address,
    variant: 'DELTA_GRPC',
  });
  await ground.status('shop/vault-1', ({ acknowledgedRegistryRevision: has }) => has >= registryRevision);
  await ground.status('shop/web-1', ({ acknowledgedRegistryRevision: has }) => has >= registryRevision);
  assert.equal((await call({ port: web.outboundPort, path: 'http://vault.mesh/' })).status, 503);
  assert.equal(app.seen(), seen);
});

test('Envoy compiles every regular expression that the schema lets through', options, async (t) => {
  const { ground, web } = await openPair(t, 'DELTA_GRPC');
  const patterns = [
    '/api/v[0-9]+/.*',
    '/(?:foo|bar)(?:/[a-z0-9_-]+)?',
    '^/a$',
    '/a{2,5}b{3}c{1,}',
    '[^/]+\\.json',
    '/x\\x2fy\\t\\-\\/\\~\\[',
    'a+?b*?c??',
    '[\\w.-]+@[-a-z]+',
    '/()|',
    '\\S+\\W\\D\\bx\\B',
    '[^\\s]',
    'a'.repeat(96),
    '(?:[a-z]{3}){15}',
    '(?:a|bc|def){12}',
    '(a|b|c|d|e|f){6}',
    '[a-zA-Z0-9_-]{12}',
  ];
  const rules = patterns.map((value) => ({
    matches: [
      { path: { type: 'RegularExpression', value }, headers: [{ type: 'RegularExpression', name: 'x', value }] },
    ],
    backendRefs: [{ name: 'stock' }],
  }));
  const revision = await ground.apply(sketchRoute({ parent: 'stock', rules }));
  const has = ({ nacks, acknowledgedRevision }: { nacks: readonly unknown[]; acknowledgedRevision: number }) =>
    nacks.length > 0 || acknowledgedRevision >= revision;
  const status = await ground.status(`shop/${web.id}`, has);
  assert.deepEqual(status.nacks, []);
});
