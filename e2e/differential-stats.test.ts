/** What both data planes count of the same traffic, and under which names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, type DataPlane, until } from './harness.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, startPlane } from './proxy-testing/plane.ts';
import { startRecordingUpstream } from './proxy-testing/recording-upstream.ts';

/** Names that Envoy alone has, each kind with why Weft's proxy does not. */
const ENVOY_ALONE: readonly (readonly [names: RegExp, why: string])[] = [
  [/http3|0_?rtt/, 'there is no HTTP/3'],
  [/^(?:http|listener)\.admin\./, 'the admin interface is not counted'],
  [/overload|_flow_control_|_bytes_buffered$/, 'there is no overload manager, and buffers are not shown'],
  [
    /^(?:filesystem|main_thread|server\.main_thread|server\.worker|workers|thread_local_cluster_manager|envoy|dns)\b/,
    'of how Envoy works',
  ],
  [/\.worker_\d+\.|workers_pinned|connections_accepted_per_socket_event/, 'connections are not counted by thread'],
  [/^http\.async-client\./, 'calls of the proxy itself are counted with their clusters'],
  [/\.(?:assignment_use_cached|update_no_rebuild|warming_state|default\.total_match_count)$/, 'of how Envoy works'],
  [/(?:update_merge_cancelled|_via_merge|_out_of_merge_window)$/, 'updates are not merged'],
  [/\.(?:upstream_cx_pool_overflow|upstream_cx_preconnect_skipped)$/, 'neither can happen'],
  [
    /upstream_rq_max_duration_reached|max_requests_reached|downstream_cx_http1_soft_drain|rs_too_large/,
    'not done or counted',
  ],
  [/upstream_rq_maintenance_mode|rx_reset_no_error|upstream_rq_per_cx$/, 'not done or counted'],
  [/\.downstream_cx_delayed_close_timeout$/, 'closing that takes too long is not counted'],
  [/^cluster\.[^.]+\.(?:http1|canary)\./, 'not counted by them'],
  [/\.(?:tracing\.|extension_config_missing|network_extension_config_missing)/, 'counted once it is configured'],
  [/^(?:server\.|runtime\.|http1\.|vhost\.|tls_inspector|listener_manager\.)/, "of the process: Envoy's own"],
];

/** What both are to count alike of this traffic. */
const COUNTED =
  /^(?:cluster\.[^.]+\.upstream_(?:cx_(?:total|active|connect_fail|http1_total)|rq_(?:total|completed|\dxx|\d{3}|active|retry|timeout|pending_total))|cluster\.[^.]+\.membership_|http\.http\.downstream_(?:rq_(?:total|completed|\dxx|active)|cx_(?:total|active|rx_bytes_total|destroy\w*))|http\.http\.(?:no_route|rq_total|rq_direct_response|rq_redirect)|listener\.[^.]+\.(?:downstream_cx_(?:total|active)|downstream_pre_cx_active|no_filter_chain_match)|cluster_manager\.(?:active_clusters|cluster_added|cluster_removed|warming_clusters)|listener_manager\.(?:listener_added|total_listeners_active|listener_create_failure))/;

type Counts = ReadonlyMap<string, string>;

async function countsOf(plane: Plane): Promise<Counts> {
  const { body } = await plane.admin('/stats');
  const lines = body.split('\n').map((line) => line.split(': ') as [string, string]);
  return new Map(lines.map(([name, value]) => [name.replace(/127\.0\.0\.1_\d+/, 'ADDRESS'), value]));
}

test('both data planes count the same traffic alike, and Envoy has no name that is not known here', async (t) => {
  const counted = new Map<DataPlane, Counts>();
  for (const dataPlane of ['weft', 'envoy'] as const) {
    const [a, b] = [await startRecordingUpstream(t), await startRecordingUpstream(t)];
    const ports = { 10081: a.port, 10082: b.port };
    const folder = temporaryFolder(t);
    const plane = await startPlane(t, { dataPlane, bootstrap: 'http-routing.yaml', folder, ports });
    for (const path of ['/', '/a', '/b?x=1', '/nowhere']) {
      await ask(`http://127.0.0.1:${plane.port()}${path}`, { headers: { host: 'shop.example' } });
    }
    const isQuiet = async () => ((await plane.stat('http.http.downstream_cx_active')) === 0 ? true : undefined);
    await until('the end of the connections', isQuiet);
    counted.set(dataPlane, await countsOf(plane));
  }
  const [weft, envoy] = [counted.get('weft') ?? new Map(), counted.get('envoy') ?? new Map()];
  const alone = [...envoy.keys()].filter((name) => !weft.has(name) && !ENVOY_ALONE.some(([names]) => names.test(name)));
  assert.deepEqual(
    alone.filter((name) => name !== ''),
    [],
  );
  const both = [...envoy.keys()].filter((name) => COUNTED.test(name) && weft.has(name));
  assert.ok(both.length > 60, `${both.length} names are compared`);
  const differing = both.filter((name) => envoy.get(name) !== weft.get(name));
  assert.deepEqual(
    differing.map((name) => `${name}: ${weft.get(name)}, Envoy ${envoy.get(name)}`),
    [],
  );
});

/** As Envoy Gateway's bootstraps have it, and Kuma's. */
const STATS_CONFIG = `stats_config:
  stats_tags:
    - { tag_name: priority, regex: 'circuit_breakers\\.((.+?)\\.).+' }
    - { tag_name: part, regex: '^listener_manager\\.((.+)\\.)' }
    - { tag_name: site, fixed_value: here }
  stats_matcher: { inclusion_list: { patterns: [{ prefix: cluster }, { suffix: .live }, { safe_regex: { regex: 'http\\.http\\..*cx.*' } }] } }
`;

/** Rows without their values, their labels in order. */
async function metricsOf(plane: Plane): Promise<readonly string[]> {
  const { body } = await plane.admin('/stats/prometheus');
  const rows = body.split('\n').flatMap((line) => /^([a-z_0-9]+)\{(.*)\} /.exec(line)?.slice(1, 3).join(' ') ?? []);
  const sorted = rows.map((row) => {
    const [metric = '', ...labels] = row.split(/[ ,](?=[a-z_]+=)/);
    return `${metric} ${labels.sort().join()}`;
  });
  return sorted.filter((row) => /circuit_breakers|_live|_cx_total|membership/.test(row)).sort();
}

test('labels and names that the configuration asks for are the same', async (t) => {
  const start = async (dataPlane: DataPlane): Promise<Plane> => {
    const [a, b] = [await startRecordingUpstream(t), await startRecordingUpstream(t)];
    const ports = { 10081: a.port, 10082: b.port };
    const edit = (text: string) => STATS_CONFIG + text;
    return startPlane(t, { dataPlane, bootstrap: 'http-routing.yaml', folder: temporaryFolder(t), ports, edit });
  };
  const planes = await Promise.all((['weft', 'envoy'] as const).map(start));
  const [weft, envoy] = await Promise.all(planes.map(metricsOf));
  assert.ok(weft?.some((row) => row.includes('priority="high"') && row.includes('site="here"')));
  assert.deepEqual(weft, envoy);
  for (const plane of planes) assert.doesNotMatch((await plane.admin('/stats')).body, /listener|tcp|uptime/);
});
