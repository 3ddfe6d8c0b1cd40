import assert from 'node:assert/strict';
import { test } from 'node:test';
import { events, logs, type Operation, type ProxyStatus, states } from '@weft/contracts/bus';
import { Rollout } from '@weft/contracts/node';
import { sketchWorkload } from '@weft/model/testing';
import { sketchRoute, sketchService } from '@weft/policies/testing';
import { connect } from '@weft/rpc';
import { TestProxy } from './testing/client.ts';
import { eventually, Ground } from './testing/ground.ts';

const stock = sketchWorkload({ service: 'stock' });
const web = sketchWorkload({ service: 'web', inboundPort: 0, address: '10.0.0.9' });
const WEB = { trustDomain: 'weft.test', namespace: 'shop', serviceAccount: 'web' };

const isTrue = (look: () => boolean) => () => (look() ? true : undefined);

/** Lets everything that is under way come to rest. */
async function rest(): Promise<void> {
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setTimeout(resolve, 20));
}

function upToDate(proxy: TestProxy): Promise<true> {
  return eventually(
    'the proxy to have everything',
    isTrue(() => proxy.has('route', 'outbound/shop')),
  );
}

test('a proxy gets its snapshot in order, and what changes alone', async (t) => {
  const ground = await Ground.open(t);
  await ground.register(stock);
  await ground.register(web);
  const { service } = await ground.serve();
  const proxy = new TestProxy(service, { id: 'shop/web-1' });
  await upToDate(proxy);
  assert.deepEqual(proxy.received, [
    'cluster +loopback +outbound/shop/stock +outbound/shop/web',
    'endpoint +outbound/shop/stock +outbound/shop/web',
    'listener +outbound',
    'route +outbound/shop',
  ]);
  proxy.received.length = 0;
  await ground.register({ ...stock, health: 'UNREADY' });
  await eventually(
    'the endpoint to go',
    isTrue(() => proxy.received.length > 0),
  );
  await ground.apply(sketchRoute({ parent: 'stock', rules: [{ backendRefs: [{ name: 'stock' }] }] }));
  await eventually(
    'the route to come',
    isTrue(() => proxy.received.length > 1),
  );
  assert.deepEqual(proxy.received, ['endpoint +outbound/shop/stock', 'route +outbound/shop']);
  proxy.leave();
});

test('a proxy whose workload is not registered waits, and is served when it is', async (t) => {
  const ground = await Ground.open(t);
  const { service } = await ground.serve();
  const proxy = new TestProxy(service, { id: 'shop/web-1' });
  await eventually(
    'the service to be ready',
    isTrue(() => service.notReadyBecause() === undefined),
  );
  await rest();
  assert.deepEqual(proxy.received, []);
  await ground.register(web);
  await upToDate(proxy);
  proxy.leave();
});

test('streams wait until the world has been read, trust bundle included', async (t) => {
  const ground = await Ground.open(t);
  await ground.bus.state(states.trust).delete('bundle');
  await ground.register(web);
  const { service } = await ground.serve();
  const proxy = new TestProxy(service, { id: 'shop/web-1' });
  await rest();
  assert.match(service.notReadyBecause() ?? '', /no trust bundle has been published yet/);
  assert.deepEqual(proxy.received, []);
  await ground.bus.state(states.trust).put('bundle', { trustDomain: 'weft.test', roots: [] });
  await upToDate(proxy);
  assert.equal(service.notReadyBecause(), undefined);
  proxy.leave();
});

test('the certificate must be that of the workload', async (t) => {
  const ground = await Ground.open(t);
  await ground.register(web);
  const { service } = await ground.serve({ requireIdentity: true });
  const good = new TestProxy(service, { id: 'shop/web-1', identity: WEB });
  await upToDate(good);
  const other = new TestProxy(service, { id: 'shop/web-1', identity: { ...WEB, serviceAccount: 'stock' } });
  const error = await other.ended;
  assert.match(
    String(error),
    /registered with spiffe:\/\/weft.test\/ns\/shop\/sa\/web, and the certificate is that of .*sa\/stock/,
  );
  assert.equal((error as { code?: string }).code, 'PERMISSION_DENIED');
  const none = new TestProxy(service, { id: 'shop/web-1' });
  assert.equal(((await none.ended) as { code?: string }).code, 'UNAUTHENTICATED');
  await ground.register({ ...web, spiffeId: 'spiffe://weft.test/ns/shop/sa/other' });
  assert.equal(((await good.ended) as { code?: string }).code, 'PERMISSION_DENIED');
  for (const id of ['', 'web-1', '../x', 'Shop/web']) {
    const nobody = new TestProxy(service, { id, identity: WEB });
    assert.equal(((await nobody.ended) as { code?: string }).code, 'INVALID_ARGUMENT', id);
  }
});

