import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeUnknown } from '@weft/envoy-api';
import fc from 'fast-check';
import { refusalText } from './refusal.ts';
import { ClientGround, rest } from './testing/ground.ts';
import { ADS, CollectionRecorder, own, Recorder } from './testing/recorders.ts';
import { resourceOf, type ServedStream } from './testing/scripted-server.ts';

const LISTENER = 'type.googleapis.com/envoy.config.listener.v3.Listener';

/** A stream on which all listeners were asked for. */
async function listening() {
  const { client, server, clock } = new ClientGround();
  const listeners = new CollectionRecorder();
  client.watchAll(ADS, 'listener', listeners);
  const stream = await server.stream();
  await stream.next();
  return { client, server, clock, listeners, stream };
}

async function reasonOf(stream: ServedStream): Promise<string | undefined> {
  return (await stream.next()).error_detail?.message;
}

test('what is wrong is told with every path, and what is good of the same response is taken', async () => {
  const { client, stream, listeners } = await listening();
  listeners.issues = [
    { name: 'b', path: 'filter_chains[0].filters', message: 'must have an entry' },
    { name: 'b', path: 'address', message: 'is needed here' },
    { name: 'c', path: '', message: 'is one of the bootstrap' },
  ];
  const nonce = stream.say('listener', { resources: ['a', 'b', 'c'] });
  const answer = await stream.next();
  assert.equal(answer.response_nonce, nonce);
  assert.deepEqual(answer.error_detail, {
    code: 3,
    message:
      'listener b: filter_chains[0].filters: must have an entry; listener b: address: is needed here; ' +
      'listener c: is one of the bootstrap',
  });
  const late = new CollectionRecorder();
  client.watchAll(ADS, 'listener', late);
  assert.deepEqual(late.told, ['a@1']);
  client.close();
});

test('of a refused resource the last good version stays in use, and is what the next server is told of', async () => {
  const { client, server, stream, listeners, clock } = await listening();
  const route = new Recorder();
  client.watch(ADS, 'route', 'r', route);
  await stream.next();
  stream.say('listener', { resources: ['l', 'm'] });
  await stream.next();
  stream.say('route', { resources: ['r'] });
  await stream.next();
  listeners.issues = [{ name: 'l', path: 'address', message: 'bad' }];
  route.issues = [{ path: 'virtual_hosts[0].domains', message: 'bad' }];
  stream.say('listener', { resources: ['l', 'm'].map((name) => ({ name, version: '2' })) });
  assert.equal(await reasonOf(stream), 'listener l: address: bad');
  stream.say('route', { resources: [{ name: 'r', version: '2' }] });
  assert.equal(await reasonOf(stream), 'route r: virtual_hosts[0].domains: bad');
  const late = new Recorder();
  client.watch(ADS, 'route', 'r', late);
  assert.deepEqual(late.told, ['1']);
  stream.break();
  await rest();
  clock.pass(250);
  const next = await server.stream();
  assert.deepEqual((await next.next()).initial_resource_versions, { l: '1', m: '2' });
  assert.deepEqual((await next.next()).initial_resource_versions, { r: '1' });
  client.close();
});

test('a refused resource is taken once it is good', async () => {
  const { client, stream, listeners } = await listening();
  listeners.issues = [{ name: 'l', path: '', message: 'bad' }];
  stream.say('listener', { resources: ['l'] });
  assert.equal(await reasonOf(stream), 'listener l: bad');
  listeners.issues = [];
  stream.say('listener', { resources: [{ name: 'l', version: '2' }] });
  assert.equal(await reasonOf(stream), undefined);
  assert.deepEqual(listeners.told, ['l@1', 'l@2']);
  client.close();
});

test('what cannot be read of one resource is told, and harms no other', async () => {
  const { client, stream, listeners } = await listening();
  const any = (bytes: Buffer) => ({ '@type': LISTENER, '@bytes': bytes.toString('base64') });
  const good = encodeUnknown('envoy.config.listener.v3.Listener', { name: 'newer' });
  stream.say('listener', {
    resources: [
      'good',
      { name: 'torn', any: any(Buffer.of(0x0a, 200)) },
      { name: 'newer', any: any(Buffer.concat([good, Buffer.of(0xfa, 0x3f, 1, 0x61)])) },
      { name: 'other', any: resourceOf('cluster', 'other') },
      { name: 'alias', any: resourceOf('listener', 'real') },
      { name: 'empty', any: 'none' },
      { name: 'twice' },
      { name: 'twice' },
      { name: 'both' },
    ],
    removed: ['both'],
  });
  const reason = (await reasonOf(stream)) ?? '';
  assert.deepEqual(listeners.told, ['good@1']);
  assert.match(reason, /listener torn: not a valid message: the message ends inside a field/);
  assert.match(
    reason,
    /listener newer: the field with number 1023 of envoy\.config\.listener\.v3\.Listener is not known/,
  );
  assert.match(reason, /listener other: holds \S+Cluster, expected \S+Listener/);
  assert.match(reason, /listener alias: is sent under that name, and its own name is "real"/);
  assert.match(reason, /listener empty: has no content/);
  assert.match(reason, /listener twice: is more than once in one response/);
  assert.match(reason, /listener both: is more than once in one response/);
  client.close();
});

