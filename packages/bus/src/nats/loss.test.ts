import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  brief,
  callContract,
  eventContract,
  isSynced,
  iterate,
  logContract,
  type Note,
  stateContract,
  take,
} from '../contract-suite/ground.ts';
import type { Bus } from '../index.ts';
import { SILENT } from '../log-sink.ts';
import { type NatsServers, startNats } from '../testing/nats-fixture.ts';
import { type Cuttable, cuttable } from '../testing/tcp-cut.ts';
import { openLink } from './connect.ts';
import { openNatsBus } from './index.ts';
import { headersOf } from './jetstream.ts';
import type { NatsBusOptions } from './options.ts';
import { logPlace, statePlace } from './streams.ts';

const LONG = { timeout: 120_000 };

async function server(t: TestContext): Promise<NatsServers> {
  const servers = await startNats();
  t.after(() => servers.close());
  return servers;
}

async function client(t: TestContext, urls: readonly string[], options: Partial<NatsBusOptions> = {}): Promise<Bus> {
  const bus = await openNatsBus({ servers: urls, name: 'test', operationTimeoutMs: 60_000, ...options });
  t.after(() => bus.close());
  return bus;
}

/** A way to the server that can be cut, and a bus over it. */
async function awayable(
  t: TestContext,
  servers: NatsServers,
  markerLifeMs = 3_600_000,
): Promise<readonly [Bus, Cuttable]> {
  const way = await cuttable(Number(new URL(servers.urls[0] ?? '').port));
  t.after(() => way.close());
  return [await client(t, [`nats://127.0.0.1:${way.port}`], { markerLifeMs }), way];
}

async function untilTrouble(bus: Bus, isExpected: boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while ((bus.trouble() !== undefined) !== isExpected && performance.now() < deadline) await delay(10);
  assert.equal(bus.trouble() !== undefined, isExpected);
}

test('a server that is killed and started again loses nothing, and everything goes on by itself', LONG, async (t) => {
  const servers = await server(t);
  const [node = assert.fail()] = servers.nodes;
  const [bus, watcher] = [await client(t, servers.urls), await client(t, servers.urls)];
  const over = new AbortController();
  t.after(() => over.abort());
  const [logOf, stateOf, callOf, eventOf] = [logContract(), stateContract(), callContract(), eventContract()];
  const [log, state] = [bus.log(logOf), bus.state(stateOf)];
  await bus.serve(callOf, async ({ text }) => ({ text: `${text}!` }), over.signal);
  const heard = Promise.withResolvers<Note>();
  await watcher.subscribe(eventOf, (event) => heard.resolve(event), over.signal);
  await log.append({ text: 'a' });
  const first = await state.put('a', { text: '1' });
  const logWatch = iterate(watcher.log(logOf).watch(over.signal));
  const stateWatch = iterate(watcher.state(stateOf).watch(over.signal));
  await take(logWatch, isSynced);
  await take(stateWatch, isSynced);

  await node.kill();
  await untilTrouble(bus, true);
  assert.match(bus.trouble() ?? '', /^no connection to NATS at nats:\/\/127\.0\.0\.1:\d+ since 20/);
  const waiting = [
    log.append({ text: 'b' }, { expectedSequence: 1 }),
    state.put('a', { text: '2' }, { expectedRevision: first }),
  ];
  bus.publish(eventOf, { text: 'lost' });
  await delay(300);
  await node.start();
  assert.deepEqual(await Promise.all(waiting), [2, 2], 'what was asked for meanwhile is done once');
  await untilTrouble(bus, false);
  assert.deepEqual((await take(logWatch, 1)).map(brief), ['2 b']);
  assert.deepEqual((await take(stateWatch, 1)).map(brief), ['put a=2']);
  assert.deepEqual(await watcher.call(callOf, { text: 'again' }, { timeoutMs: 30_000 }), { text: 'again!' });
  const hello = setInterval(() => bus.publish(eventOf, { text: 'hello' }), 50);
  assert.deepEqual(await heard.promise.finally(() => clearInterval(hello)), { text: 'hello' });
});

