import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESOURCE_TYPES, typeUrl } from '@weft/envoy-api';
import { XdsClient } from './client.ts';
import { ClientGround, rest } from './testing/ground.ts';
import { ADS, CollectionRecorder, own, Recorder } from './testing/recorders.ts';

const url = (type: keyof typeof RESOURCE_TYPES) => typeUrl(RESOURCE_TYPES[type]);

test('nothing is opened before something is wanted, and clusters are asked for before what refers to them', async () => {
  const { client, server } = new ClientGround();
  await rest();
  assert.equal(server.opened, 0);
  client.watchAll(ADS, 'listener', new CollectionRecorder());
  client.watch(ADS, 'route', 'r', new Recorder());
  client.watch(ADS, 'endpoint', 'e', new Recorder());
  client.watchAll(ADS, 'cluster', new CollectionRecorder());
  const stream = await server.stream();
  assert.equal(stream.cluster, 'control');
  assert.equal(stream.path, '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources');
  const node = { id: 'shop/web-1', cluster: 'web', user_agent_name: 'weft' };
  assert.deepEqual(await stream.next(), { type_url: url('cluster'), node });
  assert.deepEqual(await stream.next(), { type_url: url('endpoint'), resource_names_subscribe: ['e'] });
  assert.deepEqual(await stream.next(), { type_url: url('listener') });
  assert.deepEqual(await stream.next(), { type_url: url('route'), resource_names_subscribe: ['r'] });
  client.close();
});

test('the wildcard is named where it stands beside names, and for types that know no other way', async () => {
  const { client, server } = new ClientGround();
  client.watchAll(ADS, 'cluster', new CollectionRecorder());
  client.watch(ADS, 'cluster', 'a', new Recorder());
  client.watchAll(ADS, 'route', new CollectionRecorder());
  const stream = await server.stream();
  assert.deepEqual((await stream.next()).resource_names_subscribe, ['*', 'a']);
  assert.deepEqual((await stream.next()).resource_names_subscribe, ['*']);
  client.close();
});

test('what is wanted and left in one turn is said at once, and what cancels out is not said', async () => {
  const { client, server } = new ClientGround();
  const leave = client.watch(ADS, 'endpoint', 'a', new Recorder());
  const stream = await server.stream();
  await stream.next();
  client.watch(ADS, 'endpoint', 'b', new Recorder());
  client.watch(ADS, 'endpoint', 'c', new Recorder())();
  client.watch(ADS, 'endpoint', 'd', new Recorder());
  leave();
  const request = await stream.next();
  assert.deepEqual(request.resource_names_subscribe, ['b', 'd']);
  assert.deepEqual(request.resource_names_unsubscribe, ['a']);
  client.close();
});

test('watchers of one name share it, and who comes later is told at once', async () => {
  const { client, server } = new ClientGround();
  const [first, second, late] = [new Recorder(), new Recorder(), new Recorder()];
  const leaveFirst = client.watch(ADS, 'endpoint', 'a', first);
  client.watch(ADS, 'endpoint', 'a', second);
  const stream = await server.stream();
  assert.deepEqual((await stream.next()).resource_names_subscribe, ['a']);
  const nonce = stream.say('endpoint', { resources: [{ name: 'a', version: '1' }] });
  assert.deepEqual(await stream.next(), { type_url: url('endpoint'), response_nonce: nonce });
  assert.deepEqual([first.told, second.told], [['1'], ['1']]);
  client.watch(ADS, 'endpoint', 'a', late);
  assert.deepEqual(late.told, ['1']);
  leaveFirst();
  stream.say('endpoint', { resources: [{ name: 'a', version: '2' }] });
  assert.equal((await stream.next()).response_nonce, '2', 'nothing is said of a name that is still watched');
  assert.deepEqual([first.told, second.told, late.told], [['1'], ['1', '2'], ['1', '2']]);
  client.close();
});