test('the proxy of a workload that deregistered goes on with what it had, and hears of the others', async (t) => {
  const ground = await Ground.open(t);
  await ground.register(stock);
  await ground.register(web);
  const { service } = await ground.serve();
  const proxy = new TestProxy(service, { id: 'shop/web-1' });
  await upToDate(proxy);
  proxy.received.length = 0;
  await ground.deregister(web);
  await ground.register({ ...stock, address: '10.0.0.77' });
  await eventually(
    'the endpoint to move',
    isTrue(() => proxy.received.includes('endpoint +outbound/shop/stock')),
  );
  assert.ok(proxy.has('listener', 'outbound'));
  proxy.leave();
});

test('after a restart a proxy that has everything is sent nothing', async (t) => {
  const ground = await Ground.open(t);
  await ground.register(stock);
  const revision = await ground.register(web);
  const first = await ground.serve();
  const before = new TestProxy(first.service, { id: 'shop/web-1' });
  await upToDate(before);
  await first.stop();
  await before.ended;
  const second = await ground.serve();
  const after = new TestProxy(second.service, { id: 'shop/web-1', versions: before.versions });
  const { instanceId } = second;
  const isThere = (status: ProxyStatus) =>
    status.xdsInstance === instanceId && status.acknowledgedRegistryRevision >= revision;
  await ground.status('shop/web-1', isThere);
  assert.deepEqual(after.received, []);
  after.leave();
});

