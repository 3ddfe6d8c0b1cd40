/** A whole proxy whose listeners come from a scripted control plane; for tests. */
import { createServer, type Server } from 'node:net';
import type { TestContext } from 'node:test';
import { type Bootstrap, decode, encodeUnknown } from '@weft/envoy-api';
import { type RunningProxy, startProxy } from '../../server.ts';
import { recordingLog } from '../../xds/testing/recorders.ts';
import { ScriptedServer, type ServedStream } from '../../xds/testing/scripted-server.ts';

const BOOTSTRAP = 'envoy.config.bootstrap.v3.Bootstrap';
const HCM = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';
const TCP = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';

function address(port: number): object {
  return { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
}

function cluster(name: string, port: number, more: object = {}): object {
  const endpoints = [{ lb_endpoints: [{ endpoint: address(port) }] }];
  return { name, type: 'STATIC', connect_timeout: '2s', load_assignment: { cluster_name: name, endpoints }, ...more };
}

/** A chain that answers by itself (`/direct`), and passes everything else to the cluster `a`. */
export function httpChain(statPrefix: string, match?: object): object {
  const direct = { match: { path: '/direct' }, direct_response: { status: 200, body: { inline_string: statPrefix } } };
  const rest = { match: { prefix: '/' }, route: { cluster: 'a', timeout: '0s' } };
  const config = {
    '@type': HCM,
    stat_prefix: statPrefix,
    delayed_close_timeout: '0.1s',
    http_filters: [{ name: 'router', typed_config: { '@type': ROUTER } }],
    route_config: { virtual_hosts: [{ name: 'v', domains: ['*'], routes: [direct, rest] }] },
  };
  return { ...(match && { filter_chain_match: match }), filters: [{ name: 'http', typed_config: config }] };
}

/** A chain that passes bytes to the cluster `a`. */
export function tcpChain(statPrefix: string, match?: object): object {
  const config = { '@type': TCP, stat_prefix: statPrefix, cluster: 'a' };
  return { ...(match && { filter_chain_match: match }), filters: [{ name: 'tcp', typed_config: config }] };
}

export function listenerOn(port: number, filter_chains: readonly object[], more: object = {}): object {
  return { ...address(port), filter_chains, ...more };
}

export const TLS_INSPECTOR: object = {
  listener_filters: [
    {
      name: 'tls',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector' },
    },
  ],
};

export class Listened {
  readonly proxy: RunningProxy;
  readonly #stream: ServedStream;
  #version = 0;

  private constructor(proxy: RunningProxy, stream: ServedStream) {
    this.proxy = proxy;
    this.#stream = stream;
  }

  /** Starts a proxy; `upstreamPort` is where the cluster `a` is. It ends with the test. */
  static async start(test: TestContext, upstreamPort = 1): Promise<Listened> {
    const ads = { resource_api_version: 'V3', ads: {} };
    const bootstrap = {
      node: { id: 'test', cluster: 'test' },
      dynamic_resources: {
        ads_config: {
          api_type: 'DELTA_GRPC',
          transport_api_version: 'V3',
          grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
        },
        lds_config: ads,
      },
      static_resources: { clusters: [cluster('a', upstreamPort), cluster('xds', 1, { http2_protocol_options: {} })] },
    };
    const server = new ScriptedServer();
    const checked: Bootstrap = decode(BOOTSTRAP, encodeUnknown(BOOTSTRAP, bootstrap));
    const proxy = await startProxy({ bootstrap: checked, streams: server.streams, log: recordingLog(), drainMs: 5000 });
    test.after(() => proxy.close());
    const stream = await server.stream();
    await stream.next();
    return new Listened(proxy, stream);
  }

  /** Sends listeners, and takes some away; gives what the proxy refused, or ''. */
  async set(listeners: Readonly<Record<string, object>>, removed: readonly string[] = []): Promise<string> {
    const version = String(++this.#version);
    const resources = Object.entries(listeners).map(([name, content]) => ({ name, version, content }));
    this.#stream.say('listener', { resources, removed });
    return (await this.#stream.next()).error_detail?.message ?? '';
  }
}

/** A server at a port that is free; it ends with the test. */
export async function listening(test: TestContext, server: Server = createServer()): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.after(() => server.close());
  const bound = server.address();
  return typeof bound === 'object' && bound ? bound.port : 0;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof bound === 'object' && bound ? bound.port : 0;
}
