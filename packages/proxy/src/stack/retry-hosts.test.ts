import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Host, type LbMetadata } from '../cluster/host.ts';
import { endpoint } from '../cluster/testing/cluster.ts';
import { retryPolicy } from '../config/route.ts';
import { Place } from '../config/schema.ts';
import { compileRetryPolicy, type RetryPolicy } from './retry-policy.ts';

const PREDICATES = 'type.googleapis.com/envoy.extensions.retry.host';

function compiled(...predicates: readonly object[]): RetryPolicy {
  const place = new Place();
  const retry_host_predicate = predicates.map((typed_config) => ({ name: 'x', typed_config }));
  const config = retryPolicy.parse(
    { retry_on: '5xx', retry_host_predicate, host_selection_retry_max_attempts: 4 },
    place,
  );
  assert.deepEqual(place.issues, []);
  return compileRetryPolicy(config);
}

const host = (metadata: LbMetadata): Host => new Host(endpoint(1, { metadata }));
const plain = host({});

test('without predicates any host will do', () => {
  const { passesOver, hostAttempts } = compiled();
  assert.equal(passesOver, undefined);
  assert.equal(hostAttempts, 0);
});

test('hosts that were tried are passed over', () => {
  const { passesOver, hostAttempts } = compiled({ '@type': `${PREDICATES}.previous_hosts.v3.PreviousHostsPredicate` });
  assert.equal(hostAttempts, 4);
  assert.equal(passesOver?.(plain, [plain]), true);
  assert.equal(passesOver?.(plain, []), false);
});

test('canaries are passed over', () => {
  const { passesOver } = compiled({ '@type': `${PREDICATES}.omit_canary_hosts.v3.OmitCanaryHostsPredicate` });
  assert.equal(passesOver?.(host({ canary: true }), []), true);
  assert.equal(passesOver?.(plain, []), false);
});

test('hosts with some metadata are passed over', () => {
  const type = `${PREDICATES}.omit_host_metadata.v3.OmitHostMetadataConfig`;
  const metadata_match = { filter_metadata: { 'envoy.lb': { stage: 'b' } } };
  const { passesOver } = compiled({ '@type': type, metadata_match });
  assert.equal(passesOver?.(host({ stage: 'b', version: '1' }), []), true);
  assert.equal(passesOver?.(host({ stage: ['a', 'b'] }), []), true);
  assert.equal(passesOver?.(host({ stage: 'a' }), []), false);
  assert.equal(compiled({ '@type': type }).passesOver?.(plain, []), false);
});
