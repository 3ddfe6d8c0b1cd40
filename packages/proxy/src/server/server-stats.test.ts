import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TlsStats } from '../stats/groups.ts';
import { StatsRegistry } from '../stats/registry.ts';
import { daysUntilFirstEnd } from './server-stats.ts';

const DAY = 86_400;

test('the certificate that ends first says how many days are left', () => {
  const registry = new StatsRegistry();
  assert.equal(daysUntilFirstEnd(registry, 0), 0xffff_ffff);
  for (const [prefix, days] of [
    ['a', 30],
    ['b', 2.5],
  ] as const) {
    const stats = registry.share(`listener.${prefix}.ssl.`, 'listener_ssl_', {}, () => new TlsStats());
    stats['certificate.'].setLate('some', () => days * DAY);
  }
  assert.equal(daysUntilFirstEnd(registry, 0), 2);
  assert.equal(daysUntilFirstEnd(registry, 3 * DAY * 1000), 0);
});