test('a collection is told of its first answer even if it is empty, and who comes later of all there is', async () => {
  const { client, server } = new ClientGround();
  const [first, late] = [new CollectionRecorder(), new CollectionRecorder()];
  client.watchAll(ADS, 'cluster', first);
  const stream = await server.stream();
  await stream.next();
  stream.say('cluster', {});
  await stream.next();
  assert.deepEqual(first.told, ['']);
  stream.say('cluster', {});
  await stream.next();
  stream.say('cluster', { resources: ['a', 'b'] });
  await stream.next();
  client.watchAll(ADS, 'cluster', late);
  stream.say('cluster', { resources: [{ name: 'c', version: '2' }], removed: ['a', 'never-was'] });
  await stream.next();
  assert.deepEqual(first.told, ['', 'a@1 b@1', 'c@2 -a']);
  assert.deepEqual(late.told, ['a@1 b@1', 'c@2 -a']);
  client.close();
});

test('a name that there is none of is told as such, also to who comes later, until there is one', async () => {
  const { client, server } = new ClientGround();
  const [first, late] = [new Recorder(), new Recorder()];
  client.watch(ADS, 'endpoint', 'a', first);
  const stream = await server.stream();
  await stream.next();
  stream.say('endpoint', { removed: ['a'] });
  await stream.next();
  client.watch(ADS, 'endpoint', 'a', late);
  stream.say('endpoint', { removed: ['a'] });
  await stream.next();
  stream.say('endpoint', { resources: ['a'] });
  await stream.next();
  assert.deepEqual(
    [first.told, late.told],
    [
      ['-', '1'],
      ['-', '1'],
    ],
  );
  client.close();
});

test('a resource that nobody wants any more is forgotten, and what was not asked for is not taken', async () => {
  const { client, server } = new ClientGround();
  client.watch(ADS, 'endpoint', 'other', new Recorder());
  const leave = client.watch(ADS, 'endpoint', 'a', new Recorder());
  const stream = await server.stream();
  await stream.next();
  stream.say('endpoint', { resources: ['a', 'uninvited'] });
  await stream.next();
  leave();
  assert.deepEqual((await stream.next()).resource_names_unsubscribe, ['a']);
  const [again, uninvited] = [new Recorder(), new Recorder()];
  client.watch(ADS, 'endpoint', 'a', again);
  client.watch(ADS, 'endpoint', 'uninvited', uninvited);
  assert.deepEqual((await stream.next()).resource_names_subscribe, ['a', 'uninvited']);
  assert.deepEqual([again.told, uninvited.told], [[], []]);
  client.close();
});

test('a source of its own has one stream a type, which ends with the last who wants something of it', async () => {
  const { client, server } = new ClientGround();
  const [identity, trust] = [new Recorder(), new Recorder()];
  const leaveIdentity = client.watch(own('agent'), 'secret', 'weft/identity', identity);
  const leaveTrust = client.watch(own('agent'), 'secret', 'weft/trust', trust);
  client.watch(own('agent'), 'endpoint', 'e', new Recorder());
  client.watch(own('other'), 'secret', 's', new Recorder());
  const [secrets, endpoints, others] = [await server.stream(), await server.stream(), await server.stream()];
  assert.deepEqual(
    [secrets, endpoints, others].map(({ cluster, path }) => `${cluster} ${path}`),
    [
      'agent /envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets',
      'agent /envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints',
      'other /envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets',
    ],
  );
  const first = await secrets.next();
  assert.equal(first.node?.id, 'shop/web-1');
  assert.deepEqual(first.resource_names_subscribe, ['weft/identity', 'weft/trust']);
  assert.equal((await endpoints.next()).node?.id, 'shop/web-1');
  secrets.say('secret', { resources: ['weft/identity', 'weft/trust'] });
  assert.equal((await secrets.next()).node, undefined);
  assert.deepEqual([identity.told, trust.told], [['1'], ['1']]);
  leaveIdentity();
  leaveTrust();
  await assert.rejects(secrets.next());
  await rest();
  assert.equal(server.opened, 3, 'nothing is opened again');
  client.watch(own('agent'), 'secret', 'weft/trust', trust);
  assert.deepEqual((await (await server.stream()).next()).resource_names_subscribe, ['weft/trust']);
  client.close();
});

test('without an aggregated stream in the bootstrap nothing is opened, which is said', async () => {
  const { server, stats, clock, log } = new ClientGround();
  const options = { streams: server.streams, node: {}, stats, clock, log, random: () => 1, ads: undefined };
  const client = new XdsClient(options);
  client.watchAll(ADS, 'cluster', new CollectionRecorder())();
  client.watch({ type: 'none', initialFetchTimeoutMs: 0 }, 'route', 'r', new Recorder())();
  await rest();
  assert.equal(server.opened, 0);
  assert.match(log.lines.join('\n'), /error: .*ads_config/);
});