test('the status of a proxy tells what it acknowledged, and what it refused in its own words', async (t) => {
  const ground = await Ground.open(t);
  await ground.register(stock);
  await ground.register(web);
  const { service, instanceId, metrics } = await ground.serve();
  let bad = true;
  const refuse = (type: string) => (bad && type === 'route' ? 'virtual host 7 is odd' : undefined);
  const proxy = new TestProxy(service, { id: 'shop/web-1', refuse });
  const refused = await ground.status('shop/web-1', ({ nacks }) => nacks.length > 0);
  assert.equal(refused.nacks[0]?.message, 'virtual host 7 is odd');
  assert.equal(refused.nacks[0]?.typeUrl, 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration');
  assert.deepEqual([refused.userAgent, refused.xdsInstance, refused.id], ['test 1', instanceId, 'web-1']);
  bad = false;
  const revision = await ground.apply(sketchRoute({ parent: 'stock', rules: [{ backendRefs: [{ name: 'stock' }] }] }));
  const mended = await ground.status('shop/web-1', (status) => status.acknowledgedRevision === revision);
  assert.deepEqual([mended.nacks, mended.sentRevision], [[], revision]);
  assert.notEqual(mended.snapshot, '');
  const text = await metrics.metrics();
  assert.match(text, /weft_xds_server_proxies 1\n/);
  assert.match(text, /weft_xds_server_nacks_total\{type="RouteConfiguration"\} 1\n/);
  assert.match(text, /weft_xds_server_pushes_total\{type="Cluster"\} [1-9]/);
  assert.match(text, /weft_xds_server_push_duration_seconds_count [1-9]/);
  proxy.leave();
});

test('the status of a proxy that left says so, and is deleted when it does not come back', async (t) => {
  const ground = await Ground.open(t);
  await ground.register(web);
  const { service } = await ground.serve({ reconnectGraceMs: 300 });
  const first = new TestProxy(service, { id: 'shop/web-1' });
  await ground.status('shop/web-1', ({ xdsInstance }) => xdsInstance !== '');
  first.leave();
  await ground.status('shop/web-1', ({ xdsInstance }) => xdsInstance === '');
  const second = new TestProxy(service, { id: 'shop/web-1' });
  await ground.status('shop/web-1', ({ xdsInstance }) => xdsInstance !== '');
  second.leave();
  const state = ground.bus.state(states.proxies);
  await eventually('the status to go', async () => ((await state.get('shop/web-1')) ? undefined : true));
});

test('an instance does not take away what another has written of a proxy that moved', async (t) => {
  const ground = await Ground.open(t);
  await ground.register(web);
  const a = await ground.serve({ reconnectGraceMs: 100 });
  const b = await ground.serve();
  const onA = new TestProxy(a.service, { id: 'shop/web-1' });
  await ground.status('shop/web-1', ({ xdsInstance }) => xdsInstance === a.instanceId);
  const onB = new TestProxy(b.service, { id: 'shop/web-1' });
  await ground.status('shop/web-1', ({ xdsInstance }) => xdsInstance === b.instanceId);
  onA.leave();
  await onA.ended;
  await new Promise((resolve) => setTimeout(resolve, 400));
  const entry = await ground.bus.state(states.proxies).get('shop/web-1');
  assert.equal(entry?.value.xdsInstance, b.instanceId);
  onB.leave();
});

test('a resource of the log that cannot be read is told as a problem, and taken off when it is mended', async (t) => {
  const ground = await Ground.open(t);
  const key = { kind: 'Service', namespace: 'shop', name: 'odd' };
  const operations: Operation[] = [{ action: 'PUT', key, json: '{"kind":"Service","from":"a newer version"}' }];
  await ground.bus.log(logs.config).append({ author: 'test', atMs: 0, reason: '', operations });
  const { instanceId } = await ground.serve();
  const state = ground.bus.state(states.problems);
  const entry = await eventually('the problem', () => state.get(instanceId));
  assert.deepEqual(
    entry.value.problems.map((problem) => [problem.key, problem.revision]),
    [[key, 1]],
  );
  assert.match(entry.value.problems[0]?.message ?? '', /^Service\/shop\/odd cannot be read: from is not a field/);
  await ground.apply(sketchService('odd'));
  await eventually('the problem to go', async () => ((await state.get(instanceId)) ? undefined : true));
});

test('propagation is waited for until every proxy of every instance has it', async (t) => {
  const ground = await Ground.open(t);
  await ground.register(stock);
  await ground.register(web);
  await ground.register({ ...web, id: 'web-2' });
  const a = await ground.serve();
  const b = await ground.serve();
  for (const { instanceId: id } of [a, b]) {
    const instance = {
      id,
      service: 'xds-server',
      address: '',
      startedAtMs: 0,
      seenAtMs: Date.now(),
      notReadyBecause: '',
      version: '',
    };
    await ground.bus.state(states.instances).put(`xds-server/${id}`, instance);
  }
  const onA = new TestProxy(a.service, { id: 'shop/web-1' });
  const onB = new TestProxy(b.service, { id: 'shop/web-2' });
  await Promise.all([upToDate(onA), upToDate(onB)]);
  const channel = connect({ addresses: [a.address] });
  const rollout = channel.client(Rollout);
  onB.silent = true;
  const registryRevision = await ground.deregister(stock);
  const late = await rollout.waitPropagated({ registryRevision, timeoutMs: 300 });
  assert.deepEqual(late, { propagated: false, proxies: 2 });
  const waiting = rollout.waitPropagated({ registryRevision, timeoutMs: 15_000 });
  onB.leave();
  assert.deepEqual(await waiting, { propagated: true, proxies: 1 });
  assert.equal(
    (await rollout.waitPropagated({ registryRevision: registryRevision + 1, timeoutMs: 100 })).propagated,
    false,
  );
  channel.close();
  onA.leave();
});

test('other instances are told how far the proxies are', async (t) => {
  const ground = await Ground.open(t);
  const told: string[] = [];
  const abort = new AbortController();
  t.after(() => abort.abort());
  const hear = (value: { xdsInstance: string; registryRevision: number; proxies: number }) =>
    told.push(`${value.xdsInstance} ${value.registryRevision} ${value.proxies}`);
  await ground.bus.subscribe(events.propagation, hear, abort.signal);
  const registryRevision = await ground.register(web);
  const { service, instanceId } = await ground.serve();
  const proxy = new TestProxy(service, { id: 'shop/web-1' });
  await upToDate(proxy);
  await eventually(
    'the event',
    isTrue(() => told.includes(`${instanceId} ${registryRevision} 1`)),
  );
  proxy.leave();
});

test('a stopped instance ends its streams, leaves no status behind that names it, and is asked in vain', async (t) => {
  const ground = await Ground.open(t);
  await ground.register(web);
  const server = await ground.serve();
  const proxy = new TestProxy(server.service, { id: 'shop/web-1' });
  await ground.status('shop/web-1', ({ xdsInstance }) => xdsInstance === server.instanceId);
  await server.stop();
  await proxy.ended;
  const entry = await ground.bus.state(states.proxies).get('shop/web-1');
  assert.equal(entry?.value.xdsInstance, '');
  const late = new TestProxy(server.service, { id: 'shop/web-1' });
  assert.equal(((await late.ended) as { code?: string }).code, 'UNAVAILABLE');
});

test('what is no discovery request ends the stream', async (t) => {
  const ground = await Ground.open(t);
  const server = await ground.serve();
  const channel = connect({ addresses: [server.address] });
  for (const variant of ['StreamAggregatedResources', 'DeltaAggregatedResources']) {
    const stream = channel.raw(`/envoy.service.discovery.v3.AggregatedDiscoveryService/${variant}`);
    stream.send(Buffer.from([0xff, 0xff, 0xff]));
    const read = async () => {
      for await (const _ of stream.messages) assert.fail();
    };
    await assert.rejects(read(), { code: 'INVALID_ARGUMENT' });
  }
  channel.close();
});
