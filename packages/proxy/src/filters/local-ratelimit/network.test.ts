import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layeredRuntime } from '../../config/runtime.ts';
import { Place } from '../../config/schema.ts';
import type { Refusal } from '../../listener/network-filters.ts';
import { Runtime } from '../../runtime/runtime.ts';
import { FLAG } from '../../stack/response-flags.ts';
import { StreamInfo } from '../../stack/stream-info.ts';
import { downstream } from '../../stack/testing/downstream.ts';
import { StatsRegistry } from '../../stats/registry.ts';
import { ManualClock } from '../../xds/testing/manual-clock.ts';
import { makeNetworkLocalRateLimit } from './network.ts';
import { networkLocalRateLimit } from './network-schema.ts';

const tellNothing = (): void => undefined;

function limited(config: object, values: object = {}) {
  const place = new Place();
  const given = { stat_prefix: 'p', token_bucket: { max_tokens: 1, fill_interval: '10s' }, ...config };
  const parsed = networkLocalRateLimit.parse(given, place);
  const layers = layeredRuntime.parse({ layers: [{ name: 'l', static_layer: values }] }, place);
  assert.deepEqual(place.issues, []);
  const clock = new ManualClock();
  const stats = new StatsRegistry();
  const filter = makeNetworkLocalRateLimit(parsed, {
    stats,
    clock,
    random: () => 0,
    log: { debug: tellNothing, info: tellNothing, warn: tellNothing, error: tellNothing },
    runtime: new Runtime(layers, () => 0),
  });
  const refusals: Refusal[] = [];
  const info = new StreamInfo(downstream(), 0, 0);
  const connect = () => filter.onConnection({ info, refuse: (refusal) => void refusals.push(refusal) });
  return { clock, stats, refusals, connect };
}

test('so many connections pass in a time, and the others are closed', () => {
  const { clock, stats, refusals, connect } = limited({});
  assert.deepEqual([connect(), connect()], ['pass', 'stop']);
  assert.deepEqual(refusals, [{ details: 'local_ratelimit_close_over_limit', flags: FLAG.URX }]);
  assert.equal(stats.text(), 'local_rate_limit.p.rate_limited: 1\n');
  clock.pass(10_000);
  assert.deepEqual([connect(), connect()], ['pass', 'stop']);
});

test('the runtime can switch it off', () => {
  const { connect } = limited({ runtime_enabled: { default_value: true, runtime_key: 'k' } }, { k: false });
  assert.deepEqual([connect(), connect()], ['pass', 'pass']);
});
