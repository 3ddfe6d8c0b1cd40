import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CodeCounts } from './histogram.ts';
import { StatsRegistry } from './registry.ts';
import { type StatTag, StatTags } from './tags.ts';

const found = (label: string, text: string): StatTag => ({ type: 'found', label, find: new RegExp(text, 'd') });

function rows(registry: StatsRegistry): readonly string[] {
  const lines = registry.prometheus().split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}

test('a tag takes its part of the name out of the metric, beside what is a label anyway', () => {
  const tags = [
    found('priority', 'circuit_breakers\\.((.+?)\\.).+'),
    found('list.ener', '((.+?)\\.)rbac\\.'),
    { type: 'fixed', label: 'site', value: 'here' } as const,
  ];
  const registry = new StatsRegistry({ tags: new StatTags(tags) });
  registry.add({
    prefix: 'cluster.c.circuit_breakers.high.',
    metricPrefix: 'cluster_circuit_breakers_high_',
    labels: { envoy_cluster_name: 'c' },
    values: { cx_open: 1 },
  });
  registry.add({
    prefix: 'http.web.rbac.',
    metricPrefix: 'http_rbac_',
    labels: { envoy_http_conn_manager_prefix: 'web' },
    values: { allowed: 2 },
  });
  assert.deepEqual(rows(registry), [
    'envoy_rbac_allowed{envoy_http_conn_manager_prefix="web",list_ener="http.web",site="here"} 2',
    'envoy_cluster_circuit_breakers_cx_open{envoy_cluster_name="c",priority="high",site="here"} 1',
  ]);
  assert.equal(registry.text(), 'cluster.c.circuit_breakers.high.cx_open: 1\nhttp.web.rbac.allowed: 2\n');
});

test('a tag that only some values of a group have parts it, and follows what is added later', () => {
  const registry = new StatsRegistry({ tags: new StatTags([found('kind', '^cluster\\.(.+\\.)upstream_rq_$')]) });
  const values: Record<string, unknown> = { upstream_cx_total: 1 };
  const labels = { envoy_cluster_name: 'c' };
  registry.add({ prefix: 'cluster.c.', metricPrefix: 'cluster_', labels, values });
  assert.deepEqual(rows(registry), ['envoy_cluster_upstream_cx_total{envoy_cluster_name="c"} 1']);
  const codes = new CodeCounts();
  codes.add(200);
  values.upstream_rq_ = codes;
  values.upstream_cx_total = 2;
  assert.deepEqual(rows(registry), [
    'envoy_cluster_upstream_cx_total{envoy_cluster_name="c"} 2',
    'envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="c",kind="c."} 1',
  ]);
});

test('what a tag takes is found in names of whatever characters', () => {
  const registry = new StatsRegistry({ tags: new StatTags([found('priority', 'circuit_breakers\\.((.+?)\\.).+')]) });
  registry.add({
    prefix: 'cluster.\u{1f600}\u{1f600}.circuit_breakers.high.',
    metricPrefix: 'cluster_circuit_breakers_high_',
    labels: { envoy_cluster_name: '\u{1f600}\u{1f600}' },
    values: { cx_open: 1 },
  });
  assert.deepEqual(rows(registry), [
    'envoy_cluster_circuit_breakers_cx_open{envoy_cluster_name="\u{1f600}\u{1f600}",priority="high"} 1',
  ]);
});

test('what is not to be told is not, in any form', () => {
  const registry = new StatsRegistry({ tells: (name) => !name.endsWith('.b') });
  registry.add({ prefix: 'x.', metricPrefix: 'x_', labels: {}, values: { a: 1, b: 2 } });
  assert.equal(registry.text(), 'x.a: 1\n');
  assert.deepEqual(registry.json(), { stats: [{ name: 'x.a', value: 1 }] });
  assert.deepEqual(rows(registry), ['envoy_x_a{} 1']);
});
