import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { configSource } from './config-source.ts';
import { Place } from './schema.ts';

function read(given: object) {
  const place = new Place();
  const source = configSource.parse(given, place);
  return { source, issues: place.issues.map(({ path, message }) => `${path}: ${message}`) };
}

const grpc_services = [{ envoy_grpc: { cluster_name: 'xds' } }];
const api = { transport_api_version: 'V3', grpc_services };

test('a server is named with its variant of the protocol, its fields and how fast it may be asked', () => {
  const service = {
    envoy_grpc: { cluster_name: 'xds', authority: 'xds.example' },
    initial_metadata: [{ key: 'X-Token', value: 'abc' }],
  };
  const { source, issues } = read({
    initial_fetch_timeout: '3s',
    api_config_source: {
      api_type: 'GRPC',
      transport_api_version: 'V3',
      grpc_services: [service],
      set_node_on_first_message_only: true,
      rate_limit_settings: { max_tokens: 5 },
    },
  });
  assert.deepEqual(issues, []);
  assert.deepEqual(source, {
    type: 'grpc',
    initialFetchTimeoutMs: 3000,
    service: {
      cluster: 'xds',
      variant: 'state-of-the-world',
      authority: 'xds.example',
      metadata: [['x-token', 'abc']],
      saysNodeOnce: true,
      limit: { maxTokens: 5, tokensPerSecond: 10 },
    },
  });
  const delta = read({ api_config_source: { ...api, api_type: 'DELTA_GRPC' } }).source;
  assert.equal(delta.type === 'grpc' && delta.service.variant, 'delta');
});

test('what is not spoken is refused by name', () => {
  const refused = (given: object) => read(given).issues.join('\n');
  assert.match(refused({ api_config_source: { ...api, api_type: 'REST' } }), /api_type: REST is not supported/);
  assert.match(refused({ api_config_source: { ...api, api_type: 'AGGREGATED_GRPC' } }), /AGGREGATED_GRPC is not supp/);
  assert.match(refused({ api_config_source: { ...api, api_type: 'GRPC', refresh_delay: '1s' } }), /refresh_delay: not/);
  assert.match(refused({ self: {} }), /^self: not supported/);
  const operator = [{ ...grpc_services[0], initial_metadata: [{ key: 'a', value: '%PROTOCOL%' }] }];
  assert.match(
    refused({ api_config_source: { ...api, api_type: 'GRPC', grpc_services: operator } }),
    /grpc_services\[0\]\.initial_metadata\[0\]\.value: holds a command operator/,
  );
  const pseudo = [{ ...grpc_services[0], initial_metadata: [{ key: ':path', value: '/' }] }];
  assert.match(refused({ api_config_source: { ...api, api_type: 'GRPC', grpc_services: pseudo } }), /\.key: /);
});

test('a file must be there, so must the folder that is watched', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-source-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'lds.yaml');
  assert.match(read({ path_config_source: { path } }).issues.join(), /^path_config_source\.path: there is no file/);
  writeFileSync(path, '');
  assert.equal(read({ path_config_source: { path, watched_directory: { path: folder } } }).issues.join(), '');
  const wrong = read({ path_config_source: { path, watched_directory: { path } } });
  assert.match(wrong.issues.join(), /^path_config_source\.watched_directory\.path: .* is not a folder/);
  const { source } = read({ path_config_source: { path } });
  assert.deepEqual(source, { type: 'file', path, folder: undefined, initialFetchTimeoutMs: 15_000 });
});
