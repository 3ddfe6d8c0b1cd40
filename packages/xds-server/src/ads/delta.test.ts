import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resource, ScriptedClient, snapshotOf } from './scripted-client.ts';

const cluster = (name: string, content?: string) => resource('cluster', name, content);
const endpoint = (name: string, content?: string) => resource('endpoint', name, content);
const listener = (name: string, content?: string) => resource('listener', name, content);
const route = (name: string, content?: string) => resource('route', name, content);

/** A client that has taken up everything of its first snapshot. */
function settled(...resources: ReturnType<typeof resource>[]): ScriptedClient {
  const client = new ScriptedClient('delta');
  client.offer(snapshotOf(...resources));
  const names = (type: string) => resources.filter((one) => one.type === type).map(({ name }) => name);
  client.say('cluster');
  client.accept('cluster');
  client.say('endpoint', { resource_names_subscribe: names('endpoint') });
  client.accept('endpoint');
  client.say('listener');
  client.accept('listener');
  client.say('route', { resource_names_subscribe: names('route') });
  client.accept('route');
  client.got();
  return client;
}

test('a client without a name asks for all clusters and listeners, and gets none it did not ask for of the others', () => {
  const client = new ScriptedClient('delta');
  client.offer(snapshotOf(cluster('a'), endpoint('a'), listener('l'), route('l')));
  client.say('cluster');
  assert.deepEqual(client.got(), ['cluster +a']);
  client.accept('cluster');
  client.say('endpoint', { resource_names_subscribe: ['a', 'none'] });
  assert.deepEqual(client.got(), ['endpoint +a -none']);
  client.accept('endpoint');
  client.say('listener', { resource_names_subscribe: ['*'] });
  assert.deepEqual(client.got(), ['listener +l']);
  client.say('route');
  assert.deepEqual(client.got(), []);
});

test('a first wildcard is answered even if there is nothing', () => {
  const client = new ScriptedClient('delta');
  client.offer(snapshotOf());
  client.say('cluster');
  assert.deepEqual(client.got(), ['cluster']);
  client.accept('cluster');
  assert.deepEqual(client.got(), []);
});

test('nothing is sent before there is a snapshot', () => {
  const client = new ScriptedClient('delta');
  client.say('cluster');
  client.say('endpoint', { resource_names_subscribe: ['a'] });
  assert.deepEqual(client.got(), []);
  client.offer(snapshotOf(cluster('a'), endpoint('a')));
  assert.deepEqual(client.got(), ['cluster +a', 'endpoint +a']);
});

test('types that are not known are answered with nothing', () => {
  const client = new ScriptedClient('delta');
  client.offer(snapshotOf());
  client.say('type.googleapis.com/some.Type', { resource_names_subscribe: ['x'] });
  assert.deepEqual(client.got(), ['type.googleapis.com/some.Type -x']);
});

test('a change is sent alone, and what did not change is not sent again', () => {
  const client = settled(cluster('a'), cluster('b'), endpoint('a'), endpoint('b'));
  client.offer(snapshotOf(cluster('a'), cluster('b'), endpoint('a', 'new'), endpoint('b')), 2);
  assert.deepEqual(client.got(), ['endpoint +a']);
  client.accept('endpoint');
  client.offer(snapshotOf(cluster('a'), cluster('b'), endpoint('a', 'new'), endpoint('b')), 3);
  assert.deepEqual(client.got(), []);
  assert.deepEqual(client.stream.progress().accepted, { revision: 3, registryRevision: 3 });
});

test('what a client brings from an earlier stream is not sent again, and what is gone is told', () => {
  const client = new ScriptedClient('delta');
  const [a, b] = [cluster('a'), cluster('b')];
  client.offer(snapshotOf(a, b, endpoint('a')));
  client.say('cluster', { initial_resource_versions: { a: a.version, b: 'old', c: 'x' } });
  assert.deepEqual(client.got(), ['cluster +b']);
  client.accept('cluster');
  assert.deepEqual(client.got(), [], 'routes that it has may lead there, and it may be about to ask for them');
  client.pass(5000);
  assert.deepEqual(client.got(), ['cluster -c']);
  const same = { a: endpoint('a').version };
  client.say('endpoint', { resource_names_subscribe: ['a'], initial_resource_versions: same });
  assert.deepEqual(client.got(), []);
});

