import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readResource } from '../kinds.ts';
import { sketchService } from '../testing.ts';

function violations(spec: object): string[] {
  const parsed = readResource(JSON.stringify(sketchService('stock', spec)));
  return parsed.type === 'invalid' ? parsed.violations.map(({ path, message }) => `${path}: ${message}`) : [];
}

test('a selector names the service of its workloads, or the service restricts their accounts', () => {
  assert.deepEqual(violations({ selector: { service: 'stock', version: 'v2' } }), []);
  assert.deepEqual(violations({ selector: { version: 'v2' }, serviceAccounts: ['stock'] }), []);
  assert.deepEqual(violations({}), []);
});

test('a selector that any workload could satisfy by choosing labels is refused', () => {
  const expected =
    'spec.selector: lets every workload of the namespace be this service by its choice of labels: expected the label ' +
    'service, which only a workload of that service has, or the service accounts that may be it in spec.serviceAccounts';
  assert.deepEqual(violations({ selector: { version: 'v2' } }), [expected]);
  assert.deepEqual(violations({ selector: { version: 'v2' }, serviceAccounts: [] }), [expected]);
});

test('an open selector is told with everything else that is wrong', () => {
  const found = violations({ selector: { version: 'v2' }, protcol: 'http' });
  assert.deepEqual(
    found.map((text) => text.slice(0, text.indexOf(':'))),
    ['spec.protcol', 'spec.selector'],
  );
  assert.deepEqual(violations({ selector: {} }), [
    'spec.selector: is empty: expected a label at least, or no selector',
  ]);
});
