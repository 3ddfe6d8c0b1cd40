import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, envoyPath, withEnvoy } from '../admin/testing/ground.ts';
import {
  ClusterManagerStats,
  ClusterStats,
  HttpStats,
  ListenerManagerStats,
  ListenerStats,
  ServerStats,
  TcpStats,
  TlsStats,
} from './groups.ts';
import { StatsRegistry, statName } from './registry.ts';

const envoy = await envoyPath();

/** Names that Envoy keeps from the first time they are counted on. */
const WHEN_COUNTED = /_upstream_rq(_xx|_time)?$/;

function everyGroup(): StatsRegistry {
  const registry = new StatsRegistry();
  const cluster = { envoy_cluster_name: 'plain' };
  const listener = { envoy_listener_address: '127.0.0.1_0' };
  registry.share('cluster.plain.', 'cluster_', cluster, () => new ClusterStats());
  registry.share('cluster.up_1.ssl.', 'cluster_ssl_', { envoy_cluster_name: 'up_1' }, () => new TlsStats());
  registry.share('listener.127.0.0.1_0.', 'listener_', listener, () => new ListenerStats());
  registry.share('listener.127.0.0.1_0.ssl.', 'listener_ssl_', listener, () => new TlsStats());
  registry.share('http.web_a.', 'http_', { envoy_http_conn_manager_prefix: 'web_a' }, () => new HttpStats());
  registry.share('tcp.tt.', 'tcp_', { envoy_tcp_prefix: 'tt' }, () => new TcpStats());
  registry.share('server.', 'server_', {}, () => new ServerStats());
  registry.share('cluster_manager.', 'cluster_manager_', {}, () => new ClusterManagerStats());
  registry.share('listener_manager.', 'listener_manager_', {}, () => new ListenerManagerStats());
  return registry;
}

