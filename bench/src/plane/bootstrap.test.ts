import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillPorts } from './bootstrap.ts';

test('named ports are filled in, and listeners get a free one', () => {
  const text = 'a: { port_value: 9901 }\nb: { port_value: 10000 }\n{"port_value":10080}';
  assert.equal(fillPorts(text, { 9901: 5, 10080: 6 }), 'a: { port_value: 5 }\nb: { port_value: 0 }\n{"port_value":6}');
});
