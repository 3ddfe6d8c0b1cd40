/** A whole proxy whose listeners come from a scripted control plane; for tests. */
import type { TestContext } from 'node:test';
import { type RunningProxy, startProxy } from '../../server.ts';
import { answered, bootstrapOf, httpManager, localAddress, routes, staticCluster } from '../../testing/bootstrap.ts';
import { recordingLog } from '../../xds/testing/recorders.ts';
import { ScriptedServer, type ServedStream } from '../../xds/testing/scripted-server.ts';

const TCP = 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';

/** A chain that answers by itself (`/direct`), and passes everything else to the cluster `a`. */
export function httpChain(statPrefix: string, match?: object): object {
  const rest = { match: { prefix: '/' }, route: { cluster: 'a', timeout: '0s' } };
  const manager = httpManager({
    stat_prefix: statPrefix,
    delayed_close_timeout: '0.1s',
    route_config: routes(answered({ path: '/direct' }, statPrefix), rest),
  });
  return { ...(match && { filter_chain_match: match }), filters: [manager] };
}

/** A chain that passes bytes to the cluster `a`. */
export function tcpChain(statPrefix: string, match?: object): object {
  const config = { '@type': TCP, stat_prefix: statPrefix, cluster: 'a' };
  return { ...(match && { filter_chain_match: match }), filters: [{ name: 'tcp', typed_config: config }] };
}

export function listenerOn(port: number, filter_chains: readonly object[], more: object = {}): object {
  return { address: localAddress(port), filter_chains, ...more };
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
      static_resources: {
        clusters: [staticCluster('a', upstreamPort), staticCluster('xds', 1, { http2_protocol_options: {} })],
      },
    };
    const server = new ScriptedServer();
    const proxy = await startProxy({
      bootstrap: bootstrapOf(bootstrap),
      streams: server.streams,
      log: recordingLog(),
      drainMs: 5000,
    });
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
