import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostOf, ipText, portOf } from './address-text.ts';

test('octets of certificates and sockets are told as addresses are, IPv6 in its shortest form', () => {
  const v6 = Buffer.from('20010db8000000000000000000000001', 'hex');
  assert.deepEqual([ipText(Buffer.of(10, 0, 0, 1)), ipText(v6)], ['10.0.0.1', '2001:db8::1']);
  assert.equal(ipText(Buffer.alloc(5)), undefined);
});

test('host and port are found in addresses of both families, and in none of a unix socket', () => {
  const of = (address: string) => [hostOf(address), portOf(address)];
  assert.deepEqual(of('10.0.0.1:80'), ['10.0.0.1', 80]);
  assert.deepEqual(of('[::1]:80'), ['::1', 80]);
  assert.deepEqual(of('/run/a:1'), ['/run/a:1', undefined]);
  assert.deepEqual(of('@a:1'), ['@a:1', undefined]);
});