test('a client that comes back with all it is to have gets nothing, and counts as up to date', () => {
  const client = new ScriptedClient('delta');
  const all = [cluster('a'), endpoint('a'), listener('l'), route('l')] as const;
  client.offer(snapshotOf(...all), 7);
  const versions = (index: number) => ({ [all[index]?.name ?? '']: all[index]?.version ?? '' });
  client.say('cluster', { initial_resource_versions: versions(0) });
  assert.equal(client.stream.progress().accepted.registryRevision, 0, 'its endpoints may be old');
  client.say('endpoint', { resource_names_subscribe: ['a'], initial_resource_versions: versions(1) });
  assert.equal(client.stream.progress().accepted.registryRevision, 7);
  client.say('listener', { initial_resource_versions: versions(2) });
  client.say('route', { resource_names_subscribe: ['l'], initial_resource_versions: versions(3) });
  assert.deepEqual(client.got(), []);
  assert.deepEqual(client.stream.progress().accepted, { revision: 7, registryRevision: 7 });
});

test('a name that is asked for again is sent again', () => {
  const client = settled(cluster('a'), endpoint('a'));
  client.say('endpoint', { resource_names_subscribe: ['a'] });
  assert.deepEqual(client.got(), ['endpoint +a']);
});

test('a name that is no longer asked for is not sent, and is when it is asked for again', () => {
  const client = settled(cluster('a'), endpoint('a'));
  client.say('endpoint', { resource_names_unsubscribe: ['a'] });
  client.offer(snapshotOf(cluster('a'), endpoint('a', 'new')), 2);
  assert.deepEqual(client.got(), []);
  client.say('endpoint', { resource_names_subscribe: ['a'] });
  assert.deepEqual(client.got(), ['endpoint +a']);
});

test('under the wildcard a client that drops a name is told whether it is there', () => {
  const client = settled(cluster('a'), endpoint('a'));
  client.say('cluster', { resource_names_subscribe: ['a', 'x'] });
  assert.deepEqual(client.got(), ['cluster +a -x', 'endpoint +a']);
  client.accept('cluster');
  client.say('cluster', { resource_names_unsubscribe: ['a', 'x'] });
  assert.deepEqual(client.got(), ['cluster +a -x']);
  client.accept('cluster');
  client.say('cluster', { resource_names_unsubscribe: ['*'] });
  client.offer(snapshotOf(cluster('a', 'new'), endpoint('a')), 2);
  assert.deepEqual(client.got(), []);
});

test('new clusters and their endpoints are accepted before listeners and routes are sent', () => {
  const client = settled(cluster('a'), endpoint('a'), listener('l'), route('l'));
  client.offer(
    snapshotOf(cluster('a'), endpoint('a'), cluster('b'), endpoint('b'), listener('l', 'new'), route('l', 'to b')),
    2,
  );
  assert.deepEqual(client.got(), ['cluster +b']);
  client.accept('cluster');
  assert.deepEqual(client.got(), [], 'the client is going to ask for the endpoints');
  client.say('endpoint', { resource_names_subscribe: ['b'] });
  assert.deepEqual(client.got(), ['endpoint +b']);
  client.accept('endpoint');
  assert.deepEqual(client.got(), ['listener +l', 'route +l']);
});

test('what is gone is told once what referred to it was accepted', () => {
  const client = settled(cluster('a'), endpoint('a'), cluster('b'), endpoint('b'), listener('l'), route('l', 'to b'));
  client.offer(snapshotOf(cluster('a'), endpoint('a'), listener('l'), route('l', 'to a')), 2);
  assert.deepEqual(client.got(), ['route +l']);
  client.accept('route');
  assert.deepEqual(client.got(), ['cluster -b']);
  assert.equal(client.stream.progress().accepted.revision, 1);
  client.accept('cluster');
  assert.deepEqual(client.got(), ['endpoint -b']);
  client.accept('endpoint');
  assert.equal(client.stream.progress().accepted.revision, 2);
});

test('an endpoint that is gone is told at once, whatever else is under way', () => {
  const client = settled(cluster('a'), endpoint('a'), listener('l'), route('l'));
  client.offer(snapshotOf(cluster('a', 'new'), endpoint('a', 'less'), listener('l'), route('l')), 2);
  assert.deepEqual(client.got(), ['cluster +a', 'endpoint +a']);
});

test('a changed cluster is followed by its endpoints, which it may wait for', () => {
  const client = settled(cluster('a'), endpoint('a'));
  client.offer(snapshotOf(cluster('a', 'new'), endpoint('a')), 2);
  assert.deepEqual(client.got(), ['cluster +a', 'endpoint +a']);
});

