import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESOURCE_TYPES, typeUrl } from '@weft/envoy-api';
import { ClientGround, rest } from './testing/ground.ts';
import { ADS, CollectionRecorder, Recorder } from './testing/recorders.ts';

test('after a break the next server is told who comes, what is wanted and what there is already', async () => {
  const { client, server, clock, log } = new ClientGround();
  const [clusters, endpoint] = [new CollectionRecorder(), new Recorder()];
  client.watchAll(ADS, 'cluster', clusters);
  client.watch(ADS, 'endpoint', 'a', endpoint);
  client.watch(ADS, 'endpoint', 'none', new Recorder());
  const first = await server.stream();
  await first.next();
  first.say('cluster', { resources: [{ name: 'a', version: '7' }, 'b'] });
  first.say('endpoint', { resources: [{ name: 'a', version: '8' }], removed: ['none'] });
  await rest();
  first.break();
  await rest();
  assert.equal(server.opened, 1);
  clock.pass(250);
  const second = await server.stream();
  assert.deepEqual(await second.next(), {
    node: { id: 'shop/web-1', cluster: 'web', user_agent_name: 'weft' },
    type_url: typeUrl(RESOURCE_TYPES.cluster),
    initial_resource_versions: { a: '7', b: '1' },
  });
  assert.deepEqual(await second.next(), {
    type_url: typeUrl(RESOURCE_TYPES.endpoint),
    resource_names_subscribe: ['a', 'none'],
    initial_resource_versions: { a: '8' },
  });
  assert.deepEqual([clusters.told, endpoint.told], [['a@7 b@1'], ['8']], 'a break changes nothing');
  second.say('cluster', { removed: ['b'] });
  second.say('endpoint', { removed: ['a'] });
  await rest();
  assert.deepEqual(
    [clusters.told, endpoint.told],
    [
      ['a@7 b@1', '-b'],
      ['8', '-'],
    ],
  );
  assert.match(log.lines.join('\n'), /warn: the aggregated stream to control ended.*the connection is lost/);
  assert.match(log.lines.join('\n'), /info: the aggregated stream to control is back/);
  client.close();
});

test('what is wanted and left while there is no stream counts on the next', async () => {
  const { client, server, clock } = new ClientGround();
  const leave = client.watch(ADS, 'endpoint', 'a', new Recorder());
  client.watch(ADS, 'endpoint', 'b', new Recorder());
  const first = await server.stream();
  await first.next();
  first.say('endpoint', { resources: ['a', 'b'] });
  await rest();
  first.break();
  await rest();
  leave();
  client.watch(ADS, 'endpoint', 'c', new Recorder());
  await rest();
  clock.pass(250);
  const request = await (await server.stream()).next();
  assert.deepEqual(request.resource_names_subscribe, ['b', 'c']);
  assert.deepEqual(request.initial_resource_versions, { b: '1' });
  client.close();
});

test('attempts are farther and farther apart, up to half a minute, until the server answers', async () => {
  const { client, server, clock } = new ClientGround();
  client.watchAll(ADS, 'cluster', new CollectionRecorder());
  server.isAway = true;
  await rest();
  const waits: number[] = [];
  for (let attempt = 0; attempt < 10; attempt++) {
    const [waitMs = Number.NaN] = clock.pendingMs;
    waits.push(waitMs);
    clock.pass(waitMs);
  }
  assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  server.isAway = false;
  clock.pass(30_000);
  const silent = await server.stream();
  await silent.next();
  silent.raw.end();
  await rest();
  assert.deepEqual(clock.pendingMs, [30_000], 'a server that ends the stream without a word is none');
  clock.pass(30_000);
  const stream = await server.stream();
  await stream.next();
  stream.say('cluster', {});
  await rest();
  stream.break();
  await rest();
  assert.deepEqual(clock.pendingMs, [250]);
  client.close();
  assert.deepEqual(clock.pendingMs, []);
});

test('what came before a break and was not read yet is taken, and answered to nobody', async () => {
  const { client, server } = new ClientGround();
  const endpoint = new Recorder();
  client.watch(ADS, 'endpoint', 'a', endpoint);
  const stream = await server.stream();
  await stream.next();
  for (const version of ['1', '2', '3']) stream.say('endpoint', { resources: [{ name: 'a', version }] });
  stream.break();
  await rest();
  assert.deepEqual(endpoint.told, ['1', '2', '3']);
  client.close();
});

test('while a server does not read, what is to be said is gathered and not piled up', async () => {
  const { client, server, stats } = new ClientGround();
  const long = 'x'.repeat(1000);
  client.watch(ADS, 'endpoint', 'stays', new Recorder());
  const stream = await server.stream();
  await stream.next();
  let leaves: (() => void)[] = [];
  for (let turn = 0; turn < 300; turn++) {
    for (const leave of leaves) leave();
    leaves = ['a', 'b', 'c', 'd'].map((name) => client.watch(ADS, 'endpoint', `${name}${turn}${long}`, new Recorder()));
    await rest();
  }
  assert.match(stats.text(), /control_plane\.pending_requests: 1/);
  // What was under way when the server stopped reading, and then what counts in the end, in one request.
  const asked = new Set<string>();
  let requests = 0;
  while (![...asked].some((name) => name.startsWith('d299'))) {
    const { resource_names_subscribe: added = [], resource_names_unsubscribe: left = [] } = await stream.next();
    for (const name of added) asked.add(name);
    for (const name of left) asked.delete(name);
    requests++;
  }
  assert.deepEqual(
    [...asked].map((name) => name.replaceAll('x', '')),
    ['a299', 'b299', 'c299', 'd299'],
  );
  assert.ok(requests < 100, `${requests} requests`);
  client.close();
});

test('a resource with a time to live is gone after it, unless the server says that it lives on', async () => {
  const { client, server, clock } = new ClientGround();
  const [clusters, endpoint, forever] = [new CollectionRecorder(), new Recorder(), new Recorder()];
  client.watchAll(ADS, 'cluster', clusters);
  client.watch(ADS, 'endpoint', 'a', endpoint);
  client.watch(ADS, 'endpoint', 'b', forever);
  const stream = await server.stream();
  await stream.next();
  stream.say('cluster', { resources: [{ name: 'c', ttl: '5s' }] });
  stream.say('endpoint', {
    resources: [
      { name: 'a', ttl: '5s' },
      { name: 'b', ttl: '5s' },
    ],
  });
  await rest();
  clock.pass(4000);
  stream.say('cluster', { resources: [{ name: 'c', any: 'none', ttl: '5s' }] });
  stream.say('endpoint', { resources: [{ name: 'b', version: '2' }] });
  await rest();
  clock.pass(4999);
  assert.deepEqual([clusters.told, endpoint.told, forever.told], [['c@1'], ['1', '-'], ['1', '2']]);
  clock.pass(1);
  assert.deepEqual(
    [clusters.told, endpoint.told, forever.told],
    [
      ['c@1', '-c'],
      ['1', '-'],
      ['1', '2'],
    ],
  );
  stream.break();
  await rest();
  clock.pass(250);
  assert.equal((await (await server.stream()).next()).initial_resource_versions, undefined);
  client.close();
});
