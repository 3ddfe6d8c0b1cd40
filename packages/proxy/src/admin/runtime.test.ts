import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootstrapOf } from '../testing/bootstrap.ts';
import { ask, BOOTSTRAP, withProxy } from './testing/ground.ts';

const layered_runtime = {
  layers: [
    { name: 'base', static_layer: { a: 1 } },
    { name: 'admin', admin_layer: {} },
  ],
};
const bootstrap = bootstrapOf({ ...BOOTSTRAP, layered_runtime });

/** What the last layer says of the value `a`. */
async function overridden(address: string): Promise<string | undefined> {
  const { body } = await ask(address, '/runtime');
  return (JSON.parse(body) as { entries: Record<string, { layer_values: string[] }> }).entries.a?.layer_values[1];
}

test('values are changed by the query, or by a form', async () => {
  await withProxy(
    async (address) => {
      assert.equal(await overridden(address), '');
      assert.equal((await ask(address, '/runtime_modify?a=2', { method: 'POST' })).body, 'OK\n');
      assert.equal(await overridden(address), '2');
      const form = await fetch(`http://${address}/runtime_modify`, {
        method: 'POST',
        body: new URLSearchParams({ a: '3' }),
      });
      assert.equal(await form.text(), 'OK\n');
      assert.equal(await overridden(address), '3');
      assert.equal((await ask(address, '/runtime_modify', { method: 'POST' })).status, 400);
      assert.match((await ask(address, '/stats')).body, /^runtime\.admin_overrides_active: 1$/m);
    },
    { bootstrap },
  );
});

test('a form that does not end holds nobody else up', async () => {
  await withProxy(
    async (address) => {
      const abort = new AbortController();
      const endless = new ReadableStream({ pull: () => new Promise(() => undefined) });
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const waiting = fetch(`http://${address}/runtime_modify`, {
        method: 'POST',
        headers,
        body: endless,
        duplex: 'half',
        signal: abort.signal,
      } as RequestInit);
      assert.equal((await ask(address, '/ready')).status, 200);
      abort.abort();
      await assert.rejects(waiting);
      assert.equal(await overridden(address), '');
    },
    { bootstrap },
  );
});