test('a client that does not answer holds things up for five seconds and no longer', () => {
  const client = settled(cluster('a'), endpoint('a'), listener('l'), route('l'));
  client.offer(snapshotOf(cluster('a', 'new'), endpoint('a'), listener('l'), route('l', 'new')), 2);
  assert.deepEqual(client.got(), ['cluster +a', 'endpoint +a']);
  client.pass(4999);
  assert.deepEqual(client.got(), []);
  client.pass(1);
  assert.deepEqual(client.got(), ['route +l']);
  assert.equal(client.stream.progress().accepted.revision, 1);
});

test('while a response is not answered the newest of what changes is kept, and sent when it is', () => {
  const client = settled(cluster('a'), endpoint('a'));
  for (const [index, content] of ['1', '2', '3'].entries()) {
    client.offer(snapshotOf(cluster('a'), endpoint('a', content)), 2 + index);
  }
  assert.deepEqual(client.got(), ['endpoint +a']);
  client.accept('endpoint');
  assert.deepEqual(client.got(), ['endpoint +a']);
  client.accept('endpoint');
  assert.deepEqual(client.got(), []);
  assert.equal(client.stream.progress().accepted.revision, 4);
});

test('a slow client gets what is newest when it can take it', () => {
  const client = settled(cluster('a'), endpoint('a'));
  client.slow = true;
  client.offer(snapshotOf(cluster('a'), endpoint('a', '1')), 2);
  client.accept('endpoint');
  client.got();
  client.offer(snapshotOf(cluster('a'), endpoint('a', '2')), 3);
  client.offer(snapshotOf(cluster('a'), endpoint('a', '3')), 4);
  assert.deepEqual(client.got(), []);
  client.slow = false;
  client.stream.resume();
  assert.deepEqual(client.got(), ['endpoint +a']);
});

test('a refusal is told, and not sent again until the resource changes', () => {
  const client = settled(cluster('a'), endpoint('a'), listener('l'), route('l'));
  client.offer(snapshotOf(cluster('a'), endpoint('a'), listener('l'), route('l', 'bad')), 2);
  client.got();
  client.refuse('route', 'no such field');
  const { refusals, accepted } = client.stream.progress();
  assert.deepEqual(
    refusals.map(({ refusal }) => refusal.message),
    ['no such field'],
  );
  assert.equal(refusals[0]?.refusal.version, route('l', 'bad').version);
  assert.deepEqual(accepted, { revision: 1, registryRevision: 2 });
  client.offer(snapshotOf(cluster('a'), endpoint('a', 'new'), listener('l'), route('l', 'bad')), 3);
  assert.deepEqual(client.got(), ['endpoint +a']);
  client.accept('endpoint');
  assert.deepEqual(client.stream.progress().accepted, { revision: 1, registryRevision: 3 });
  client.offer(snapshotOf(cluster('a'), endpoint('a', 'new'), listener('l'), route('l', 'good')), 4);
  assert.deepEqual(client.got(), ['route +l']);
  client.accept('route');
  assert.deepEqual(client.stream.progress().refusals, []);
  assert.equal(client.stream.progress().accepted.revision, 4);
});

test('of the words of a refusal the beginning is kept', () => {
  const client = settled(cluster('a'), endpoint('a'), listener('l'), route('l'));
  client.offer(snapshotOf(cluster('a'), endpoint('a'), listener('l'), route('l', 'bad')), 2);
  client.got();
  client.refuse('route', `no such field ${'x'.repeat(2_000_000)}`);
  const [told] = client.stream.progress().refusals;
  assert.match(told?.refusal.message ?? '', /^no such field x+…$/);
  assert.equal(told?.refusal.message.length, 8192);
});

test('of many resources in a refused response the bad one is found, and the others get through', () => {
  const client = new ScriptedClient('delta');
  const names = ['a', 'b', 'c', 'd', 'e'];
  client.offer(snapshotOf(...names.map((name) => cluster(name))));
  client.say('cluster');
  const accepted = new Set<string>();
  for (let round = 0; round < 20; round++) {
    const [response] = client.got();
    if (response === undefined) break;
    const sent = response.split(' +').slice(1);
    if (sent.includes('c')) client.refuse('cluster', 'c is bad');
    else {
      for (const name of sent) accepted.add(name);
      client.accept('cluster');
    }
  }
  assert.deepEqual([...accepted].sort(), ['a', 'b', 'd', 'e']);
  assert.equal(client.stream.progress().refusals[0]?.refusal.version, cluster('c').version);
  client.offer(snapshotOf(...names.map((name) => cluster(name, name === 'c' ? 'mended' : 'a'))), 2);
  assert.deepEqual(client.got(), ['cluster +c']);
  client.accept('cluster');
  assert.deepEqual(client.stream.progress().refusals, []);
});

