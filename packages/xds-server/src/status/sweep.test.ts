import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ProxyStatus, states } from '@weft/contracts/bus';
import { Ground } from '../testing/ground.ts';
import { Sweeper } from './sweep.ts';

function status(id: string, xdsInstance: string): ProxyStatus {
  const numbers = {
    connectedAtMs: 0,
    changedAtMs: 0,
    acknowledgedRevision: 0,
    acknowledgedRegistryRevision: 0,
    sentRevision: 0,
  };
  return { id, xdsInstance, userAgent: '', snapshot: '', nacks: [], ...numbers };
}

test('what an ended instance left is taken away after a while, unless somebody takes it over', async (t) => {
  const { bus } = await Ground.open(t);
  const proxies = bus.state(states.proxies);
  await proxies.put('shop/a', status('a', 'dead'));
  await proxies.put('shop/b', status('b', 'alive'));
  await proxies.put('shop/c', status('c', ''));
  await proxies.put('shop/d', status('d', 'dead'));
  await bus.state(states.problems).put('dead', { xdsInstance: 'dead', problems: [] });
  let nowMs = 0;
  const running = () => ['alive'];
  const sweeper = new Sweeper({ bus, now: () => nowMs, running, onTrouble: (error) => assert.fail(String(error)) });
  await sweeper.sweep();
  nowMs = 2000;
  await sweeper.sweep();
  assert.deepEqual(
    (await proxies.list()).map(({ key, value }) => `${key} ${value.xdsInstance}`).sort(),
    ['shop/a ', 'shop/b alive', 'shop/c ', 'shop/d '],
    'nobody waits for proxies whose instance is gone',
  );
  nowMs = 20_000;
  await proxies.put('shop/d', status('d', ''));
  await sweeper.sweep();
  assert.equal((await proxies.list()).length, 4);
  nowMs = 30_000;
  await sweeper.sweep();
  assert.deepEqual((await proxies.list()).map(({ key }) => key).sort(), ['shop/b', 'shop/d']);
  assert.equal((await bus.state(states.problems).list()).length, 0);
});
