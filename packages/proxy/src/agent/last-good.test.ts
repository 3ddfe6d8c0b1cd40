import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encode } from '@weft/envoy-api';
import { DeltaResponse, ResourceHead } from './delta.ts';
import { openFolder } from './folder.ts';
import {
  Acknowledged,
  CLUSTER_TYPE,
  LastGoodKeeper,
  LISTENER_TYPE,
  readLastGood,
  StreamFollower,
} from './last-good.ts';
import { LastGoodServer } from './last-good-server.ts';
import { temporaryFolder } from './testing/temporary.ts';

function response(typeUrl: string, nonce: string, resources: Readonly<Record<string, string>>, removed: string[] = []) {
  return encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
    type_url: typeUrl,
    nonce,
    resources: Object.entries(resources).map(([name, version]) => ({
      name,
      version,
      resource: { '@type': CLUSTER_TYPE, name },
    })),
    removed_resources: removed,
  });
}

function request(typeUrl: string, nonce: string, more: object = {}) {
  return encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
    type_url: typeUrl,
    response_nonce: nonce,
    ...more,
  });
}

function follower(): { acknowledged: Acknowledged; follower: StreamFollower } {
  const acknowledged = new Acknowledged(() => undefined);
  return { acknowledged, follower: new StreamFollower(acknowledged) };
}

function names(acknowledged: Acknowledged, typeUrl: string): readonly string[] {
  return [...(acknowledged.resources.get(typeUrl)?.keys() ?? [])];
}

test('resources count once they are acknowledged, and are gone once they are removed', () => {
  const { acknowledged, follower: stream } = follower();
  stream.response(response(CLUSTER_TYPE, '1', { a: 'v1', b: 'v1' }));
  assert.deepEqual(names(acknowledged, CLUSTER_TYPE), []);
  stream.request(request(CLUSTER_TYPE, '1'));
  assert.deepEqual(names(acknowledged, CLUSTER_TYPE), ['a', 'b']);
  stream.response(response(CLUSTER_TYPE, '2', {}, ['a']));
  stream.request(request(CLUSTER_TYPE, '2'));
  assert.deepEqual(names(acknowledged, CLUSTER_TYPE), ['b']);
});

test('what is refused is not kept, and is told until the type is acknowledged again', () => {
  const { acknowledged, follower: stream } = follower();
  stream.response(response(LISTENER_TYPE, '1', { bad: 'v1' }));
  stream.request(request(LISTENER_TYPE, '1', { error_detail: { code: 13, message: 'no such filter' } }));
  assert.deepEqual(names(acknowledged, LISTENER_TYPE), []);
  assert.deepEqual(acknowledged.refusals, [{ typeUrl: LISTENER_TYPE, message: 'no such filter' }]);
  stream.response(response(LISTENER_TYPE, '2', { good: 'v2' }));
  stream.request(request(LISTENER_TYPE, '2'));
  assert.deepEqual(acknowledged.refusals, []);
});

test('what is no longer subscribed to is forgotten', () => {
  const { acknowledged, follower: stream } = follower();
  stream.response(response(CLUSTER_TYPE, '1', { a: 'v1', b: 'v1' }));
  stream.request(request(CLUSTER_TYPE, '1', { resource_names_unsubscribe: ['a'] }));
  assert.deepEqual(names(acknowledged, CLUSTER_TYPE), ['b']);
});

test('the configuration is kept on disk once clusters and listeners are acknowledged', (t) => {
  const folder = openFolder(temporaryFolder(t), 'default', 'cart-1');
  const keeper = new LastGoodKeeper(folder, (thrown) => assert.fail(String(thrown)));
  const stream = new StreamFollower(keeper.acknowledged);
  stream.response(response(CLUSTER_TYPE, '1', { a: 'v1' }));
  stream.request(request(CLUSTER_TYPE, '1'));
  keeper.flush();
  assert.equal(readLastGood(folder), undefined);
  stream.response(response(LISTENER_TYPE, '2', { l: 'v7' }));
  stream.request(request(LISTENER_TYPE, '2'));
  keeper.flush();
  const kept = readLastGood(folder);
  assert.deepEqual([...(kept?.keys() ?? [])], [CLUSTER_TYPE, LISTENER_TYPE]);
  const bytes = kept?.get(LISTENER_TYPE)?.get('l');
  assert.equal(bytes && ResourceHead.decode(bytes).version, 'v7');
});

test('a damaged file is as none', (t) => {
  const folder = openFolder(temporaryFolder(t), 'default', 'cart-1');
  for (const content of ['', 'nonsense', Buffer.from([8, 99])]) {
    folder.write('last-good.binpb', content);
    assert.equal(readLastGood(folder), undefined);
  }
});

function serverOf(
  ...responses: readonly (readonly [typeUrl: string, resources: Record<string, string>])[]
): LastGoodServer {
  const { acknowledged, follower: stream } = follower();
  responses.forEach(([typeUrl, resources], index) => {
    stream.response(response(typeUrl, String(index), resources));
    stream.request(request(typeUrl, String(index)));
  });
  return new LastGoodServer(acknowledged.resources);
}

function answer(server: LastGoodServer, bytes: Buffer): { names: string[]; removed: readonly string[]; nonce: string } {
  const answered = server.answer(bytes);
  assert.ok(answered);
  const { resources, removedResources, nonce } = DeltaResponse.decode(answered);
  return { names: resources.map((resource) => ResourceHead.decode(resource).name), removed: removedResources, nonce };
}

test('a data plane that starts is given everything of a type it asks for as a whole, and then nothing more', () => {
  const server = serverOf([CLUSTER_TYPE, { a: 'v1', b: 'v1' }]);
  const first = answer(server, request(CLUSTER_TYPE, ''));
  assert.deepEqual(first.names, ['a', 'b']);
  assert.equal(server.answer(request(CLUSTER_TYPE, first.nonce)), undefined);
});

test('names are answered as they are subscribed to, and those that are not known as removed', () => {
  const server = serverOf([CLUSTER_TYPE, { a: 'v1', b: 'v1' }]);
  const first = answer(server, request(CLUSTER_TYPE, '', { resource_names_subscribe: ['b', 'c'] }));
  assert.deepEqual([first.names, first.removed], [['b'], ['c']]);
  const second = answer(server, request(CLUSTER_TYPE, first.nonce, { resource_names_subscribe: ['a'] }));
  assert.deepEqual(second.names, ['a']);
});

test('what the data plane has already is not sent', () => {
  const server = serverOf([CLUSTER_TYPE, { a: 'v1', b: 'v1' }]);
  const had = { initial_resource_versions: { a: 'v1', b: 'v0' } };
  assert.deepEqual(answer(server, request(CLUSTER_TYPE, '', had)).names, ['b']);
});

test('a type of which nothing is known is answered with nothing, so that nobody waits for it', () => {
  const server = serverOf([CLUSTER_TYPE, { a: 'v1' }]);
  assert.deepEqual(answer(server, request(LISTENER_TYPE, '')).names, []);
});
