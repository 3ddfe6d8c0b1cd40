import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { brief, isSynced, iterate, type OpenGround, onGround, outcomes, stateContract, take } from './ground.ts';

/** What the doc comments of `State` promise of values. */
export function stateSuite(open: OpenGround): void {
  onGround(
    open,
    'a value that was put is got with its revision, and what is not there is undefined',
    async ({ bus }) => {
      const state = bus.state(stateContract());
      assert.equal(await state.get('a'), undefined);
      assert.deepEqual(await state.list(), []);
      const revision = await state.put('a', { text: 'one' });
      assert.ok(revision > 0);
      assert.deepEqual(await state.get('a'), { key: 'a', value: { text: 'one' }, revision });
      assert.deepEqual(await state.get('b'), undefined);
    },
  );

  onGround(open, 'revisions grow over the whole state, and the list gives what stands', async ({ bus, other }) => {
    const contract = stateContract();
    const state = bus.state(contract);
    const revisions = [
      await state.put('a', { text: '1' }),
      await state.put('b', { text: '2' }),
      await state.put('a', { text: '3' }),
      await state.put('c', { text: '' }),
      await state.delete('b'),
    ];
    assert.deepEqual(
      revisions,
      [...new Set(revisions)].sort((x, y) => x - y),
    );
    const listed = await (await other()).state(contract).list();
    assert.deepEqual(
      [...listed].sort((x, y) => (x.key < y.key ? -1 : 1)),
      [
        { key: 'a', value: { text: '3' }, revision: revisions[2] },
        { key: 'c', value: { text: '' }, revision: revisions[3] },
      ],
    );
  });

  onGround(open, 'states do not see one another', async ({ bus }) => {
    const [one, two] = [bus.state(stateContract()), bus.state(stateContract())];
    await one.put('a', { text: 'one' });
    assert.equal(await two.get('a'), undefined);
    assert.deepEqual(await two.list(), []);
  });
}

/** What the doc comments of `State` promise of expected revisions. */
export function stateConflictSuite(open: OpenGround): void {
  onGround(open, 'a put over another revision than the expected is ABORTED and changes nothing', async ({ bus }) => {
    const state = bus.state(stateContract());
    const first = await state.put('a', { text: '1' }, { expectedRevision: 0 });
    const aborted = { name: 'WeftError', code: 'ABORTED', message: /^a of the state suite-/ };
    await assert.rejects(state.put('a', { text: 'x' }, { expectedRevision: 0 }), aborted);
    const second = await state.put('a', { text: '2' }, { expectedRevision: first });
    await assert.rejects(state.put('a', { text: 'x' }, { expectedRevision: first }), aborted);
    await assert.rejects(state.put('a', { text: 'x' }, { expectedRevision: second + 10 }), aborted);
    await state.put('b', { text: 'other key' });
    await assert.rejects(state.put('c', { text: 'x' }, { expectedRevision: first }), /^WeftError: c of the state/);
    assert.equal((await state.get('a'))?.value.text, '2');
    assert.equal(await state.get('c'), undefined);
    await state.put('a', { text: '3' }, { expectedRevision: second });
  });

  onGround(open, 'a deletion gives a newer revision, and the newest where there was nothing', async ({ bus }) => {
    const state = bus.state(stateContract());
    assert.equal(await state.delete('a'), 0);
    const put = await state.put('a', { text: '1' });
    assert.equal(await state.delete('b'), put);
    const deleted = await state.delete('a');
    assert.ok(deleted > put);
    assert.equal(await state.get('a'), undefined);
    assert.equal(await state.delete('a'), deleted, 'a second deletion changes nothing');
  });

  onGround(open, 'a deletion over another revision than the expected is ABORTED', async ({ bus }) => {
    const state = bus.state(stateContract());
    const put = await state.put('a', { text: '1' });
    for (const expectedRevision of [0, put + 1]) {
      await assert.rejects(state.delete('a', { expectedRevision }), { code: 'ABORTED' });
    }
    await assert.rejects(state.delete('b', { expectedRevision: put }), { code: 'ABORTED' });
    assert.equal(await state.delete('b', { expectedRevision: 0 }), put);
    assert.ok((await state.delete('a', { expectedRevision: put })) > put);
  });

  onGround(open, 'a deleted key does not exist, and can be made again', async ({ bus }) => {
    const state = bus.state(stateContract());
    const first = await state.put('a', { text: '1' });
    const deleted = await state.delete('a');
    for (const expectedRevision of [first, deleted]) {
      await assert.rejects(state.put('a', { text: 'x' }, { expectedRevision }), { code: 'ABORTED' });
    }
    const again = await state.put('a', { text: '2' }, { expectedRevision: 0 });
    assert.ok(again > deleted);
    assert.deepEqual(await state.get('a'), { key: 'a', value: { text: '2' }, revision: again });
  });

  onGround(open, 'of several that put over one revision exactly one wins', async ({ bus, other }) => {
    const contract = stateContract();
    const states = [bus.state(contract), (await other()).state(contract)];
    let expectedRevision = 0;
    for (let round = 0; round < 5; round++) {
      const races = Array.from({ length: 8 }, (_, index) =>
        (states[index % 2] ?? assert.fail()).put('a', { text: `${round}.${index}` }, { expectedRevision }),
      );
      assert.deepEqual(await outcomes(races), { fulfilled: 1, codes: Array(7).fill('ABORTED') });
      expectedRevision = (await states[0]?.get('a'))?.revision ?? 0;
    }
  });
}

