import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { logContract, stateContract } from '../contract-suite/ground.ts';
import { busContractSuite, type Ground } from '../contract-suite.ts';
import type { Bus } from '../index.ts';
import { SILENT } from '../log-sink.ts';
import { type NatsNode, type NatsServers, startNats } from '../testing/nats-fixture.ts';
import { openLink } from './connect.ts';
import { openNatsBus } from './index.ts';
import { JetStream } from './jetstream.ts';
import { logPlace, statePlace } from './streams.ts';

const LIMIT_BYTES = 8 * 1024 * 1024;
let servers: NatsServers | undefined;
before(async () => {
  servers = await startNats({ cluster: 3, maxPayloadBytes: LIMIT_BYTES });
});
after(() => servers?.close());

function running(): NatsServers {
  return servers ?? assert.fail('the servers do not run');
}

/** Each client on another node than the one before. */
async function open(): Promise<Ground> {
  const opened: Bus[] = [];
  const another = async (): Promise<Bus> => {
    const { urls } = running();
    const bus = await openNatsBus({
      servers: [urls[opened.length % urls.length] ?? ''],
      name: 'contract-suite',
      connectTimeoutMs: 30_000,
      operationTimeoutMs: 45_000,
    });
    opened.push(bus);
    return bus;
  };
  const bus = await another();
  return {
    bus,
    other: another,
    async reopen() {
      await bus.close();
      return another();
    },
    limitBytes: LIMIT_BYTES,
    async close() {
      await Promise.all(opened.map((one) => one.close()));
    },
  };
}

busContractSuite('a cluster of three nats-servers', open);

async function leaderOf(stream: string): Promise<{ readonly leader: NatsNode; readonly others: readonly NatsNode[] }> {
  const { nodes, urls } = running();
  const link = await openLink({ servers: urls, name: 'who leads', connectTimeoutMs: 30_000 }, SILENT);
  try {
    const info: { cluster?: { leader?: string }; config: { num_replicas: number } } = await new JetStream(
      link,
    ).streamInfo(stream);
    assert.equal(info.config.num_replicas, 3);
    const leader = nodes.find(({ name }) => name === info.cluster?.leader) ?? assert.fail('nobody leads');
    return { leader, others: nodes.filter((node) => node !== leader) };
  } finally {
    await link.close();
  }
}

/** What one watcher was told, and when. */
interface Told {
  readonly texts: string[];
  readonly times: number[];
}

type NoteEvents = AsyncIterable<{ readonly type: string; readonly value?: { readonly text: string } }>;

async function follow(events: NoteEvents, told: Told): Promise<void> {
  for await (const event of events) {
    if (!event.value) continue;
    told.texts.push(event.value.text);
    told.times.push(performance.now());
  }
}

/** When the watcher was first told that write or a later one: of several to one key it may be told the last alone. */
function timeOf({ texts, times }: Told, write: string): number {
  return times[texts.findIndex((text) => Number(text) >= Number(write))] ?? Number.POSITIVE_INFINITY;
}

/** Writes on and on until aborted; gives when each write was acknowledged. */
async function writeOn(write: (text: string) => Promise<number>, over: AbortSignal): Promise<Map<string, number>> {
  const acknowledged = new Map<string, number>();
  for (let count = 1; !over.aborted; count++) {
    await write(`${count}`);
    acknowledged.set(`${count}`, performance.now());
    await delay(10);
  }
  return acknowledged;
}

async function surviveLossOfLeader(t: TestContext, kind: 'log' | 'state', how: 'kill' | 'stop'): Promise<void> {
  const [logOf, stateOf] = [logContract(), stateContract()];
  const stream = kind === 'log' ? logPlace(logOf.name).stream : statePlace(stateOf.name).stream;
  const maker = await openNatsBus({
    servers: running().urls,
    name: 'maker',
    connectTimeoutMs: 30_000,
    operationTimeoutMs: 45_000,
  });
  await (kind === 'log' ? maker.log(logOf).append({ text: '0' }) : maker.state(stateOf).put('k', { text: '0' }));
  await maker.close();
  const { leader, others } = await leaderOf(stream);
  const buses = await Promise.all(
    [...others, ...others].map(({ url }) => openNatsBus({ servers: [url], name: 'test', operationTimeoutMs: 60_000 })),
  );
  const [writer = assert.fail(), ...watchers] = buses;
  const [writing, watching] = [new AbortController(), new AbortController()];
  try {
    const all: Told[] = watchers.map(() => ({ texts: [], times: [] }));
    const follows = watchers.map((bus, index) =>
      follow(
        kind === 'log' ? bus.log(logOf).watch(watching.signal) : bus.state(stateOf).watch(watching.signal),
        all[index] ?? assert.fail(),
      ),
    );
    const write = (text: string): Promise<number> =>
      kind === 'log' ? writer.log(logOf).append({ text }) : writer.state(stateOf).put(`k${Number(text) % 7}`, { text });
    const written = writeOn(write, writing.signal);
    await delay(500);
    const lostAt = performance.now();
    await leader[how]();
    await delay(9_000);
    writing.abort();
    const acknowledged = await written;
    const last = `${acknowledged.size}`;
    const deadline = performance.now() + 30_000;
    while (!all.every(({ texts }) => texts.includes(last)) && performance.now() < deadline) await delay(20);
    watching.abort();
    await Promise.all(follows);
    const [text, at] = firstAfterGap(acknowledged);
    const lateMs = all.map((told) => Math.round(timeOf(told, text) - at));
    t.diagnostic(
      `${kind}: ${how} of the leader: writes resumed after ${Math.round(at - lostAt)} ms; ` +
        `watchers told that write ${lateMs.join(', ')} ms after its acknowledgement`,
    );
    for (const { texts } of all) {
      if (kind === 'log') assert.deepEqual(texts, ['0', ...acknowledged.keys()], 'each entry once, in order');
      else assert.deepEqual(texts, [...new Set(texts)], 'nothing twice');
      assert.equal(texts.at(-1), last);
    }
    for (const late of lateMs) assert.ok(late < 10_000, `a watcher went on only ${late} ms after writes did`);
  } finally {
    writing.abort();
    watching.abort();
    await Promise.all(buses.map((bus) => bus.close()));
    await leader.start();
  }
}

/** The write that was acknowledged after the longest time without one. */
function firstAfterGap(acknowledged: ReadonlyMap<string, number>): readonly [string, number] {
  const all = [...acknowledged];
  const gaps = all.map(([, at], index) => at - (all[index - 1]?.[1] ?? at));
  return all[gaps.indexOf(Math.max(...gaps))] ?? assert.fail('nothing was written');
}

for (const kind of ['state', 'log'] as const) {
  for (const how of ['kill', 'stop'] as const) {
    test(`a ${kind} watch goes on when the stream’s leader is lost (${how})`, { timeout: 180_000 }, (t) =>
      surviveLossOfLeader(t, kind, how),
    );
  }
}