/** By metric its type, and the names of the labels of its rows. */
function metricsOf(text: string): ReadonlyMap<string, { readonly type: string; readonly labels: Set<string> }> {
  const metrics = new Map<string, { readonly type: string; readonly labels: Set<string> }>();
  for (const line of text.split('\n')) {
    const [, name = '', type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (name !== '') metrics.set(name, { type, labels: new Set() });
    const row = /^([a-z_0-9A-Z]+)\{(.*)\}/.exec(line);
    const metric = row?.[1]?.replace(/_(bucket|sum|count)$/, '') ?? '';
    const labels = [...(row?.[2] ?? '').matchAll(/([a-z_]+)="/g)].map((match) => match[1]);
    metrics.get(metrics.has(row?.[1] ?? '') ? (row?.[1] ?? '') : metric)?.labels.add(labels.join());
  }
  return metrics;
}

test('every metric has the name, type and labels that real Envoy gives it', { skip: !envoy }, async () => {
  await withEnvoy(envoy ?? '', async (address) => {
    const theirs = metricsOf((await ask(address, '/stats/prometheus')).body);
    for (const [name, { type, labels }] of metricsOf(everyGroup().prometheus())) {
      if (WHEN_COUNTED.test(name)) continue;
      const expected = theirs.get(name);
      assert.ok(expected, `${name} is none of Envoy's`);
      assert.equal(type, expected.type, name);
      for (const names of labels) assert.ok(expected.labels.has(names), `${name}{${names}}: ${[...expected.labels]}`);
    }
  });
});

function oneCluster(): { readonly registry: StatsRegistry; readonly stats: ClusterStats } {
  const registry = new StatsRegistry();
  const name = statName('up:1');
  const labels = { envoy_cluster_name: name };
  return { registry, stats: registry.share(`cluster.${name}.`, 'cluster_', labels, () => new ClusterStats()) };
}

test('statuses and their classes are labels for Prometheus, and parts of the name in /stats', () => {
  const { registry, stats } = oneCluster();
  stats.upstream_rq_.add(200);
  stats.upstream_rq_.add(200);
  stats.upstream_rq_.add(503);
  stats.upstream_rq_2xx = 2;
  const text = registry.prometheus({ matching: /upstream_rq_[0-9]/ });
  assert.equal(
    text,
    `# TYPE envoy_cluster_upstream_rq counter
envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="up_1"} 2
envoy_cluster_upstream_rq{envoy_response_code="503",envoy_cluster_name="up_1"} 1
# TYPE envoy_cluster_upstream_rq_xx counter
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="up_1"} 2
`,
  );
  assert.equal(
    registry.text({ matching: /upstream_rq_[0-9]/ }),
    'cluster.up_1.upstream_rq_200: 2\ncluster.up_1.upstream_rq_2xx: 2\ncluster.up_1.upstream_rq_503: 1\n',
  );
});

test('a histogram has cumulative buckets, sum and count, quantiles as text, and null where nothing was recorded', () => {
  const { registry, stats } = oneCluster();
  const filter = { matching: /upstream_rq_time$/ };
  assert.equal(registry.text(filter), 'cluster.up_1.upstream_rq_time: No recorded values\n');
  assert.match(JSON.stringify(registry.json(filter)), /"values":\[{"cumulative":null,"interval":null}/);
  for (const value of [0, 3, 30, 4_000_000]) stats.upstream_rq_time.record(value);
  const lines = registry.prometheus(filter).split('\n');
  const label = 'envoy_cluster_name="up_1"';
  const metric = 'envoy_cluster_upstream_rq_time';
  for (const line of [
    `# TYPE ${metric} histogram`,
    `${metric}_bucket{${label},le="0.5"} 1`,
    `${metric}_bucket{${label},le="5"} 2`,
    `${metric}_bucket{${label},le="50"} 3`,
    `${metric}_bucket{${label},le="3600000"} 3`,
    `${metric}_bucket{${label},le="+Inf"} 4`,
    `${metric}_sum{${label}} 4000033`,
    `${metric}_count{${label}} 4`,
  ]) {
    assert.ok(lines.includes(line), line);
  }
  assert.match(
    registry.text(filter),
    /^cluster\.up_1\.upstream_rq_time: P0\(nan,\S+\) P25\(nan,\S+\) .* P100\(nan,\S+\)\n$/,
  );
});

test('what was never counted, and types that were not asked for, can be left out', () => {
  const { registry, stats } = oneCluster();
  stats.upstream_cx_active = 1;
  stats.upstream_cx_total = 2;
  stats.upstream_cx_connect_ms.record(1);
  const names = (text: string) => text.split('\n').flatMap((line) => (line === '' ? [] : [line.split(':')[0]]));
  assert.deepEqual(names(registry.text({ usedOnly: true })), [
    'cluster.up_1.upstream_cx_active',
    'cluster.up_1.upstream_cx_total',
    'cluster.up_1.upstream_cx_connect_ms',
  ]);
  assert.deepEqual(names(registry.text({ usedOnly: true, types: ['gauge'] })), ['cluster.up_1.upstream_cx_active']);
  assert.equal(registry.prometheus({ types: [] }), '');
});

test('a reset takes counters to zero, and leaves what is now and what was measured', () => {
  const { registry, stats } = oneCluster();
  stats.upstream_rq_total = 5;
  stats.upstream_rq_active = 2;
  stats.membership_total = 3;
  stats.upstream_rq_.add(200);
  stats.upstream_rq_time.record(1);
  registry.resetCounters();
  assert.deepEqual(
    [stats.upstream_rq_total, stats.upstream_rq_active, stats.membership_total, stats.upstream_rq_time.count],
    [0, 2, 3, 1],
  );
  assert.match(registry.text(), /upstream_rq_200: 0\n/);
});

test('label values are quoted, metric names hold letters, digits and underscores alone', () => {
  const registry = new StatsRegistry();
  registry.add({ prefix: 'x.', metricPrefix: 'a/b-', labels: { l: 'q"u\\o\nte' }, values: { count: 1 } });
  assert.equal(registry.prometheus(), '# TYPE envoy_a_b_count counter\nenvoy_a_b_count{l="q\\"u\\\\o\\nte"} 1\n');
});

test('those who share a prefix share the values, until it is taken away; gauges are worked out when read', () => {
  const registry = new StatsRegistry();
  const make = () => ({ live: 0 });
  const values = registry.share('server.', 'server_', {}, make);
  assert.equal(registry.share('server.', 'server_', {}, make), values);
  const stop = registry.onRead(() => {
    values.live++;
  });
  assert.equal(registry.text(), 'server.live: 1\n');
  stop();
  assert.equal(registry.text(), 'server.live: 1\n');
  registry.remove('server.');
  assert.equal(registry.text(), '');
});

test('a class of answers is a label, and a number in another name is none', () => {
  const registry = new StatsRegistry();
  const values = { upstream_rq_5xx: 2, ejections_consecutive_5xx: 3 };
  registry.add({ prefix: 'cluster.c.', metricPrefix: 'cluster_', labels: { envoy_cluster_name: 'c' }, values });
  const rows = registry
    .prometheus()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  assert.deepEqual(rows, [
    'envoy_cluster_ejections_consecutive_5xx{envoy_cluster_name="c"} 3',
    'envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="c"} 2',
  ]);
});
