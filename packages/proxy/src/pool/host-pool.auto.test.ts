import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createTestMesh } from '@weft/identity/testing';
import type { Cluster } from '../cluster/cluster.ts';
import { testCluster, until } from '../cluster/testing/cluster.ts';
import type { TlsClient } from '../net/connect.ts';
import { AnyTls } from './testing/any-tls.ts';
import { call } from './testing/call.ts';
import { answer, Http2Upstream } from './testing/http2-upstream.ts';

const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const { chainPem: cert, keyPem: key } = createTestMesh('weft.local').issue('shop', 'stock');

function tlsCluster(port: number, tls: TlsClient, protocol: object): Cluster {
  const options = { '@type': `type.googleapis.com/${OPTIONS}`, ...protocol };
  const context = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
  const transport_socket = { name: 'tls', typed_config: { '@type': context } };
  const fields = { typed_extension_protocol_options: { [OPTIONS]: options }, transport_socket };
  return testCluster(fields, [port], { tls });
}

async function protocolOf(cluster: Cluster): Promise<string | undefined> {
  const [host] = cluster.hosts;
  assert.ok(host);
  const calls = Array.from({ length: 5 }, () => call(cluster.pool(host)));
  await until(() => calls.every(({ state }) => state === 'answered'), 'the answers');
  cluster.destroy();
  await until(() => cluster.stats.upstream_cx_active === 0);
  return calls[0]?.connection?.protocol;
}

test('what ALPN comes to is spoken: HTTP/2 on one connection where the server can', async () => {
  await using upstream = await new Http2Upstream(answer, { tls: { cert, key } }).start();
  const tls = new AnyTls();
  const cluster = tlsCluster(upstream.port, tls, { auto_config: {} });
  assert.equal(await protocolOf(cluster), 'HTTP/2');
  assert.deepEqual(tls.offered, ['h2,http/1.1']);
  assert.equal(cluster.stats.upstream_cx_http2_total, 1);
});

test('what ALPN comes to is spoken: HTTP/1.1 on as many connections as it takes where the server cannot', async (t) => {
  const server = createServer({ cert, key }, (_request, response) => void response.end());
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cluster = tlsCluster((server.address() as AddressInfo).port, new AnyTls(), { auto_config: {} });
  assert.equal(await protocolOf(cluster), 'HTTP/1.1');
  assert.equal(cluster.stats.upstream_cx_http1_total, 5);
  assert.equal(cluster.stats.upstream_cx_http2_total, 0);
});

test('a cluster of one version offers that', async () => {
  await using upstream = await new Http2Upstream(answer, { tls: { cert, key } }).start();
  const tls = new AnyTls();
  await protocolOf(tlsCluster(upstream.port, tls, { explicit_http_config: { http2_protocol_options: {} } }));
  assert.deepEqual(tls.offered, ['h2']);
});

test('a cluster may be spoken to as the client speaks', async () => {
  await using upstream = await new Http2Upstream(answer).start();
  const options = { '@type': `type.googleapis.com/${OPTIONS}`, use_downstream_protocol_config: {} };
  const cluster = testCluster({ typed_extension_protocol_options: { [OPTIONS]: options } }, [upstream.port]);
  const [host] = cluster.hosts;
  assert.ok(host);
  const one = call(cluster.pool(host, 'HTTP/2'));
  await until(() => one.state === 'answered');
  assert.notEqual(cluster.pool(host, 'HTTP/1.1'), cluster.pool(host, 'HTTP/2'));
  assert.equal(cluster.pool(host, 'HTTP/1.0'), cluster.pool(host, 'HTTP/1.1'));
  cluster.destroy();
});
