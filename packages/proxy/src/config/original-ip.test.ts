import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpConnectionManager } from './http.ts';
import { Place } from './schema.ts';

const ROUTER = {
  name: 'router',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
};

function issues(fields: object, host: object = {}): readonly string[] {
  const place = new Place();
  const route_config = { virtual_hosts: [{ name: 'v', domains: ['*'], routes: [], ...host }] };
  httpConnectionManager.parse({ stat_prefix: 'x', route_config, http_filters: [ROUTER], ...fields }, place);
  return place.issues.map(({ path, message }) => `${path}: ${message}`);
}

function detection(kind: string, config: object): object {
  const type = `type.googleapis.com/envoy.extensions.http.original_ip_detection.${kind}`;
  return { original_ip_detection_extensions: [{ name: 'd', typed_config: { '@type': type, ...config } }] };
}

const XFF = 'xff.v3.XffConfig';
const HEADER = 'custom_header.v3.CustomHeaderConfig';

test('what tells clients, ways and schemes is accepted', () => {
  const given = [
    detection(XFF, { xff_num_trusted_hops: 2, skip_xff_append: false }),
    detection(XFF, { xff_trusted_cidrs: { cidrs: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] } }),
    detection(HEADER, { header_name: 'X-Real-IP', reject_with_status: { code: 'Unauthorized' } }),
    { via: 'weft', append_x_forwarded_port: true, strip_trailing_host_dot: true },
    { scheme_header_transformation: { scheme_to_overwrite: 'https' } },
  ];
  for (const fields of given) assert.deepEqual(issues(fields), []);
  for (const require_tls of ['NONE', 'EXTERNAL_ONLY', 'ALL']) assert.deepEqual(issues({}, { require_tls }), []);
});

test('what cannot be done is refused with its path', () => {
  const at = 'original_ip_detection_extensions';
  const cases: readonly (readonly [given: object, path: string])[] = [
    [{ ...detection(XFF, {}), use_remote_address: true }, `${at}: does not go with use_remote_address`],
    [{ ...detection(XFF, {}), xff_num_trusted_hops: 1 }, `${at}: does not go with xff_num_trusted_hops`],
    [detection(XFF, { xff_num_trusted_hops: 1, xff_trusted_cidrs: {} }), `${at}[0].typed_config: has both`],
    [detection(HEADER, {}), `${at}[0].typed_config.header_name: must not be empty`],
    [detection(HEADER, { header_name: 'a b' }), `${at}[0].typed_config.header_name: `],
    [{ via: 'a\nb' }, 'via: holds a control character'],
    [
      { early_header_mutation_extensions: [{ name: 'a' }] },
      'early_header_mutation_extensions[0].typed_config: is needed',
    ],
    [{ access_log_options: { access_log_flush_interval: '0s' } }, 'access_log_options.access_log_flush_interval: must'],
    [
      { access_log_options: {}, flush_access_log_on_new_request: true },
      'flush_access_log_on_new_request: is given here',
    ],
    [
      { scheme_header_transformation: { scheme_to_overwrite: 'ftp' } },
      'scheme_header_transformation.scheme_to_overwrite: ftp is not',
    ],
  ];
  for (const [given, start] of cases) {
    const found = issues(given);
    assert.ok(found[0]?.startsWith(start), `${start} in ${JSON.stringify(found)}`);
  }
});