test('without a server, reads and writes fail when their time is up, and calls too', LONG, async (t) => {
  const servers = await server(t);
  const bus = await client(t, servers.urls, { operationTimeoutMs: 800 });
  const [state, log] = [bus.state(stateContract()), bus.log(logContract())];
  await state.put('a', { text: '1' });
  await log.append({ text: '1' });
  await servers.nodes[0]?.kill();
  const failed = { name: 'WeftError', code: 'UNAVAILABLE', message: /NATS did not do it within 800 ms/ };
  await assert.rejects(state.put('a', { text: '2' }), { ...failed, retryable: true });
  await assert.rejects(state.put('a', { text: '2' }, { expectedRevision: 1 }), failed);
  await assert.rejects(state.get('a'), failed);
  await assert.rejects(log.append({ text: 'a' }), { ...failed, retryable: false });
  await assert.rejects(log.last(), failed);
  await assert.rejects(bus.call(callContract(), { text: '' }, { timeoutMs: 300 }), {
    code: 'UNAVAILABLE',
    message: /was not made: no connection to NATS/,
    retryable: true,
  });
  const over = new AbortController();
  const watch = iterate(state.watch(over.signal));
  const next = watch.next();
  setTimeout(() => over.abort(), 100);
  assert.deepEqual(
    await next,
    { done: true, value: undefined },
    'a watch ends at once also when it waits for a server',
  );
});

test('a watch that was away is told what changed and what is gone', LONG, async (t) => {
  const servers = await server(t);
  const [bus, over, stateOf] = [await client(t, servers.urls), new AbortController(), stateContract()];
  t.after(() => over.abort());
  const state = bus.state(stateOf);
  for (const key of ['a', 'b', 'c']) await state.put(key, { text: '1' });
  const [away, way] = await awayable(t, servers);
  const watch = iterate(away.state(stateOf).watch(over.signal));
  await take(watch, isSynced);
  way.cut();
  await untilTrouble(away, true);
  await state.put('a', { text: '2' });
  await state.put('a', { text: '3' });
  await state.delete('b');
  await state.put('short', { text: '' });
  await state.delete('short');
  way.mend();
  assert.deepEqual((await take(watch, 2)).map(brief), ['put a=3', 'delete b']);
  await state.put('d', { text: 'last' });
  assert.deepEqual((await take(watch, 1)).map(brief), ['put d=last'], 'and of c, which did not change, nothing');
});

test('a watch that was away for longer than markers live is told what is gone all the same', LONG, async (t) => {
  const servers = await server(t);
  const markerLifeMs = 1_000;
  const bus = await client(t, servers.urls, { markerLifeMs });
  const [over, stateOf] = [new AbortController(), stateContract()];
  t.after(() => over.abort());
  const state = bus.state(stateOf);
  for (const key of ['a', 'b']) await state.put(key, { text: '1' });
  const [away, way] = await awayable(t, servers, markerLifeMs);
  const watch = iterate(away.state(stateOf).watch(over.signal));
  await take(watch, isSynced);
  way.cut();
  await untilTrouble(away, true);
  await state.delete('b');
  const link = await openLink({ servers: servers.urls, name: 'test' }, SILENT);
  t.after(() => link.close());
  const countOf = async (): Promise<number> => {
    const answer = await link.connection.request(`$JS.API.STREAM.INFO.${statePlace(stateOf.name).stream}`);
    return answer.json<{ state: { messages: number } }>().state.messages;
  };
  const deadline = performance.now() + 30_000;
  while ((await countOf()) > 1 && performance.now() < deadline) await delay(50);
  assert.equal(await countOf(), 1, 'the marker is gone');
  way.mend();
  assert.deepEqual((await take(watch, 1)).map(brief), ['delete b']);
  const fresh = await take(iterate(bus.state(stateOf).watch(over.signal)), isSynced);
  assert.deepEqual(fresh.map(brief), ['put a=1', 'synced'], 'synced also where the newest message has expired');
  assert.equal(fresh[1]?.revision, 3);
});

test('a bucket that was made anew is told again, and what it lacks as deleted', LONG, async (t) => {
  const servers = await server(t);
  const [bus, over, stateOf] = [await client(t, servers.urls), new AbortController(), stateContract()];
  t.after(() => over.abort());
  const state = bus.state(stateOf);
  await state.put('a', { text: 'old' });
  await state.put('gone', { text: 'old' });
  const watch = iterate(state.watch(over.signal));
  await take(watch, isSynced);
  const link = await openLink({ servers: servers.urls, name: 'test' }, SILENT);
  t.after(() => link.close());
  await link.connection.request(`$JS.API.STREAM.DELETE.${statePlace(stateOf.name).stream}`, '', { timeout: 5_000 });
  await state.put('a', { text: 'new' });
  assert.deepEqual((await take(watch, 2)).map(brief).sort(), ['delete gone', 'put a=new']);
  await state.put('b', { text: 'more' });
  assert.deepEqual((await take(watch, 1)).map(brief), ['put b=more']);
});