/** What the doc comments of `State` promise of keys and sizes. */
export function stateLimitSuite(open: OpenGround): void {
  onGround(open, 'keys that cannot be are refused with what a key is', async ({ bus }) => {
    const state = bus.state(stateContract());
    for (const key of ['', '/a', 'a/', '/', 'a..b', '..', 'a b', 'ä', 'a*', '>', 'a\nb', 'a:b', 'x'.repeat(1025)]) {
      const refused = { name: 'WeftError', code: 'INVALID_ARGUMENT', message: /a key is 1 to 1024 of/ };
      await assert.rejects(state.put(key, { text: '' }), refused, JSON.stringify(key));
      await assert.rejects(state.get(key), refused);
      await assert.rejects(state.delete(key), refused);
    }
  });

  onGround(open, 'every other key is kept as it is', async ({ bus }, signal) => {
    const state = bus.state(stateContract());
    const keys = [
      'a',
      'ns/a.b-c_d=',
      '.a',
      'a.',
      '.',
      '=',
      '-',
      'a//b',
      'a/.b./c',
      '_',
      'A/a',
      'a.b',
      'a/b',
      'x'.repeat(1024),
    ];
    for (const key of keys) await state.put(key, { text: key });
    for (const key of keys) assert.equal((await state.get(key))?.value.text, key);
    assert.deepEqual((await state.list()).map(({ key }) => key).sort(), [...keys].sort());
    const told = await take(iterate(state.watch(signal)), isSynced);
    assert.deepEqual(told.map(brief).sort(), [...keys.map((key) => `put ${key}=${key}`), 'synced'].sort());
    for (const key of keys) await state.delete(key);
    assert.deepEqual(await state.list(), []);
  });

  onGround(open, 'large values are kept whole, and those over the limit refused with both sizes', async (ground) => {
    const state = ground.bus.state(stateContract());
    const large = 'x'.repeat(ground.limitBytes - 1024);
    await state.put('a', { text: large });
    assert.equal((await state.get('a'))?.value.text, large);
    const size = ground.limitBytes + 1;
    const refused = { code: 'RESOURCE_EXHAUSTED', message: new RegExp(`${size} bytes, .* ${ground.limitBytes} bytes`) };
    await assert.rejects(state.put('a', { text: 'x'.repeat(size) }), refused);
    assert.equal((await state.get('a'))?.value.text, large);
  });
}

