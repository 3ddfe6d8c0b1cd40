import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceListener, Subscriptions } from '../xds/subscriptions.ts';
import { ADS } from '../xds/testing/recorders.ts';
import { SecretStore } from './secrets.ts';

/** Subscriptions that keep who watches, to be told by hand. */
function byHand(): { readonly subscriptions: Subscriptions; readonly watching: ResourceListener[] } {
  const watching: ResourceListener[] = [];
  const subscriptions: Subscriptions = {
    watch(_source, _type, _name, listener) {
      watching.push(listener);
      return () => undefined;
    },
    watchAll: () => () => undefined,
  };
  return { subscriptions, watching };
}

const KEYS = { name: 's', session_ticket_keys: { keys: [{ inline_bytes: Buffer.alloc(80, 1).toString('base64') }] } };
const ROOTS = { name: 's', validation_context: {} };

test('a secret of another kind than is needed is refused, and the one before stays in use', () => {
  const { subscriptions, watching } = byHand();
  const store = new SecretStore(subscriptions, []);
  const told: string[] = [];
  store.watch({ name: 's', source: ADS }, { kind: 'ticket-keys', onSecret: ({ type }) => told.push(type) });
  const [source] = watching;
  assert.deepEqual(source?.onResource(KEYS, '1'), []);
  assert.deepEqual(source?.onResource(ROOTS, '2'), [
    { path: '', message: 'holds a validation_context, and those who use it need session_ticket_keys' },
  ]);
  assert.deepEqual(told, ['ticket-keys']);
  assert.deepEqual(
    store.known().map(({ type }) => type),
    ['ticket-keys'],
  );
});
