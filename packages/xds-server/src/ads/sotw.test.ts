import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resource, ScriptedClient, snapshotOf } from './scripted-client.ts';

const cluster = (name: string, content?: string) => resource('cluster', name, content);
const endpoint = (name: string, content?: string) => resource('endpoint', name, content);
const listener = (name: string, content?: string) => resource('listener', name, content);
const route = (name: string, content?: string) => resource('route', name, content);

function settled(...resources: ReturnType<typeof resource>[]): ScriptedClient {
  const client = new ScriptedClient('sotw');
  client.offer(snapshotOf(...resources));
  const names = (type: string) => resources.filter((one) => one.type === type).map(({ name }) => name);
  client.ask('cluster');
  client.accept('cluster');
  client.ask('endpoint', { resource_names: names('endpoint') });
  client.accept('endpoint', names('endpoint'));
  client.ask('listener');
  client.accept('listener');
  client.ask('route', { resource_names: names('route') });
  client.accept('route', names('route'));
  client.got();
  return client;
}

test('clusters and listeners come all at once, load assignments and routes as they are named', () => {
  const client = new ScriptedClient('sotw');
  client.offer(snapshotOf(cluster('a'), cluster('b'), endpoint('a'), endpoint('b'), listener('l'), route('l')));
  client.ask('cluster');
  assert.deepEqual(client.got(), ['cluster +a +b']);
  client.accept('cluster');
  client.ask('endpoint', { resource_names: ['a'] });
  assert.deepEqual(client.got(), ['endpoint +a']);
  client.accept('endpoint', ['a', 'b']);
  assert.deepEqual(client.got(), ['endpoint +b']);
});

test('a changed cluster comes with all the others, a changed load assignment alone', () => {
  const client = settled(cluster('a'), cluster('b'), endpoint('a'), endpoint('b'));
  client.offer(snapshotOf(cluster('a', 'new'), cluster('b'), endpoint('a'), endpoint('b', 'new')), 2);
  assert.deepEqual(client.got(), ['cluster +a +b', 'endpoint +a +b']);
  client.accept('cluster');
  client.accept('endpoint', ['a', 'b']);
  client.offer(snapshotOf(cluster('a', 'new'), cluster('b'), endpoint('a'), endpoint('b', 'newer')), 3);
  assert.deepEqual(client.got(), ['endpoint +b']);
});

test('a cluster that is gone is left out once the routes that referred to it were replaced', () => {
  const client = settled(cluster('a'), endpoint('a'), cluster('b'), endpoint('b'), listener('l'), route('l', 'to b'));
  client.offer(
    snapshotOf(cluster('a'), cluster('c'), endpoint('a'), endpoint('c'), listener('l'), route('l', 'to a')),
    2,
  );
  assert.deepEqual(client.got(), ['cluster +a +b +c']);
  client.accept('cluster');
  client.ask('endpoint', { resource_names: ['a', 'b', 'c'], response_nonce: client.nonce('endpoint') });
  assert.deepEqual(client.got(), ['endpoint +c']);
  client.accept('endpoint', ['a', 'b', 'c']);
  assert.deepEqual(client.got(), ['route +l']);
  client.accept('route', ['l']);
  assert.deepEqual(client.got(), ['cluster +a +c']);
  client.accept('cluster');
  client.accept('endpoint', ['a', 'c']);
  assert.deepEqual(client.got(), []);
  assert.equal(client.stream.progress().accepted.revision, 2);
});

test('a request about an older response is ignored', () => {
  const client = settled(cluster('a'), endpoint('a'), endpoint('b'));
  const old = client.nonce('endpoint');
  client.offer(snapshotOf(cluster('a'), endpoint('a', 'new'), endpoint('b')), 2);
  assert.deepEqual(client.got(), ['endpoint +a']);
  client.ask('endpoint', { response_nonce: old, resource_names: ['b'] });
  client.ask('endpoint', { response_nonce: old, resource_names: ['b'], error_detail: { message: 'old' } });
  assert.deepEqual(client.stream.progress().refusals, []);
  client.accept('endpoint', ['a', 'b']);
  assert.equal(client.stream.progress().accepted.revision, 2);
});

test('a refusal is told, and not sent again until something changes', () => {
  const client = settled(cluster('a'), endpoint('a'));
  client.offer(snapshotOf(cluster('a', 'bad'), endpoint('a')), 2);
  assert.deepEqual(client.got(), ['cluster +a', 'endpoint +a']);
  client.accept('endpoint', ['a']);
  client.refuse('cluster', 'no');
  assert.deepEqual(client.got(), []);
  assert.deepEqual(
    client.stream.progress().refusals.map(({ refusal }) => refusal.message),
    ['no'],
  );
  client.offer(snapshotOf(cluster('a', 'good'), endpoint('a')), 3);
  assert.deepEqual(client.got(), ['cluster +a', 'endpoint +a']);
  client.accept('cluster');
  client.accept('endpoint', ['a']);
  assert.deepEqual(client.stream.progress().refusals, []);
  assert.equal(client.stream.progress().accepted.revision, 3);
});

test('a client that names clusters gets these, and learns that one is not there by its absence', () => {
  const client = new ScriptedClient('sotw');
  client.offer(snapshotOf(cluster('a'), cluster('b')));
  client.ask('cluster', { resource_names: ['a'] });
  assert.deepEqual(client.got(), ['cluster +a']);
  client.accept('cluster', ['a', 'x']);
  assert.deepEqual(client.got(), ['cluster +a']);
  client.accept('cluster', []);
  client.offer(snapshotOf(cluster('a', 'new')), 2);
  assert.deepEqual(client.got(), [], 'an empty list means nothing once something was named');
});

test('the star is the wildcard', () => {
  const client = new ScriptedClient('sotw');
  client.offer(snapshotOf(cluster('a'), cluster('b')));
  client.ask('cluster', { resource_names: ['*'] });
  assert.deepEqual(client.got(), ['cluster +a +b']);
});

test('a client that comes back is sent everything, whatever version it tells', () => {
  const client = new ScriptedClient('sotw');
  const snapshot = snapshotOf(cluster('a'));
  client.offer(snapshot);
  client.ask('cluster', { version_info: snapshot.id, response_nonce: 'of another stream' });
  assert.deepEqual(client.got(), ['cluster +a']);
});

test('a first request is answered even if there is nothing', () => {
  const client = new ScriptedClient('sotw');
  client.offer(snapshotOf());
  client.ask('cluster');
  client.ask('endpoint', { resource_names: ['x'] });
  client.ask('type.googleapis.com/some.Type', { resource_names: ['x'] });
  assert.deepEqual(client.got(), ['cluster', 'endpoint', 'type.googleapis.com/some.Type']);
});
