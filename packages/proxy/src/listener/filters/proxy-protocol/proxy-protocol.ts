/**
 * Takes the header of the PROXY protocol off a connection: its client is the one that the header tells of. Only peers that
 * are trusted may reach such a listener: whoever can connect can say to be anybody
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/listener_filters/proxy_protocol).
 */
import { type StatsRegistry, statName } from '../../../stats/registry.ts';
import type { Metadata, Opening } from '../../opening.ts';
import { CLOSE, DONE, type ListenerFilter, type ListenerFilterContext, type Look } from '../filter.ts';
import { readProxyHeader, type Tlv } from './header.ts';
import type { ProxyProtocolConfig } from './schema.ts';

const FILTER = 'envoy.filters.listener.proxy_protocol';

/** Of all such filters together, without a prefix. */
class ErrorStats {
  downstream_cx_proxy_proto_error = 0;
}

/** `proxy_proto.<stat prefix>.` */
class FoundStats {
  not_found_allowed = 0;
  not_found_disallowed = 0;
}

/** `proxy_proto.<stat prefix>.versions.v<version>.` */
class VersionStats {
  found = 0;
  disallowed = 0;
  error = 0;
}

interface ProxyProtocolStats {
  readonly all: ErrorStats;
  readonly own: FoundStats;
  readonly versions: Readonly<Record<1 | 2, VersionStats>>;
}

function makeStats(registry: StatsRegistry, prefix: string): ProxyProtocolStats {
  const start = prefix === '' ? 'proxy_proto.' : `proxy_proto.${statName(prefix)}.`;
  const labels = prefix === '' ? {} : { envoy_proxy_protocol_prefix: statName(prefix) };
  const version = (number: 1 | 2) =>
    registry.share(
      `${start}versions.v${number}.`,
      'proxy_proto_',
      { ...labels, envoy_proxy_protocol_version: String(number) },
      () => new VersionStats(),
    );
  return {
    all: registry.share('', '', {}, () => new ErrorStats()),
    own: registry.share(start, 'proxy_proto_', labels, () => new FoundStats()),
    versions: { 1: version(1), 2: version(2) },
  };
}

/** What the TLVs say that rules ask for, by the names of filters. */
function metadataOf(tlvs: readonly Tlv[], rules: ProxyProtocolConfig['rules']): Metadata | undefined {
  const metadata = new Map<string, Record<string, unknown>>();
  for (const { type, value } of tlvs) {
    const rule = rules.findLast(({ tlv_type }) => tlv_type === type)?.on_tlv_present;
    if (!rule) continue;
    const key = rule.metadata_namespace === '' ? FILTER : rule.metadata_namespace;
    const values = metadata.get(key) ?? {};
    values[rule.key] = rule.value_string_encoding === 'BASE64' ? value.toString('base64') : sanitized(value);
    metadata.set(key, values);
  }
  return metadata.size === 0 ? undefined : metadata;
}

/** What is not UTF-8 becomes `!`, as Envoy writes it. */
function sanitized(value: Buffer): string {
  return value.toString('utf8').replaceAll('\ufffd', '!');
}

function tell(opening: Opening, header: Extract<ReturnType<typeof readProxyHeader>, { type: 'header' }>): void {
  if (!header.connection) return;
  const { source, destination } = header.connection;
  opening.remoteHost = source.host;
  opening.remotePort = source.port;
  opening.restoreDestination(destination.host, destination.port);
}

export function makeProxyProtocol(
  config: ProxyProtocolConfig,
  { stats: registry }: ListenerFilterContext,
): ListenerFilter {
  const stats = makeStats(registry, config.stat_prefix);
  const disallowed = new Set(config.disallowed_versions.map((version) => (version === 'V1' ? 1 : 2)));
  const refuse = (): Look => {
    stats.all.downstream_cx_proxy_proto_error++;
    return CLOSE;
  };
  return {
    onAccept: () => 'look',
    look(bytes, opening) {
      const header = readProxyHeader(bytes);
      if (header.type === 'more') return header;
      if (header.type === 'none') {
        if (config.allow_requests_without_proxy_protocol) {
          stats.own.not_found_allowed++;
          return DONE;
        }
        stats.own.not_found_disallowed++;
        return refuse();
      }
      const { version } = header;
      if (header.type === 'wrong') {
        stats.versions[version].error++;
        return refuse();
      }
      if (disallowed.has(version)) {
        stats.versions[version].disallowed++;
        return refuse();
      }
      stats.versions[version].found++;
      tell(opening, header);
      opening.metadata = metadataOf(header.tlvs, config.rules) ?? opening.metadata;
      return { type: 'done', taken: header.length };
    },
  };
}
