import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootstrapOf, httpListener, routes, staticCluster } from '../testing/bootstrap.ts';
import { checkBootstrap } from './check.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';

function socket(type: string, common: object): object {
  return { transport_socket: { name: 'tls', typed_config: { '@type': `${TLS}.${type}`, common_tls_context: common } } };
}

/** What is wrong with a bootstrap of such TLS contexts, and a secret `there`. */
function issuesOf(downstream: object, upstream: object): readonly string[] {
  const table = routes({ match: { prefix: '/' }, route: { cluster: 'c' } });
  const chain = socket('DownstreamTlsContext', downstream);
  const listeners = [httpListener(8080, { route_config: table }, 'l', chain)];
  const clusters = [staticCluster('c', 1, socket('UpstreamTlsContext', upstream))];
  const secrets = [{ name: 'there', validation_context: {} }];
  const { issues } = checkBootstrap(bootstrapOf({ static_resources: { clusters, listeners, secrets } }));
  return issues.map(({ path, message }) => `${path}: ${message}`);
}

const WHY = 'gone is not one of static_resources.secrets, and there is no sds_config';

test('a secret without a source is one of the bootstrap', () => {
  const good = { validation_context_sds_secret_config: { name: 'there' } };
  const certificate = { tls_certificate_sds_secret_configs: [{ name: 'there' }] };
  assert.deepEqual(issuesOf(certificate, good), []);
  assert.deepEqual(issuesOf({ tls_certificate_sds_secret_configs: [{ name: 'gone' }] }, good), [
    `static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context.tls_certificate_sds_secret_configs[0].name: ${WHY}`,
  ]);
  assert.deepEqual(issuesOf(certificate, { validation_context_sds_secret_config: { name: 'gone' } }), [
    `static_resources.clusters[0].transport_socket.typed_config.common_tls_context.validation_context_sds_secret_config.name: ${WHY}`,
  ]);
});
