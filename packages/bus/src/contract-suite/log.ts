import assert from 'node:assert/strict';
import type { Log } from '../index.ts';
import {
  brief,
  isSynced,
  iterate,
  logContract,
  type Note,
  type OpenGround,
  onGround,
  outcomes,
  take,
} from './ground.ts';

async function readAll(log: Log<Note>, options?: { readonly from?: number; readonly to?: number }): Promise<string[]> {
  const found: string[] = [];
  for await (const { sequence, value } of log.read(options)) found.push(`${sequence} ${value.text}`);
  return found;
}

/** What the doc comments of `Log` promise. */
export function logSuite(open: OpenGround): void {
  onGround(open, 'sequences begin at 1 and have no gaps', async ({ bus, other }) => {
    const contract = logContract();
    const log = bus.log(contract);
    assert.equal(await log.last(), 0);
    assert.deepEqual(await readAll(log), []);
    assert.equal(await log.append({ text: 'a' }), 1);
    assert.equal(await log.append({ text: 'b' }, { expectedSequence: 1 }), 2);
    assert.equal(await log.append({ text: 'c' }), 3);
    assert.equal(await log.last(), 3);
    assert.deepEqual(await readAll((await other()).log(contract)), ['1 a', '2 b', '3 c']);
  });

  onGround(open, 'an append at another sequence than the newest is ABORTED and leaves no gap', async ({ bus }) => {
    const log = bus.log(logContract());
    const aborted = { name: 'WeftError', code: 'ABORTED', message: /^the log suite-\w+ was expected to end at/ };
    await assert.rejects(log.append({ text: 'x' }, { expectedSequence: 1 }), aborted);
    assert.equal(await log.append({ text: 'a' }, { expectedSequence: 0 }), 1);
    await assert.rejects(log.append({ text: 'x' }, { expectedSequence: 0 }), aborted);
    await assert.rejects(log.append({ text: 'x' }, { expectedSequence: 2 }), aborted);
    assert.equal(await log.append({ text: 'b' }, { expectedSequence: 1 }), 2);
    assert.deepEqual(await readAll(log), ['1 a', '2 b']);
  });

  onGround(open, 'of several that append at one sequence exactly one wins', async ({ bus, other }) => {
    const contract = logContract();
    const logs = [bus.log(contract), (await other()).log(contract)];
    for (let round = 0; round < 5; round++) {
      const races = Array.from({ length: 8 }, (_, index) =>
        (logs[index % 2] ?? assert.fail()).append({ text: `${round}.${index}` }, { expectedSequence: round }),
      );
      assert.deepEqual(await outcomes(races), { fulfilled: 1, codes: Array(7).fill('ABORTED') });
    }
    assert.equal(await logs[0]?.last(), 5);
  });

  onGround(open, 'appends at once each get a sequence of their own', async ({ bus, other }) => {
    const contract = logContract();
    const logs = [bus.log(contract), (await other()).log(contract)];
    const appends = Array.from({ length: 40 }, (_, index) => logs[index % 2]?.append({ text: `${index}` }));
    const sequences = (await Promise.all(appends)).map(Number).sort((x, y) => x - y);
    assert.deepEqual(
      sequences,
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
    assert.equal((await readAll(bus.log(contract))).length, 40);
  });
}

/** What the doc comments of `Log` promise of reading. */
export function logReadSuite(open: OpenGround): void {
  onGround(
    open,
    'a part is read, inclusive at both ends, also where it is cut by the ends of the log',
    async ({ bus }) => {
      const log = bus.log(logContract());
      for (let index = 1; index <= 100; index++) await log.append({ text: `${index}` });
      assert.deepEqual(await readAll(log, { from: 42, to: 44 }), ['42 42', '43 43', '44 44']);
      assert.deepEqual(await readAll(log, { to: 2 }), ['1 1', '2 2']);
      assert.deepEqual(await readAll(log, { from: 99, to: 1000 }), ['99 99', '100 100']);
      assert.deepEqual(await readAll(log, { from: 101 }), []);
      assert.deepEqual(await readAll(log, { from: 5, to: 4 }), []);
      assert.equal((await readAll(log)).length, 100);
    },
  );

  onGround(open, 'large entries are kept whole, and those over the limit refused with both sizes', async (ground) => {
    const log = ground.bus.log(logContract());
    const large = 'x'.repeat(ground.limitBytes - 1024);
    await log.append({ text: large });
    const size = ground.limitBytes + 1;
    const refused = { code: 'RESOURCE_EXHAUSTED', message: new RegExp(`${size} bytes, .* ${ground.limitBytes} bytes`) };
    await assert.rejects(log.append({ text: 'x'.repeat(size) }), refused);
    assert.deepEqual(await readAll(log), [`1 ${large}`]);
  });
}

/** What the doc comments of `Log` promise of watches. */
export function logWatchSuite(open: OpenGround): void {
  onGround(
    open,
    'a watch tells the entries, synced once, then each new one, all once and in order',
    async (ground, signal) => {
      const contract = logContract();
      const log = ground.bus.log(contract);
      await log.append({ text: 'a' });
      await log.append({ text: 'b' });
      const watches = [log, (await ground.other()).log(contract)].map((one) => iterate(one.watch(signal)));
      const later = iterate(log.watch(signal, { from: 2 }));
      const ahead = iterate(log.watch(signal, { from: 4 }));
      for (const watch of watches) assert.deepEqual((await take(watch, isSynced)).map(brief), ['1 a', '2 b', 'synced']);
      assert.deepEqual((await take(later, isSynced)).map(brief), ['2 b', 'synced']);
      assert.deepEqual(await take(ahead, isSynced), [{ type: 'synced', sequence: 2 }]);
      const appends = Array.from({ length: 100 }, (_, index) => log.append({ text: `${index}` }));
      await Promise.all(appends);
      for (const [watch, first, count] of [...watches.map((one) => [one, 3, 100] as const), [later, 3, 100] as const]) {
        const told = await take(watch, count);
        const sequences = told.map((event) => (event.type === 'entry' ? event.sequence : 0));
        assert.deepEqual(
          sequences,
          Array.from({ length: 100 }, (_, index) => index + first),
        );
      }
      assert.equal((await take(ahead, 1)).map(brief)[0]?.split(' ')[0], '4');
    },
  );

  onGround(open, 'a watch of an empty log is synced at once and tells the first entry', async ({ bus }, signal) => {
    const log = bus.log(logContract());
    const watch = iterate(log.watch(signal));
    assert.deepEqual(await take(watch, 1), [{ type: 'synced', sequence: 0 }]);
    await log.append({ text: 'a' });
    assert.deepEqual((await take(watch, 1)).map(brief), ['1 a']);
  });

  onGround(open, 'what was acknowledged before a watch is told before synced', async ({ bus, other }, signal) => {
    const contract = logContract();
    const log = bus.log(contract);
    const watcher = (await other()).log(contract);
    for (let index = 1; index <= 20; index++) {
      await log.append({ text: '' });
      assert.equal((await take(iterate(watcher.watch(signal)), isSynced)).length, index + 1);
    }
  });

  onGround(open, 'a watch ends without an error when its signal aborts', async ({ bus }, signal) => {
    const log = bus.log(logContract());
    const abort = new AbortController();
    const watch = iterate(log.watch(AbortSignal.any([signal, abort.signal])));
    await take(watch, isSynced);
    const waiting = watch.next();
    setTimeout(() => abort.abort(), 20);
    assert.deepEqual(await waiting, { done: true, value: undefined });
    assert.deepEqual(await take(iterate(log.watch(abort.signal)), 1), []);
  });
}
