import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { State } from '@weft/bus';
import { WeftError } from '@weft/contracts/error';
import { eventually } from '../testing/ground.ts';
import { OwnedEntry } from './entry.ts';

type Store = Pick<State<{ readonly n: number }>, 'put' | 'delete'>;

/** One key of a state that can be slow or fail on demand. */
class FakeState implements Store {
  value: number | undefined;
  revision = 0;
  writes: string[] = [];
  failures: WeftError[] = [];
  hold: Promise<void> = Promise.resolve();

  async #change(text: string, value: number | undefined, expected: number | undefined): Promise<number> {
    await this.hold;
    const failure = this.failures.shift();
    if (failure) throw failure;
    if (expected !== undefined && expected !== this.revision) throw new WeftError('ABORTED', 'another wrote it');
    this.writes.push(text);
    this.value = value;
    return ++this.revision;
  }

  put(_key: string, { n }: { readonly n: number }, { expectedRevision }: { readonly expectedRevision?: number } = {}) {
    return this.#change(`put ${n}`, n, expectedRevision);
  }

  delete(_key: string, { expectedRevision }: { readonly expectedRevision?: number } = {}) {
    return this.#change('delete', undefined, expectedRevision);
  }
}

function open(pauseMs = 60_000) {
  const state = new FakeState();
  const troubles: unknown[] = [];
  const onTrouble = (_key: string, error: unknown) => troubles.push(error);
  const entry = new OwnedEntry<{ readonly n: number }>({ state, key: 'k', pauseMs, now: () => Date.now(), onTrouble });
  const written = (text: string) => eventually(text, () => (state.writes.includes(text) ? true : undefined));
  return { state, entry, troubles, written };
}

test('what is not urgent waits for the pause, and the newest is written', async () => {
  const { state, entry, written } = open(100);
  entry.put({ n: 1 }, 'gather');
  await written('put 1');
  entry.put({ n: 2 }, 'gather');
  entry.put({ n: 3 }, 'gather');
  await written('put 3');
  assert.deepEqual(state.writes, ['put 1', 'put 3']);
  await entry.end();
});

test('what is urgent is written at once, also while another write runs', async () => {
  const { state, entry, written } = open();
  const { promise, resolve: release } = Promise.withResolvers<void>();
  state.hold = promise;
  entry.put({ n: 1 }, 'now');
  await new Promise((resolve) => setTimeout(resolve, 20));
  entry.put({ n: 2 }, 'now');
  release();
  await written('put 2');
  await entry.end();
});

test('the same value is not written twice', async () => {
  const { state, entry, written } = open();
  entry.put({ n: 1 }, 'now');
  await written('put 1');
  await new Promise((resolve) => setTimeout(resolve, 10));
  entry.put({ n: 1 }, 'now');
  await entry.end();
  assert.deepEqual(state.writes, ['put 1']);
});

test('what failed is written again, and told', async () => {
  const { state, entry, troubles, written } = open(20);
  state.failures.push(new WeftError('UNAVAILABLE', 'no bus'));
  entry.put({ n: 1 }, 'now');
  await written('put 1');
  assert.equal(troubles.length, 1);
  await entry.end();
});

test('what another instance wrote since is left alone', async () => {
  const { state, entry, written, troubles } = open();
  entry.put({ n: 1 }, 'now');
  await written('put 1');
  await state.put('k', { n: 100 });
  entry.put({ n: 2 }, 'now', { own: false });
  await new Promise((resolve) => setTimeout(resolve, 20));
  entry.delete();
  await entry.end();
  assert.deepEqual([state.value, troubles], [100, []]);
});

test('an entry that was never written does not take the place of another’s', async () => {
  const { state, entry } = open();
  await state.put('k', { n: 100 });
  entry.put({ n: 1 }, 'now', { own: false });
  await entry.end();
  assert.equal(state.value, 100);
});

test('a deletion that is asked for while the value is written follows it', async () => {
  const { state, entry, written } = open();
  entry.put({ n: 1 }, 'now');
  entry.delete();
  await entry.end();
  assert.deepEqual(state.writes, [], 'nothing was there to delete');
  const second = open();
  second.entry.put({ n: 1 }, 'now');
  await second.written('put 1');
  second.entry.delete();
  await second.written('delete');
  await second.entry.end();
  assert.equal(written.length, 1);
});

test('the end writes what is left', async () => {
  const { state, entry, written } = open();
  entry.put({ n: 1 }, 'now');
  await written('put 1');
  entry.put({ n: 2 }, 'gather');
  await entry.end();
  assert.deepEqual(state.writes, ['put 1', 'put 2']);
});
