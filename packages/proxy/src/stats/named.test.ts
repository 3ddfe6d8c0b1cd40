import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TlsStats } from './groups.ts';
import { StatsRegistry } from './registry.ts';

function registryOf(stats: TlsStats): StatsRegistry {
  const registry = new StatsRegistry();
  const labels = { envoy_listener_address: 'a' };
  registry.share('listener.a.ssl.', 'listener_ssl_', labels, () => stats);
  return registry;
}

function counted(): TlsStats {
  const stats = new TlsStats();
  stats['ciphers.'].count('ECDHE-RSA-AES128-GCM-SHA256');
  stats['ciphers.'].count('ECDHE-RSA-AES128-GCM-SHA256');
  stats['certificate.'].setLate('mine', () => 7);
  return stats;
}

test('a part of the name stands where it stands in the name, and is a label for Prometheus', () => {
  const registry = registryOf(counted());
  assert.deepEqual(registry.text({ usedOnly: true }).trim().split('\n'), [
    'listener.a.ssl.certificate.mine.expiration_unix_time_seconds: 7',
    'listener.a.ssl.ciphers.ECDHE-RSA-AES128-GCM-SHA256: 2',
  ]);
  const prometheus = registry.prometheus({ usedOnly: true });
  assert.match(prometheus, /^# TYPE envoy_listener_ssl_ciphers counter$/m);
  assert.match(prometheus, /^envoy_listener_ssl_ciphers\{envoy_ssl_cipher="ECDHE-RSA-AES128-GCM-SHA256",.*\} 2$/m);
  assert.match(
    prometheus,
    /^envoy_listener_ssl_certificate_expiration_unix_time_seconds\{envoy_tls_certificate="mine",.*\} 7$/m,
  );
});

test('counters of threads are added up, gauges are alike in all of them, and a reset is of counters', () => {
  const registry = registryOf(counted());
  registry.setOthers([registryOf(counted()).plain(), structuredClone(registryOf(counted()).plain())]);
  assert.match(registry.text(), /ssl\.ciphers\.ECDHE-RSA-AES128-GCM-SHA256: 6$/m);
  assert.match(registry.text(), /ssl\.certificate\.mine\.expiration_unix_time_seconds: 7$/m);
  registry.setOthers([]);
  registry.resetCounters();
  assert.match(registry.text(), /ssl\.ciphers\.ECDHE-RSA-AES128-GCM-SHA256: 0$/m);
  assert.match(registry.text(), /ssl\.certificate\.mine\.expiration_unix_time_seconds: 7$/m);
});
