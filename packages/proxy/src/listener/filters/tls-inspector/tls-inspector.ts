/**
 * Tells TLS from everything else, and which server name and protocols the client asks for. A client that says nothing is
 * waited for until the listener's timeout: where the server speaks first this filter is a delay, as it is in Envoy
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/listener_filters/tls_inspector).
 */
import { Histogram } from '../../../stats/histogram.ts';
import { readClientHello } from '../../../tls/client-hello.ts';
import { CLOSE, DONE, type ListenerFilter, type ListenerFilterContext } from '../filter.ts';
import type { TlsInspectorConfig } from './schema.ts';

/** `tls_inspector.` */
class TlsInspectorStats {
  alpn_found = 0;
  alpn_not_found = 0;
  client_hello_too_large = 0;
  sni_found = 0;
  sni_not_found = 0;
  tls_found = 0;
  tls_not_found = 0;
  readonly bytes_processed = new Histogram();
}

export function makeTlsInspector(
  config: TlsInspectorConfig,
  { stats: registry }: ListenerFilterContext,
): ListenerFilter {
  const stats = registry.share('tls_inspector.', 'tls_inspector_', {}, () => new TlsInspectorStats());
  const { max_client_hello_size: maxBytes, close_connection_on_client_hello_parsing_errors: closesOnErrors } = config;
  return {
    onAccept: () => 'look',
    look(bytes, opening) {
      const hello = readClientHello(bytes, maxBytes);
      if (typeof hello === 'object' && 'atLeast' in hello) return hello;
      stats.bytes_processed.record(bytes.length);
      if (hello === 'too-large') {
        stats.client_hello_too_large++;
        return CLOSE;
      }
      if (hello === 'not-tls') {
        if (closesOnErrors) return CLOSE;
        stats.tls_not_found++;
        return DONE;
      }
      stats.tls_found++;
      if (hello.serverName === '') stats.sni_not_found++;
      else stats.sni_found++;
      if (hello.protocols.length === 0) stats.alpn_not_found++;
      else stats.alpn_found++;
      opening.transportProtocol = 'tls';
      opening.serverName = hello.serverName;
      opening.applicationProtocols = hello.protocols;
      return DONE;
    },
  };
}