/** What the doc comments of `State` promise of watches. */
export function stateWatchSuite(open: OpenGround): void {
  onGround(open, 'a watch of an empty state is synced at once, at revision 0', async ({ bus }, signal) => {
    const watch = iterate(bus.state(stateContract()).watch(signal));
    assert.deepEqual(await take(watch, 1), [{ type: 'synced', revision: 0 }]);
  });

  onGround(
    open,
    'a watch tells what stands, synced once, then every change in order',
    async ({ bus, other }, signal) => {
      const contract = stateContract();
      const state = bus.state(contract);
      await state.put('a', { text: '1' });
      await state.put('b', { text: '2' });
      await state.put('gone', { text: '3' });
      await state.delete('gone');
      const newest = await state.put('a', { text: '4' });
      const watch = iterate((await other()).state(contract).watch(signal));
      const stands = await take(watch, isSynced);
      assert.deepEqual(stands.map(brief).sort(), ['put a=4', 'put b=2', 'synced']);
      assert.deepEqual(stands.at(-1), { type: 'synced', revision: newest });
      const revisions: number[] = [];
      for (let index = 0; index < 5; index++) revisions.push(await state.put(`k${index}`, { text: `${index}` }));
      revisions.push(await state.delete('a'));
      const changes = [...(await take(watch, 6))];
      revisions.push(await state.put('a', { text: 'again' }));
      changes.push(...(await take(watch, 1)));
      assert.deepEqual(changes.map(brief).slice(0, 5), ['put k0=0', 'put k1=1', 'put k2=2', 'put k3=3', 'put k4=4']);
      assert.deepEqual(changes.map(brief).slice(5), ['delete a', 'put a=again']);
      assert.deepEqual(
        changes.map(({ revision }) => revision),
        revisions,
      );
    },
  );

  onGround(open, 'what was acknowledged before a watch is told before synced', async ({ bus, other }, signal) => {
    const contract = stateContract();
    const state = bus.state(contract);
    const watcher = (await other()).state(contract);
    for (let index = 0; index < 20; index++) {
      await state.put(`k${index}`, { text: '' });
      const told = await take(iterate(watcher.watch(signal)), isSynced);
      assert.equal(told.length, index + 2, `after ${index + 1} puts`);
    }
  });

  onGround(open, 'deleting what is not there is no change', async ({ bus }, signal) => {
    const state = bus.state(stateContract());
    const watch = iterate(state.watch(signal));
    await take(watch, isSynced);
    await state.delete('a');
    await state.put('b', { text: '1' });
    assert.deepEqual((await take(watch, 1)).map(brief), ['put b=1']);
  });
}

/** What the doc comments of `State` promise of several watches, and of their end. */
export function stateWatchersSuite(open: OpenGround): void {
  onGround(
    open,
    'watchers have values of their own, and a slow one holds up nobody',
    async ({ bus, other }, signal) => {
      const contract = stateContract();
      const state = bus.state(contract);
      const slow = iterate(state.watch(signal));
      const fast = [iterate(state.watch(signal)), iterate((await other()).state(contract).watch(signal))];
      for (const watch of [slow, ...fast]) await take(watch, isSynced);
      for (let index = 0; index < 300; index++) await state.put(`k${index % 3}`, { text: `${index}` });
      const isLast = (event: { readonly type: string; readonly revision: number }): boolean => event.revision >= 300;
      for (const watch of fast) {
        const told = await take(watch, isLast);
        for (const event of told) if (event.type === 'put') Object.assign(event.value, { text: 'spoilt' });
      }
      const late = await take(slow, isLast);
      assert.deepEqual(late.slice(-3).map(brief), ['put k0=297', 'put k1=298', 'put k2=299']);
    },
  );

  onGround(open, 'a watch ends without an error when its signal aborts', async ({ bus }, signal) => {
    const state = bus.state(stateContract());
    await state.put('a', { text: '1' });
    const abort = new AbortController();
    const watch = iterate(state.watch(AbortSignal.any([signal, abort.signal])));
    await take(watch, isSynced);
    const waiting = watch.next();
    setTimeout(() => abort.abort(), 20);
    assert.deepEqual(await waiting, { done: true, value: undefined });
    assert.deepEqual(await take(iterate(state.watch(abort.signal)), 1), []);
  });

  onGround(open, 'changes made while what stands is told are told after synced', async ({ bus }, signal) => {
    const state = bus.state(stateContract());
    for (let index = 0; index < 10; index++) await state.put(`k${index}`, { text: 'old' });
    const watch = iterate(state.watch(signal));
    await take(watch, 3);
    await state.put('k9', { text: 'new' });
    await delay(1);
    const rest = (await take(watch, (event) => event.type === 'put' && event.value.text === 'new')).map(brief);
    assert.ok(rest.includes('put k8=old'));
    assert.equal(rest.at(-1), 'put k9=new');
  });
}
