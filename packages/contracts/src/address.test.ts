import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinAddress, splitAddress } from './address.ts';

test('host and port are told apart and put together, of IPv6 too', () => {
  for (const [text, host, port] of [
    ['ca:7441', 'ca', 7441],
    ['[::1]:7440', '::1', 7440],
    ['127.0.0.1:0', '127.0.0.1', 0],
  ] as const) {
    assert.deepEqual(splitAddress(text), { host, port });
    assert.equal(joinAddress(host, port), text);
  }
});

test('what is no address is refused with what was expected', () => {
  for (const text of ['', 'ca', 'ca:', ':7440', '::1:7440', 'ca:70000', 'ca:7441 ', 'http://ca:7441']) {
    assert.throws(() => splitAddress(text), { code: 'INVALID_ARGUMENT', message: /expected <host>:<port>/ }, text);
  }
});