test('a closed client ends its streams and tells nobody anything', async () => {
  const { client, server, clock } = new ClientGround();
  const recorder = new Recorder();
  const leave = client.watch(ADS, 'endpoint', 'a', recorder);
  const stream = await server.stream();
  await stream.next();
  stream.say('endpoint', { resources: ['a'] });
  client.close();
  leave();
  client.watch(ADS, 'endpoint', 'b', recorder);
  await assert.rejects(stream.next());
  await rest();
  assert.deepEqual(recorder.told, []);
  assert.deepEqual(clock.pendingMs, []);
  assert.equal(server.opened, 1);
});

test('statistics are those of Envoy', async () => {
  const ground = new ClientGround();
  const { client, server } = ground;
  const stat = (name: string) => ground.stat(name);
  const clusters = new CollectionRecorder();
  client.watchAll(ADS, 'cluster', clusters);
  client.watch(own('agent'), 'secret', 's', new Recorder());
  const [ads, secrets] = [await server.stream(), await server.stream()];
  await ads.next();
  assert.equal(stat('control_plane.connected_state'), 1);
  assert.equal(stat('cluster_manager.cds.update_attempt'), 1);
  ads.say('cluster', { resources: ['a'], version: 'one' });
  await ads.next();
  const version = stat('cluster_manager.cds.version');
  assert.ok(version !== undefined && version > 0);
  clusters.issues = [{ name: 'b', path: 'lb_policy', message: 'no' }];
  ads.say('cluster', { resources: ['b'], version: 'two' });
  await ads.next();
  assert.deepEqual(
    ['attempt', 'success', 'rejected', 'failure'].map((what) => stat(`cluster_manager.cds.update_${what}`)),
    [3, 1, 1, 0],
  );
  assert.equal(stat('cluster_manager.cds.version'), version);
  await secrets.next();
  secrets.say('secret', { resources: ['s'] });
  await secrets.next();
  assert.equal(stat('sds.s.update_success'), 1);
  ads.break();
  await rest();
  assert.equal(stat('control_plane.connected_state'), 0);
  assert.equal(stat('control_plane.pending_requests'), 1);
  assert.equal(stat('cluster_manager.cds.update_failure'), 1);
  client.close();
});

test('a collection is told of many resources in parts, and who comes in between of all of them at once', async () => {
  const { client, server } = new ClientGround();
  const names = Array.from({ length: 20 }, (_, index) => `c${index}`);
  const parts: {
    readonly names: readonly string[];
    readonly removed: readonly string[];
    readonly isPartial: boolean;
  }[] = [];
  const late = new CollectionRecorder();
  client.watchAll(ADS, 'cluster', {
    onUpdate({ changed, removed, isPartial = false }) {
      if (parts.length === 0) client.watchAll(ADS, 'cluster', late);
      parts.push({ names: changed.map(({ name }) => name), removed, isPartial });
      return [];
    },
  });
  const stream = await server.stream();
  await stream.next();
  stream.say('cluster', { resources: names });
  await stream.next();
  assert.deepEqual(
    parts.flatMap((part) => part.names),
    names,
  );
  assert.deepEqual([...new Set(parts.slice(0, -1).map(({ isPartial }) => isPartial))], [true]);
  assert.equal(parts.at(-1)?.isPartial, false);
  assert.deepEqual(late.told, [names.map((name) => `${name}@1`).join(' ')]);
  parts.length = 0;
  stream.say('cluster', { resources: names.slice(1).map((name) => ({ name, version: '2' })), removed: ['c0'] });
  await stream.next();
  assert.deepEqual(
    parts.map(({ removed }) => removed),
    [[], [], ['c0']],
  );
  client.close();
});

test('listeners are told of all at once: one may take the place of another', async () => {
  const { client, server } = new ClientGround();
  const names = Array.from({ length: 20 }, (_, index) => `l${index}`);
  const listeners = new CollectionRecorder();
  client.watchAll(ADS, 'listener', listeners);
  const stream = await server.stream();
  await stream.next();
  stream.say('listener', { resources: names });
  await stream.next();
  assert.equal(listeners.told.length, 1);
  client.close();
});