test('a refusal of a new cluster does not hold up the routes', () => {
  const client = settled(cluster('a'), endpoint('a'), listener('l'), route('l'));
  client.offer(snapshotOf(cluster('a'), endpoint('a'), cluster('b'), endpoint('b'), listener('l'), route('l', 'x')), 2);
  assert.deepEqual(client.got(), ['cluster +b']);
  client.refuse('cluster', 'bad');
  client.pass(5000);
  assert.deepEqual(client.got(), ['route +l']);
});

test('answers to what is not known, or was answered, are of no effect', () => {
  const client = settled(cluster('a'));
  client.say('cluster', { response_nonce: 'nonsense' });
  client.say('cluster', { response_nonce: client.nonce('cluster'), error_detail: { message: 'late' } });
  assert.deepEqual(client.got(), []);
  assert.deepEqual(client.stream.progress().refusals, []);
});

test('a client that subscribes while a response waits for its answer is served at once', () => {
  const client = new ScriptedClient('delta');
  client.offer(snapshotOf(endpoint('a'), endpoint('b')));
  client.say('endpoint', { resource_names_subscribe: ['a'] });
  client.say('endpoint', { resource_names_subscribe: ['b'] });
  assert.deepEqual(client.got(), ['endpoint +a', 'endpoint +b']);
  client.accept('endpoint');
  assert.equal(client.stream.progress().refusals.length, 0);
});

test('large responses are split', () => {
  const client = new ScriptedClient('delta');
  const long = 'x'.repeat(600_000);
  client.offer(snapshotOf(cluster('a', `${long}1`), cluster('b', `${long}2`), cluster('c', `${long}3`)));
  client.say('cluster');
  const parts: string[] = [];
  for (let got = client.got(); got.length > 0; got = client.got()) {
    parts.push(...got);
    client.accept('cluster');
  }
  assert.deepEqual(parts, ['cluster +a', 'cluster +b', 'cluster +c']);
});

test('more types or names than any client needs end the stream', () => {
  const client = new ScriptedClient('delta');
  const types = () => {
    for (let n = 0; n < 100; n++) client.say(`type.googleapis.com/t${n}`);
  };
  assert.throws(types, { code: 'RESOURCE_EXHAUSTED' });
  const names = Array.from({ length: 100_001 }, (_, n) => `n${n}`);
  assert.throws(() => new ScriptedClient('delta').say('endpoint', { resource_names_subscribe: names }), {
    code: 'RESOURCE_EXHAUSTED',
  });
  assert.throws(() => client.say(''), { code: 'INVALID_ARGUMENT' });
});

test('a name, a version or a type that is longer than any end the stream', () => {
  const long = 'n'.repeat(1001);
  const tooLong = { code: 'RESOURCE_EXHAUSTED' };
  const say = (url: Parameters<ScriptedClient['say']>[0], fields: Parameters<ScriptedClient['say']>[1]) => () =>
    new ScriptedClient('delta').say(url, fields);
  assert.throws(say('endpoint', { resource_names_subscribe: [long] }), tooLong);
  assert.throws(say('endpoint', { resource_names_unsubscribe: [long] }), tooLong);
  assert.throws(say('cluster', { initial_resource_versions: { a: long } }), tooLong);
  assert.throws(say(`type.googleapis.com/${long}`, {}), tooLong);
  const names = Array.from({ length: 1001 }, (_, n) => `n${n}`);
  assert.throws(say('type.googleapis.com/other', { resource_names_subscribe: names }), tooLong);
});

test('a client that answers nothing that it asks for is ended', () => {
  const client = new ScriptedClient('delta');
  client.offer(snapshotOf(endpoint('a')));
  const flood = () => {
    for (let n = 0; n < 2000; n++) client.say('endpoint', { resource_names_subscribe: ['a'] });
  };
  assert.throws(flood, { code: 'RESOURCE_EXHAUSTED' });
});

test('how long it took until everything was accepted is told', () => {
  const client = settled(cluster('a'), endpoint('a'));
  client.acceptedAfterMs = [];
  client.offer(snapshotOf(cluster('a'), endpoint('a', 'new')), 2);
  client.pass(30);
  client.accept('endpoint');
  assert.deepEqual(client.acceptedAfterMs, [30]);
});
