import { choice, flag, list, message, name, number, type Parsed, required, text } from '../../../config/schema.ts';

const MESSAGE = 'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol';

const keyValuePair = message(`${MESSAGE}.KeyValuePair`, {
  metadata_namespace: text(),
  key: name(),
  value_string_encoding: choice(['UNSPECIFIED', 'SANITIZED_UTF8', 'BASE64']),
});

const rule = message(`${MESSAGE}.Rule`, {
  tlv_type: number(0, { max: 255 }),
  on_tlv_present: required(keyValuePair),
});

/**
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.proto
 */
export const proxyProtocol = message(
  MESSAGE,
  {
    rules: list(rule),
    allow_requests_without_proxy_protocol: flag(),
    disallowed_versions: list(choice(['V1', 'V2'])),
    stat_prefix: text(),
    tlv_location: choice(['DYNAMIC_METADATA']),
  },
  ({ disallowed_versions: versions }, place) => {
    if (versions.includes('V1') && versions.includes('V2')) {
      place.within('disallowed_versions', () => place.refuse('disallows every version there is'));
    }
  },
);

export type ProxyProtocolConfig = Parsed<typeof proxyProtocol>;
