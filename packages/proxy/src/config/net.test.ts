import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootstrap } from './bootstrap.ts';
import { cluster } from './cluster.ts';
import { layeredRuntime } from './runtime.ts';
import { Place, type Schema } from './schema.ts';
import { tcpProxy } from './tcp.ts';

/** What a schema refuses: `path: message`. */
function issues(schema: Schema<unknown>, value: object): readonly string[] {
  const place = new Place();
  schema.parse(value, place);
  return place.issues.map(({ path, message }) => `${path}: ${message}`);
}

const tcp = (fields: object) => ({ stat_prefix: 't', cluster: 'c', ...fields });
const fileLog = (path: string) => ({
  admin: {
    access_log: [
      { name: 'file', typed_config: { '@type': 'x/envoy.extensions.access_loggers.file.v3.FileAccessLog', path } },
    ],
  },
});
const named = { load_assignment: { cluster_name: 'c' }, name: 'c' };
const HTTP = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

test('what is honoured is taken', () => {
  assert.deepEqual(issues(tcpProxy, tcp({ backoff_options: { base_interval: '1s', max_interval: '2s' } })), []);
  assert.deepEqual(issues(tcpProxy, tcp({ max_downstream_connection_duration_jitter_percentage: { value: 50 } })), []);
  assert.deepEqual(issues(bootstrap, fileLog('/dev/null')), []);
  assert.deepEqual(
    issues(bootstrap, { cluster_manager: { upstream_bind_config: { source_address: { address: '::1' } } } }),
    [],
  );
  assert.deepEqual(
    issues(cluster, {
      ...named,
      typed_extension_protocol_options: {
        [HTTP]: {
          '@type': `x/${HTTP}`,
          explicit_http_config: { http_protocol_options: {} },
          upstream_http_protocol_options: { auto_sni: true, auto_san_validation: true },
        },
      },
    }),
    [],
  );
});

test('what cannot be done is refused with its path', () => {
  const shrinks = { backoff_options: { base_interval: '2s', max_interval: '1s' } };
  assert.match(String(issues(tcpProxy, tcp(shrinks))), /^backoff_options.max_interval: is less than base_interval/);
  assert.match(String(issues(tcpProxy, tcp({ backoff_options: {} }))), /^backoff_options.base_interval: is needed/);
  const [log] = issues(bootstrap, fileLog('/tmp/x'));
  assert.match(log ?? '', /^admin.access_log\[0\].typed_config.path: not supported .* but as \/dev\/null/);
  const layers = [{ name: 'a', rtds_layer: { name: 'a' } }, { name: 'b' }];
  assert.match(String(issues(layeredRuntime, { layers })), /^layers\[0\].rtds_layer.rtds_config: is needed here/);
  const both = {
    ...named,
    upstream_http_protocol_options: { auto_sni: true },
    typed_extension_protocol_options: {
      [HTTP]: { '@type': `x/${HTTP}`, explicit_http_config: { http_protocol_options: {} } },
    },
  };
  assert.match(String(issues(cluster, both)), /^upstream_http_protocol_options: is not used beside/);
});
