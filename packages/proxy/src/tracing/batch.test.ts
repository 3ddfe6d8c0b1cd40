import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../cluster/testing/cluster.ts';
import { ManualClock } from '../xds/testing/manual-clock.ts';
import { Batch } from './batch.ts';
import type { Span } from './span.ts';

const span = (name: string): Span => ({
  context: { traceId: '1', spanId: '2', parentId: undefined, isSampled: true, state: '', isRemote: false },
  name,
  kind: 'server',
  hasRemoteParent: false,
  startMs: 0,
  endMs: 1,
  tags: [],
  events: [],
  isError: false,
});

interface Sent {
  readonly names: readonly string[];
  readonly done: () => void;
}

function ground(maxWaiting = 100) {
  const clock = new ManualClock();
  const sent: Sent[] = [];
  const counts = { dropped: 0, timer: 0 };
  const batch = new Batch({
    clock,
    maxWaiting,
    send: (spans) =>
      new Promise((resolve) => {
        sent.push({ names: spans.map(({ name }) => name), done: resolve });
      }),
    onDropped: () => counts.dropped++,
    onTimer: () => counts.timer++,
  });
  const add = (...names: readonly string[]) => {
    for (const name of names) batch.add(span(name));
  };
  return { clock, sent, counts, batch, add };
}

test('a few spans wait for others, and for five seconds at most', () => {
  const { clock, sent, counts, add } = ground();
  add('a', 'b');
  clock.pass(4999);
  assert.equal(sent.length, 0);
  clock.pass(1);
  assert.deepEqual(sent[0]?.names, ['a', 'b']);
  assert.equal(counts.timer, 1);
});

test('five go at once, with what the same turn still brings', async () => {
  const { sent, add } = ground();
  add('a', 'b', 'c', 'd', 'e', 'f');
  await until(() => sent.length > 0);
  assert.deepEqual(sent[0]?.names, ['a', 'b', 'c', 'd', 'e', 'f']);
});

test('one batch is under way at a time; what comes meanwhile goes after it', async () => {
  const { sent, add } = ground();
  add('a', 'b', 'c', 'd', 'e');
  await until(() => sent.length === 1);
  add('f', 'g', 'h', 'i', 'j');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(sent.length, 1);
  sent[0]?.done();
  await until(() => sent.length === 2);
  assert.deepEqual(sent[1]?.names, ['f', 'g', 'h', 'i', 'j']);
});

test('beyond the limit spans are thrown away and counted, so that a slow collector costs no memory', async () => {
  const { sent, counts, add } = ground(7);
  add('a', 'b', 'c', 'd', 'e');
  await until(() => sent.length === 1);
  add(...'0123456789'.split(''));
  assert.equal(counts.dropped, 3);
});

test('what waits as the batch is closed is sent; nothing after that', () => {
  const { sent, counts, batch, add } = ground();
  add('a');
  batch.close();
  add('b');
  assert.deepEqual(
    sent.map(({ names }) => names),
    [['a']],
  );
  assert.equal(counts.dropped, 1);
});