test('a log that was replaced or cut ends its watch with DATA_LOSS', LONG, async (t) => {
  const servers = await server(t);
  const [bus, over] = [await client(t, servers.urls), new AbortController()];
  t.after(() => over.abort());
  const link = await openLink({ servers: servers.urls, name: 'test' }, SILENT);
  t.after(() => link.close());
  const logOf = logContract();
  const log = bus.log(logOf);
  await log.append({ text: 'a' });
  await log.append({ text: 'b' });
  const watch = iterate(log.watch(over.signal));
  await take(watch, isSynced);
  const { stream } = logPlace(logOf.name);
  for (const [subject, body] of [
    [`$JS.API.STREAM.PURGE.${stream}`, '{}'],
    [`$JS.API.STREAM.MSG.DELETE.${stream}`, '{"seq":1}'],
  ] as const) {
    const answer = await link.connection.request(subject, body, { timeout: 5_000 });
    assert.ok(answer.json<{ error?: object }>().error, 'nobody can cut a log that the bus made');
  }
  await link.connection.request(`$JS.API.STREAM.DELETE.${stream}`, '', { timeout: 5_000 });
  await log.append({ text: 'c' });
  const replaced = {
    name: 'WeftError',
    code: 'DATA_LOSS',
    message: /^the log \S+ was replaced: it had been read to 2/,
  };
  await assert.rejects(watch.next(), replaced);
});

test('a write whose answer was lost is done once', LONG, async (t) => {
  const servers = await server(t);
  const [away, way] = await awayable(t, servers);
  const logOf = logContract();
  const log = away.log(logOf);
  for (let count = 0; count < 20; count++) {
    const append = log.append({ text: `${count}` }, { expectedSequence: count });
    // Cut at another moment each time: before, while and after the server stores it.
    await new Promise((resolve) => (count % 2 ? setImmediate(resolve) : process.nextTick(resolve)));
    if (count % 5 === 4) await delay(1);
    way.cut();
    await delay(5);
    way.mend();
    assert.equal(await append, count + 1);
  }
  const texts: string[] = [];
  for await (const { value } of log.read()) texts.push(value.text);
  assert.deepEqual(
    texts,
    Array.from({ length: 20 }, (_, count) => `${count}`),
  );
});

test('a stream that is there is used as it is', LONG, async (t) => {
  const servers = await server(t);
  const link = await openLink({ servers: servers.urls, name: 'test' }, SILENT);
  t.after(() => link.close());
  const stateOf = stateContract();
  const { stream, subjects } = statePlace(stateOf.name);
  const config = { name: stream, subjects: [subjects], max_msgs_per_subject: 5, storage: 'memory' };
  await link.connection.request(`$JS.API.STREAM.CREATE.${stream}`, JSON.stringify(config), { timeout: 5_000 });
  const state = (await client(t, servers.urls)).state(stateOf);
  const put = await state.put('a', { text: '1' });
  assert.ok((await state.delete('a')) > put, 'also where messages cannot expire');
  assert.equal(await state.get('a'), undefined);
  assert.equal(await state.put('a', { text: '2' }, { expectedRevision: 0 }), put + 2);
});

test('an event, and a call, that cannot be read harm nobody', LONG, async (t) => {
  const servers = await server(t);
  const [bus, over] = [await client(t, servers.urls), new AbortController()];
  t.after(() => over.abort());
  const link = await openLink({ servers: servers.urls, name: 'test' }, SILENT);
  t.after(() => link.close());
  const strict = (text: string): Note => (text.startsWith('good') ? { text } : assert.fail('not a note'));
  const eventOf = { ...eventContract() };
  const value = { ...eventOf.value, decode: (bytes: Uint8Array) => strict(Buffer.from(bytes).toString()) };
  const heard = Promise.withResolvers<Note>();
  await bus.subscribe({ ...eventOf, value }, (event) => heard.resolve(event), over.signal);
  const callOf = { ...callContract(), request: value };
  await bus.serve(callOf, async (note) => note, over.signal);
  link.connection.publish(`weft.event.${eventOf.name}`, 'bad');
  link.connection.publish(`weft.event.${eventOf.name}`, 'good');
  assert.deepEqual(await heard.promise, { text: 'good' });
  const answer = await link.connection.request(`weft.call.${callOf.name}`, 'bad', {
    timeout: 5_000,
    headers: headersOf({ 'Weft-Timeout-Ms': 'soon' }),
  });
  assert.equal(answer.headers?.get('Weft-Error-Code'), 'INTERNAL');
  assert.deepEqual(await bus.call(callOf, { text: 'good' }), { text: 'good' });
});
