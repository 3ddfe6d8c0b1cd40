/** The variant of the protocol in which each response says all that there is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { any, RESOURCE_TYPES, typeUrl } from '@weft/envoy-api';
import type { ResourceSource, XdsService } from '../config/config-source.ts';
import { ClientGround, rest } from './testing/ground.ts';
import { ADS, CollectionRecorder, Recorder } from './testing/recorders.ts';
import { resourceOf } from './testing/scripted-server.ts';

const STATE: XdsService = { cluster: 'control', variant: 'state-of-the-world', saysNodeOnce: true };
const node = { id: 'shop/web-1', cluster: 'web', user_agent_name: 'weft' };
const url = (type: keyof typeof RESOURCE_TYPES) => typeUrl(RESOURCE_TYPES[type]);

test('each request says all that is wanted, the version that is in use and the response that it is based upon', async () => {
  const { client, server } = new ClientGround(STATE);
  client.watchAll(ADS, 'cluster', new CollectionRecorder());
  const leave = client.watch(ADS, 'endpoint', 'a', new Recorder());
  const stream = await server.stream();
  assert.equal(stream.path, '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources');
  assert.deepEqual(await stream.nextState(), { type_url: url('cluster'), node });
  assert.deepEqual(await stream.nextState(), { type_url: url('endpoint'), resource_names: ['a'] });
  stream.sayState('cluster', 'c1', ['a', 'b']);
  assert.deepEqual(await stream.nextState(), { type_url: url('cluster'), version_info: 'c1', response_nonce: '1' });
  stream.sayState('endpoint', 'e1', ['a']);
  const acknowledged = { type_url: url('endpoint'), version_info: 'e1', response_nonce: '2' };
  assert.deepEqual(await stream.nextState(), { ...acknowledged, resource_names: ['a'] });
  client.watch(ADS, 'endpoint', 'b', new Recorder());
  assert.deepEqual(await stream.nextState(), { ...acknowledged, resource_names: ['a', 'b'] });
  leave();
  assert.deepEqual(await stream.nextState(), { ...acknowledged, resource_names: ['b'] });
  client.close();
});

test('clusters and listeners that a response does not have are gone; endpoints, routes and secrets stay', async () => {
  const { client, server } = new ClientGround(STATE);
  const [clusters, named, a, b] = [new CollectionRecorder(), new Recorder(), new Recorder(), new Recorder()];
  client.watchAll(ADS, 'cluster', clusters);
  client.watch(ADS, 'cluster', 'never-was', named);
  client.watch(ADS, 'endpoint', 'a', a);
  client.watch(ADS, 'endpoint', 'b', b);
  const stream = await server.stream();
  stream.sayState('cluster', '1', ['a', 'b']);
  stream.sayState('endpoint', '1', ['a', 'b']);
  stream.sayState('cluster', '2', ['b']);
  stream.sayState('endpoint', '2', ['b']);
  stream.sayState('cluster', '3', []);
  await rest();
  assert.deepEqual(clusters.told, ['a@1 b@1', '-a', '-b'], 'what is as it was is not told again');
  assert.deepEqual(named.told, ['-']);
  assert.deepEqual(a.told, ['1']);
  assert.deepEqual(b.told, ['1', '2'], 'that endpoints are still there is told');
  client.close();
});

test('what is wrong is refused with its path, what is right is taken, and the version in use stays', async () => {
  const ground = new ClientGround(STATE);
  const { client, server } = ground;
  const clusters = new CollectionRecorder();
  client.watchAll(ADS, 'cluster', clusters);
  const stream = await server.stream();
  await stream.nextState();
  stream.sayState('cluster', '1', ['a', 'old']);
  await stream.nextState();
  clusters.issues = [{ name: 'bad', path: 'lb_policy', message: 'no' }];
  stream.sayState('cluster', '2', ['a', 'bad', 'c']);
  const refusal = await stream.nextState();
  assert.equal(refusal.version_info, '1');
  assert.equal(refusal.response_nonce, '2');
  assert.deepEqual(refusal.error_detail, { code: 3, message: 'cluster bad: lb_policy: no' });
  assert.deepEqual(clusters.told, ['a@1 old@1', 'bad@2 c@2 -old']);
  assert.equal(ground.stat('cluster_manager.cds.update_rejected'), 1);
  clusters.issues = [];
  stream.sayState('cluster', '3', ['a', 'bad', 'c']);
  assert.equal((await stream.nextState()).version_info, '3');
  assert.equal(clusters.told.at(-1), 'bad@3', 'what was refused is looked at again');
  client.close();
});

test('a server that answers a refusal with the same again is answered once a second', async () => {
  const { client, server, clock } = new ClientGround(STATE);
  const clusters = new CollectionRecorder();
  clusters.issues = [{ name: 'bad', path: 'lb_policy', message: 'no' }];
  client.watchAll(ADS, 'cluster', clusters);
  const stream = await server.stream();
  await stream.nextState();
  stream.sayState('cluster', '1', ['bad']);
  assert.equal((await stream.nextState()).response_nonce, '1');
  stream.sayState('cluster', '1', ['bad']);
  await rest();
  assert.deepEqual(clock.pendingMs, [1000]);
  clock.pass(1000);
  assert.equal((await stream.nextState()).response_nonce, '2');
  stream.sayState('cluster', '2', ['bad']);
  assert.equal((await stream.nextState()).response_nonce, '3');
  client.close();
});

test('a refusal that waits is not said once the server has said something else', async () => {
  const { client, server, clock } = new ClientGround(STATE);
  const clusters = new CollectionRecorder();
  clusters.issues = [{ name: 'bad', path: 'lb_policy', message: 'no' }];
  client.watchAll(ADS, 'cluster', clusters);
  const stream = await server.stream();
  await stream.nextState();
  stream.sayState('cluster', '1', ['bad']);
  await stream.nextState();
  stream.sayState('cluster', '1', ['bad']);
  await rest();
  clusters.issues = [];
  stream.sayState('cluster', '2', ['good']);
  assert.equal((await stream.nextState()).response_nonce, '3');
  clock.pass(1000);
  client.watch(ADS, 'cluster', 'named', new Recorder());
  const { response_nonce: nonce, error_detail: detail } = await stream.nextState();
  assert.deepEqual([nonce, detail], ['3', undefined]);
  client.close();
});

test('nothing is removed by a response of which something cannot be read', async () => {
  const { client, server } = new ClientGround(STATE);
  const clusters = new CollectionRecorder();
  client.watchAll(ADS, 'cluster', clusters);
  const stream = await server.stream();
  await stream.nextState();
  stream.sayState('cluster', '1', ['a']);
  await stream.nextState();
  stream.sayState('cluster', '2', [any('envoy.config.route.v3.RouteConfiguration', { name: 'r' })]);
  const { error_detail: detail, version_info: version } = await stream.nextState();
  assert.equal(version, '1');
  assert.match(detail?.message ?? '', /holds .*RouteConfiguration, expected .*Cluster/);
  assert.deepEqual(clusters.told, ['a@1']);
  client.close();
});

test('after a break the version in use is brought, and names; what is the same is not told again', async () => {
  const { client, server, clock } = new ClientGround(STATE);
  const [clusters, route] = [new CollectionRecorder(), new Recorder()];
  client.watchAll(ADS, 'cluster', clusters);
  client.watch(ADS, 'route', 'r', route);
  const first = await server.stream();
  first.sayState('cluster', '7', ['a']);
  first.sayState('route', '8', ['r']);
  await rest();
  first.break();
  await rest();
  clock.pass(250);
  const second = await server.stream();
  assert.deepEqual(await second.nextState(), { type_url: url('cluster'), node, version_info: '7' });
  assert.deepEqual(await second.nextState(), { type_url: url('route'), resource_names: ['r'], version_info: '8' });
  second.sayState('cluster', '9', ['a', 'b']);
  second.sayState('route', '9', ['r']);
  await rest();
  assert.deepEqual([clusters.told, route.told], [['a@7', 'b@9'], ['8']]);
  client.close();
});

test('resources may come wrapped, with a time to live', async () => {
  const { client, server, clock } = new ClientGround(STATE);
  const recorder = new Recorder();
  client.watch(ADS, 'endpoint', 'a', recorder);
  const stream = await server.stream();
  await stream.nextState();
  const wrapped = any('envoy.service.discovery.v3.Resource', {
    name: 'a',
    version: 'unread',
    ttl: '2s',
    resource: resourceOf('endpoint', 'a'),
  });
  stream.sayState('endpoint', '1', [wrapped]);
  assert.equal((await stream.nextState()).version_info, '1');
  clock.pass(1000);
  stream.sayState('endpoint', '1', [any('envoy.service.discovery.v3.Resource', { name: 'a', ttl: '2s' })]);
  await stream.nextState();
  clock.pass(1500);
  assert.deepEqual(recorder.told, ['1']);
  clock.pass(1000);
  assert.deepEqual(recorder.told, ['1', '-']);
  client.close();
});

test('a source of its own has its method, its fields, and the node in each request unless told otherwise', async () => {
  const { client, server } = new ClientGround();
  const service = { cluster: 'edge', variant: 'state-of-the-world', authority: 'xds.example' } as const;
  const metadata = [['x-token', 'abc']] as const;
  const source: ResourceSource = { type: 'grpc', service: { ...service, metadata }, initialFetchTimeoutMs: 0 };
  client.watch(source, 'secret', 's', new Recorder());
  const stream = await server.stream();
  assert.equal(stream.path, '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets');
  assert.deepEqual(stream.head, { authority: 'xds.example', metadata });
  assert.deepEqual((await stream.nextState()).node, node);
  stream.sayState('secret', '1', ['s']);
  assert.deepEqual((await stream.nextState()).node, node);
  client.close();
});

test('requests follow one another no faster than the limit allows, and say what is wanted when it is their turn', async () => {
  const ground = new ClientGround({ ...STATE, limit: { maxTokens: 1, tokensPerSecond: 2 } });
  const { client, server, clock } = ground;
  client.watch(ADS, 'endpoint', 'a', new Recorder());
  const stream = await server.stream();
  await stream.nextState();
  client.watch(ADS, 'endpoint', 'b', new Recorder());
  await rest();
  client.watch(ADS, 'endpoint', 'c', new Recorder());
  await rest();
  assert.equal(ground.stat('control_plane.rate_limit_enforced'), 1);
  clock.pass(499);
  let heard = 0;
  const next = stream.nextState().then((request) => {
    heard++;
    return request;
  });
  await rest();
  assert.equal(heard, 0);
  clock.pass(2);
  assert.deepEqual((await next).resource_names, ['a', 'b']);
  clock.pass(500);
  assert.deepEqual((await stream.nextState()).resource_names, ['a', 'b', 'c']);
  client.close();
  assert.deepEqual(clock.pendingMs, []);
});
