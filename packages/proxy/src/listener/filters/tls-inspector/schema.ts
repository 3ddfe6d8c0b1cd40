import { flag, message, number, only, optional, type Parsed } from '../../../config/schema.ts';

/** The most that BoringSSL reads of one, which is Envoy's limit. */
const MAX_HELLO_BYTES = 16_384;

/**
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto.
 * Whatever came is looked at, so that the size of the first read changes nothing.
 */
export const tlsInspector = message('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {
  enable_ja3_fingerprinting: only((given) => given === false, 'false'),
  enable_ja4_fingerprinting: only((given) => given === false, 'false'),
  initial_read_buffer_size: optional(number(0, { min: 256, max: 65_536 })),
  close_connection_on_client_hello_parsing_errors: flag(),
  max_client_hello_size: number(MAX_HELLO_BYTES, { max: MAX_HELLO_BYTES }),
});

export type TlsInspectorConfig = Parsed<typeof tlsInspector>;
