import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatsRegistry } from './registry.ts';
import type { Sample } from './sample.ts';

/** A registry of many clusters, some of whose names begin with those of others. */
function many(count: number): StatsRegistry {
  const registry = new StatsRegistry();
  for (let index = count; index > 0; index--) {
    const labels = { envoy_cluster_name: `c${index}` };
    registry.share(`cluster.c${index}.`, 'cluster_', labels, () => ({ upstream_rq_total: index, bytes: 1, zone: 2 }));
    registry.share(`cluster.c${index}.ssl.`, 'cluster_ssl_', labels, () => ({ handshake: 1 }));
  }
  return registry;
}

function isSorted(names: readonly string[]): boolean {
  return names.every((name, index) => index === 0 || (names[index - 1] as string) < name);
}

test('names are listed in their order, also where the prefix of one group begins with that of another', () => {
  const registry = many(300);
  const lines = registry.text().split('\n').slice(0, -1);
  assert.equal(lines.length, 1200);
  assert.ok(isSorted(lines.map((line) => line.slice(0, line.indexOf(': ')))));
  const { stats } = registry.json() as { readonly stats: readonly Sample[] };
  assert.equal(stats.length, 1200);
  assert.ok(isSorted(stats.map(({ name }) => name)));
});

test('Prometheus gets each metric once, with all that has it', () => {
  const registry = many(300);
  const text = registry.prometheus();
  assert.deepEqual(text.match(/^# TYPE .*$/gm), [
    '# TYPE envoy_cluster_bytes counter',
    '# TYPE envoy_cluster_ssl_handshake counter',
    '# TYPE envoy_cluster_upstream_rq_total counter',
    '# TYPE envoy_cluster_zone counter',
  ]);
  const rows = text.match(/^envoy_cluster_upstream_rq_total\{envoy_cluster_name="c(\d+)"\} \1$/gm);
  assert.equal(rows?.length, 300);
  assert.equal(registry.prometheus({ matching: /nothing/ }), '');
  assert.deepEqual(registry.json({ matching: /nothing/ }), { stats: [] });
});

test('no piece takes long, whatever there is', () => {
  const registry = many(2000);
  for (const form of ['text', 'json', 'prometheus'] as const) {
    const pieces = [...registry.write(form)];
    assert.ok(pieces.length > 50, `${form}: ${pieces.length}`);
    assert.ok(Math.max(...pieces.map(({ length }) => length)) < 50_000, form);
  }
  assert.ok([...registry.plainParts()].every(({ length }) => length <= 64));
});