test('a listener that throws refuses its resource, and the others are told', async () => {
  const { client, server } = new ClientGround();
  const recorder = new Recorder();
  const broken = {
    onResource: () => {
      throw new Error('out of luck');
    },
    onRemoved: () => {
      throw new Error('out of luck');
    },
  };
  client.watch(ADS, 'endpoint', 'a', broken);
  client.watch(ADS, 'endpoint', 'a', recorder);
  const stream = await server.stream();
  await stream.next();
  stream.say('endpoint', { resources: ['a'] });
  assert.equal(await reasonOf(stream), 'endpoint a: could not be taken up: out of luck');
  stream.say('endpoint', { removed: ['a'] });
  assert.equal(await reasonOf(stream), undefined);
  assert.deepEqual(recorder.told, ['1', '-']);
  client.close();
});

test('a response of another type is refused on a stream that has its own, and ignored where nobody asked', async () => {
  const { client, server, log } = new ClientGround();
  const clusters = new CollectionRecorder();
  client.watch(own('agent'), 'secret', 's', new Recorder());
  client.watchAll(ADS, 'cluster', clusters);
  const [secrets, ads] = [await server.stream(), await server.stream()];
  await secrets.next();
  secrets.say('cluster', { resources: ['a'] });
  assert.match((await reasonOf(secrets)) ?? '', /Cluster, which was not asked for on this stream/);
  await ads.next();
  ads.say('listener', { resources: ['l'] });
  ads.say('cluster', { typeUrl: 'type.googleapis.com/some.Type', resources: ['a'] });
  ads.say('cluster', { resources: ['a'] });
  assert.equal((await ads.next()).response_nonce, '3');
  assert.deepEqual(clusters.told, ['a@1']);
  assert.equal(log.lines.filter((line) => line.includes('is ignored')).length, 2);
  client.close();
});

test('bytes that are no response end the stream, and another is opened', async () => {
  const { client, server, stream, clock, listeners } = await listening();
  stream.raw.send(Buffer.of(0x0a, 200));
  await assert.rejects(stream.next());
  await rest();
  clock.pass(250);
  const next = await server.stream();
  await next.next();
  next.say('listener', { resources: ['l'] });
  await next.next();
  assert.deepEqual(listeners.told, ['l@1']);
  client.close();
});

test('a resource that is accepted but cannot be used by who comes late is said in the log', async () => {
  const { client, server, log } = new ClientGround();
  client.watch(ADS, 'route', 'r', new Recorder());
  const stream = await server.stream();
  await stream.next();
  stream.say('route', { resources: ['r'] });
  await stream.next();
  const late = new Recorder();
  late.issues = [{ path: 'vhds', message: 'bad' }];
  client.watch(ADS, 'route', 'r', late);
  assert.match(log.lines.join('\n'), /cannot be used here .*route r: vhds: bad/);
  client.close();
});

test('the text of a refusal fits into a message and is well-formed, whatever it tells of', () => {
  const issue = { name: 'l', path: 'p', message: 'm' };
  const many = refusalText(
    'listener',
    Array.from({ length: 5000 }, () => issue),
  );
  assert.match(many, /and 4900 more$/);
  const long = refusalText('listener', [{ ...issue, message: `${'x'.repeat(65_519)}${'🜂'.repeat(40_000)}` }]);
  assert.ok(long.length <= 65_536 && long.isWellFormed());
  assert.equal(refusalText('secret', [{ name: '', path: '', message: 'no' }]), 'secret without a name: no');
});

test('no bytes of a server bring the client down', { timeout: 60_000 }, async () => {
  const valid = (name: string) =>
    encodeUnknown('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
      type_url: LISTENER,
      nonce: 'n',
      removed_resources: ['x'],
      resources: [{ name, version: '1', resource: resourceOf('listener', name, { stat_prefix: 'some text' }) }],
    });
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.tuple(fc.nat(), fc.nat(255), fc.string()).map(([at, byte, name]) => {
      const response = Buffer.from(valid(name.toWellFormed()));
      response[at % response.length] = byte;
      return response;
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(bytes, { minLength: 1, maxLength: 4 }), async (messages) => {
      const { client, server, stream, listeners, clock } = await listening();
      for (const message of messages) stream.raw.send(message);
      await rest();
      clock.pass(30_000);
      const last = server.opened > 1 ? await server.stream() : stream;
      last.say('listener', { resources: [{ name: 'last', version: 'last' }] });
      await rest();
      client.close();
      assert.ok(listeners.told.some((told) => told.includes('last@last')));
    }),
    { numRuns: 150 },
  );
});
