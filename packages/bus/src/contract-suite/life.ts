import assert from 'node:assert/strict';
import {
  callContract,
  eventContract,
  isSynced,
  iterate,
  logContract,
  type OpenGround,
  onGround,
  stateContract,
  take,
} from './ground.ts';

/** What the doc comments of `Bus` promise of its own life. */
export function lifeSuite(open: OpenGround): void {
  onGround(open, 'what was acknowledged is there after the bus was closed and opened', async ({ bus, reopen }) => {
    const [stateOf, logOf] = [stateContract(), logContract()];
    const kept = await bus.state(stateOf).put('a', { text: 'kept' });
    await bus.state(stateOf).put('b', { text: 'gone' });
    const deleted = await bus.state(stateOf).delete('b');
    await bus.log(logOf).append({ text: 'kept' });
    const again = await reopen();
    assert.deepEqual(await again.state(stateOf).list(), [{ key: 'a', value: { text: 'kept' }, revision: kept }]);
    assert.ok((await again.state(stateOf).put('a', { text: 'new' })) > deleted);
    assert.equal(await again.log(logOf).append({ text: 'second' }, { expectedSequence: 1 }), 2);
  });

  onGround(open, 'a bus that can be reached has no trouble, one that is closed has', async ({ bus }) => {
    assert.equal(bus.trouble(), undefined);
    await bus.close();
    assert.match(bus.trouble() ?? '', /closed/);
    await bus.close();
  });

  onGround(open, 'closing ends watches without an error and everything else with one', async ({ bus }, signal) => {
    const [stateOf, logOf, callOf] = [stateContract(), logContract(), callContract()];
    const watches = [iterate(bus.state(stateOf).watch(signal)), iterate(bus.log(logOf).watch(signal))] as const;
    await take(watches[0], isSynced);
    await take(watches[1], isSynced);
    await bus.serve(callOf, () => new Promise(() => undefined), signal);
    const ends = [watches[0].next(), watches[1].next()];
    const call = assert.rejects(bus.call(callOf, { text: '' }), { code: 'UNAVAILABLE' });
    await bus.close();
    assert.deepEqual(
      (await Promise.all(ends)).map(({ done }) => done),
      [true, true],
    );
    await call;
    const closed = { name: 'WeftError', code: 'UNAVAILABLE', message: /closed/ };
    await assert.rejects(bus.state(stateOf).put('a', { text: '' }), closed);
    await assert.rejects(bus.state(stateOf).get('a'), closed);
    await assert.rejects(bus.state(stateOf).list(), closed);
    await assert.rejects(bus.state(stateOf).delete('a'), closed);
    await assert.rejects(bus.log(logOf).append({ text: '' }), closed);
    await assert.rejects(bus.log(logOf).last(), closed);
    await assert.rejects(bus.call(callOf, { text: '' }), closed);
    await assert.rejects(
      bus.serve(callContract(), async () => ({ text: '' }), signal),
      closed,
    );
    bus.publish(eventContract(), { text: 'into the void' });
  });
}
