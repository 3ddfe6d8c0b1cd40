import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Workload } from '@weft/contracts/bus';
import { WeftError } from '@weft/contracts/error';
import { DeclaredServices } from './declared.ts';
import { checkPermission } from './permission.ts';

const CALLER = { trustDomain: 'mesh.test', namespace: 'shop', serviceAccount: 'cart' };

function outcome(namespace: string, service: string, declared = new DeclaredServices()): string {
  try {
    const workload = { namespace, service } as Workload;
    checkPermission(CALLER, workload, (ns, name) => declared.accounts(ns, name));
    return 'allowed';
  } catch (thrown) {
    assert.ok(thrown instanceof WeftError);
    assert.equal(thrown.code, 'PERMISSION_DENIED');
    return thrown.message;
  }
}

function declaring(service: string, spec: unknown): DeclaredServices {
  const declared = new DeclaredServices();
  const key = { kind: 'Service', namespace: 'shop', name: service };
  const json = typeof spec === 'string' ? spec : JSON.stringify({ spec });
  declared.apply({ author: '', atMs: 0, reason: '', operations: [{ action: 'PUT', key, json }] });
  return declared;
}

test('a workload may be the service of its service account, in its own namespace', () => {
  assert.equal(outcome('shop', 'cart'), 'allowed');
  assert.match(outcome('bank', 'cart'), /allows namespace shop alone, not bank/);
});

test('another service is refused, saying what would allow it', () => {
  assert.match(outcome('shop', 'stock'), /may not register as service shop\/stock; .*spec\.serviceAccounts lists cart/);
});

test('a Service that lists the account lets it be that service, until it is deleted', () => {
  const declared = declaring('stock', { serviceAccounts: ['warehouse', 'cart'] });
  assert.equal(outcome('shop', 'stock', declared), 'allowed');
  assert.notEqual(outcome('shop', 'pay', declared), 'allowed');
  const key = { kind: 'Service', namespace: 'shop', name: 'stock' };
  declared.apply({ author: '', atMs: 0, reason: '', operations: [{ action: 'DELETE', key, json: '' }] });
  assert.notEqual(outcome('shop', 'stock', declared), 'allowed');
});

test('a Service that cannot be read allows nobody', () => {
  for (const spec of [
    '{',
    'null',
    '[]',
    '{"spec":{"serviceAccounts":"cart"}}',
    '{"spec":{"serviceAccounts":[1,null]}}',
  ]) {
    assert.notEqual(outcome('shop', 'stock', declaring('stock', spec)), 'allowed', spec);
  }
});
