import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Entry, State } from '@weft/bus';
import { Edge } from '@weft/contracts/bus';
import { WeftError } from '@weft/contracts/error';
import type { Call, EdgeName } from './calls.ts';
import { DURATION_BOUNDS_MS } from './counts.ts';
import { Edges, OVERFLOW } from './edges.ts';

type Failure = 'before the write' | 'after the write';

/** A state in memory that fails on demand. */
class FlakyState implements State<Edge> {
  readonly entries = new Map<string, Entry<Edge>>();
  readonly failures: Failure[] = [];
  #revision = 0;

  async get(key: string): Promise<Entry<Edge> | undefined> {
    return this.entries.get(key);
  }

  async list(): Promise<readonly Entry<Edge>[]> {
    return [...this.entries.values()];
  }

  async put(key: string, value: Edge, options: { readonly expectedRevision?: number } = {}): Promise<number> {
    const failure = this.failures.shift();
    const unreachable = new WeftError('DEADLINE_EXCEEDED', 'the bus did not answer');
    if (failure === 'before the write') throw unreachable;
    const stands = this.entries.get(key)?.revision ?? 0;
    if (options.expectedRevision !== undefined && options.expectedRevision !== stands) {
      throw new WeftError('ABORTED', `${key} is at revision ${stands}`);
    }
    const revision = ++this.#revision;
    this.entries.set(key, { key, value: Edge.decode(Edge.encode(value)), revision });
    if (failure === 'after the write') throw unreachable;
    return revision;
  }

  async delete(key: string): Promise<number> {
    this.entries.delete(key);
    return ++this.#revision;
  }

  // biome-ignore lint/correctness/useYield: nothing watches this state.
  async *watch(): AsyncIterable<never> {
    throw new Error('not watched');
  }
}

const CART_TO_STOCK: EdgeName = {
  source: 'shop/cart',
  destination: 'shop/stock',
  protocol: 'http',
  reporter: 'SOURCE',
};

function call(change: Partial<Call> = {}): Call {
  return {
    edge: CART_TO_STOCK,
    status: '200',
    isError: false,
    durationMs: 3,
    sentBytes: 10,
    receivedBytes: 100,
    sourceIdentity: 'spiffe://mesh.test/ns/shop/sa/cart',
    destinationIdentity: undefined,
    ...change,
  };
}

function only(edges: Edges): Edge {
  const [edge, ...more] = edges.all();
  assert.ok(edge && more.length === 0);
  return edge;
}

test('calls are counted by status, in buckets, with bytes and identities', () => {
  const edges = new Edges(10);
  edges.count(call(), 1000);
  edges.count(call({ status: '503', isError: true, durationMs: 20_000 }), 2000);
  edges.count(call({ durationMs: undefined }), 1500);
  const edge = only(edges);
  assert.equal(edge.requests, 3);
  assert.equal(edge.errors, 1);
  assert.deepEqual({ ...edge.byStatus }, { 200: 2, 503: 1 });
  assert.equal(edge.durationMsSum, 20_003);
  assert.equal(edge.durationBuckets[DURATION_BOUNDS_MS.indexOf(5)], 1);
  assert.equal(edge.durationBuckets.at(-1), 1);
  assert.equal(
    edge.durationBuckets.reduce((all, count) => all + count),
    3,
  );
  assert.deepEqual([edge.sentBytes, edge.receivedBytes], [30, 300]);
  assert.deepEqual(edge.sourceIdentities, ['spiffe://mesh.test/ns/shop/sa/cart']);
});

test('what is written is added to what stands, and counted once', async () => {
  const state = new FlakyState();
  const [here, there] = [new Edges(10), new Edges(10)];
  here.count(call(), 1000);
  there.count(call(), 1000);
  there.count(call(), 1000);
  await Promise.all([here.flush(state), there.flush(state)]);
  const [entry] = state.entries.values();
  assert.equal(entry?.value.requests, 3);
  for (const edges of [here, there]) {
    edges.observe({ type: 'put', ...(entry as Entry<Edge>) });
    assert.equal(only(edges).requests, 3);
  }
});

test('a new instance goes on from what stands', async () => {
  const state = new FlakyState();
  const before = new Edges(10);
  before.count(call(), 1000);
  await before.flush(state);
  const after = new Edges(10);
  for (const entry of state.entries.values()) after.observe({ type: 'put', ...entry });
  after.count(call(), 2000);
  assert.equal(only(after).requests, 2);
  await after.flush(state);
  assert.equal([...state.entries.values()][0]?.value.requests, 2);
});

for (const failure of ['before the write', 'after the write'] as const) {
  test(`when the bus fails ${failure}, nothing is lost and nothing counted twice`, async () => {
    const state = new FlakyState();
    const edges = new Edges(10);
    edges.count(call(), 1000);
    await edges.flush(state);
    edges.count(call(), 2000);
    state.failures.push(failure);
    await assert.rejects(edges.flush(state), { code: 'DEADLINE_EXCEEDED' });
    assert.equal(only(edges).requests, 2);
    edges.count(call(), 3000);
    assert.equal(only(edges).requests, 3);
    await edges.flush(state);
    assert.equal(only(edges).requests, 3);
    assert.equal([...state.entries.values()][0]?.value.requests, 3);
  });
}

test('counts never fall while a write is under way', async () => {
  const state = new FlakyState();
  const edges = new Edges(10);
  edges.count(call(), 1000);
  const flushed = edges.flush(state);
  await Promise.resolve();
  for (const entry of state.entries.values()) edges.observe({ type: 'put', ...entry });
  assert.equal(only(edges).requests, 1);
  await flushed;
  assert.equal(only(edges).requests, 1);
});

test('calls of edges past the maximum go to the edge "other", and are told', () => {
  const edges = new Edges(3);
  for (let index = 0; index < 100; index++) {
    edges.count(call({ edge: { ...CART_TO_STOCK, destination: `shop/s${index}` } }), 1000);
  }
  assert.equal(edges.overflowed, 97);
  const other = [...edges.all()].find(({ source }) => source === OVERFLOW);
  assert.equal(other?.destination, OVERFLOW);
  assert.equal(other?.requests, 97);
  assert.equal([...edges.all()].length, 4);
});

test('statuses and identities of one edge are bounded', () => {
  const edges = new Edges(3);
  for (let index = 100; index < 600; index++) {
    edges.count(call({ status: String(index), sourceIdentity: `spiffe://mesh.test/ns/shop/sa/c${index}` }), 1000);
  }
  const edge = only(edges);
  assert.ok(Object.keys(edge.byStatus).length <= 65);
  assert.equal(edge.byStatus.other, 436);
  assert.equal(edge.sourceIdentities.length, 16);
});
