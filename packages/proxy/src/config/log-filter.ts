/** Schemas of which requests and connections an access log, or a mapper of local replies, is for. */
import { GRPC_STATUS_NAMES } from '../stack/grpc.ts';
import { isKnownFlag } from '../stack/response-flags.ts';
import { type HeaderMatch, headerMatcher } from './header-match.ts';
import { type ValuePredicate, valueMatcher } from './metadata-match.ts';
import { fractionalPercent, type Share } from './runtime.ts';
import {
  built,
  choice,
  flag,
  later,
  list,
  type MessageSchema,
  message,
  name,
  number,
  only,
  optional,
  type Parsed,
  type Place,
  presence,
  required,
  type Schema,
  text,
} from './schema.ts';

const comparison = built(
  message('envoy.config.accesslog.v3.ComparisonFilter', {
    op: choice(['EQ', 'GE', 'LE', 'NE']),
    value: required(
      message('envoy.config.core.v3.RuntimeUInt32', {
        default_value: number(0, { max: 0xffff_ffff }),
        runtime_key: text(),
      }),
    ),
  }),
  ({ op, value }) => ({ op, limit: value.default_value, key: value.runtime_key }),
);

export type Comparison = Parsed<typeof comparison>;

/** By number. It is Envoy that writes one L in CANCELED. */
const GRPC_STATUSES: readonly [string, ...string[]] = [
  'OK',
  ...GRPC_STATUS_NAMES.slice(1).map((given) => (given === 'CANCELLED' ? 'CANCELED' : given)),
];

/** When something is logged, in the order of `AccessLogType`. */
export const LOG_TYPES = [
  'NotSet',
  'TcpUpstreamConnected',
  'TcpPeriodic',
  'TcpConnectionEnd',
  'DownstreamStart',
  'DownstreamPeriodic',
  'DownstreamEnd',
  'UpstreamPoolReady',
  'UpstreamPeriodic',
  'UpstreamEnd',
  'DownstreamTunnelSuccessfullyEstablished',
  'UdpTunnelUpstreamConnected',
  'UdpPeriodic',
  'UdpSessionEnd',
  'TcpConnectionStart',
] as const;

export type LogType = (typeof LOG_TYPES)[number];

const responseFlag: Schema<string> = built(name(), (given, place) => {
  if (!isKnownFlag(given)) place.refuse(`${given} is no response flag`);
  return given;
});

const metadataFilter = message('envoy.config.accesslog.v3.MetadataFilter', {
  matcher: required(
    message('envoy.type.matcher.v3.MetadataMatcher', {
      filter: name(),
      path: list(message('envoy.type.matcher.v3.MetadataMatcher.PathSegment', { key: name() }), { min: 1 }),
      value: required(optional(valueMatcher)),
      invert: only((given) => given === false, 'false'),
    }),
  ),
  match_if_key_not_found: flag(true),
});

/** Which requests and connections are logged. */
export type LogFilterConfig =
  | { readonly type: 'not-health-check' }
  | { readonly type: 'response-flags'; readonly flags: readonly string[] }
  | { readonly type: 'status'; readonly comparison: Comparison }
  | { readonly type: 'duration'; readonly comparison: Comparison }
  | { readonly type: 'header'; readonly header: HeaderMatch }
  /** `statuses`: numbers of gRPC. */
  | { readonly type: 'grpc-status'; readonly statuses: ReadonlySet<number>; readonly excludes: boolean }
  | { readonly type: 'log-type'; readonly types: readonly LogType[]; readonly excludes: boolean }
  | { readonly type: 'runtime'; readonly key: string; readonly share: Share; readonly isIndependent: boolean }
  | {
      readonly type: 'metadata';
      readonly filter: string;
      readonly path: readonly string[];
      readonly test: ValuePredicate;
      /** What holds where there is no such value. */
      readonly otherwise: boolean;
    }
  | { readonly type: 'all' | 'any'; readonly filters: readonly LogFilterConfig[] };

const FILTER = 'envoy.config.accesslog.v3.AccessLogFilter';
const nested: Schema<LogFilterConfig> = later(FILTER, () => accessLogFilter);

const fields = {
  not_health_check_filter: optional(presence()),
  response_flag_filter: optional(
    message('envoy.config.accesslog.v3.ResponseFlagFilter', { flags: list(responseFlag) }),
  ),
  status_code_filter: optional(
    message('envoy.config.accesslog.v3.StatusCodeFilter', { comparison: required(comparison) }),
  ),
  duration_filter: optional(message('envoy.config.accesslog.v3.DurationFilter', { comparison: required(comparison) })),
  header_filter: optional(message('envoy.config.accesslog.v3.HeaderFilter', { header: required(headerMatcher) })),
  grpc_status_filter: optional(
    message('envoy.config.accesslog.v3.GrpcStatusFilter', { statuses: list(choice(GRPC_STATUSES)), exclude: flag() }),
  ),
  log_type_filter: optional(
    message('envoy.config.accesslog.v3.LogTypeFilter', { types: list(choice(LOG_TYPES)), exclude: flag() }),
  ),
  runtime_filter: optional(
    message('envoy.config.accesslog.v3.RuntimeFilter', {
      runtime_key: name(),
      percent_sampled: fractionalPercent,
      use_independent_randomness: flag(),
    }),
  ),
  metadata_filter: optional(metadataFilter),
  and_filter: optional(message('envoy.config.accesslog.v3.AndFilter', { filters: list(nested, { min: 2 }) })),
  or_filter: optional(message('envoy.config.accesslog.v3.OrFilter', { filters: list(nested, { min: 2 }) })),
};

const filterMessage = message(FILTER, fields);

function filterOf(given: Parsed<typeof filterMessage>, place: Place): LogFilterConfig {
  const { response_flag_filter: flags, status_code_filter: status, duration_filter: duration } = given;
  const { header_filter: header, grpc_status_filter: grpc, log_type_filter: types } = given;
  const { runtime_filter: runtime, metadata_filter: metadata, and_filter: all, or_filter: any } = given;
  if (given.not_health_check_filter) return { type: 'not-health-check' };
  if (flags) return { type: 'response-flags', flags: flags.flags };
  if (status) return { type: 'status', comparison: status.comparison };
  if (duration) return { type: 'duration', comparison: duration.comparison };
  if (header) return { type: 'header', header: header.header };
  if (grpc) {
    const statuses = new Set(grpc.statuses.map((one) => GRPC_STATUSES.indexOf(one)));
    return { type: 'grpc-status', statuses, excludes: grpc.exclude };
  }
  if (types) return { type: 'log-type', types: types.types, excludes: types.exclude };
  if (runtime) {
    const { runtime_key: key, percent_sampled: share, use_independent_randomness: isIndependent } = runtime;
    return { type: 'runtime', key, share, isIndependent };
  }
  if (metadata) {
    const { filter, path, value = () => false } = metadata.matcher;
    const keys = path.map(({ key }) => key);
    return { type: 'metadata', filter, path: keys, test: value, otherwise: metadata.match_if_key_not_found };
  }
  if (all) return { type: 'all', filters: all.filters };
  if (any) return { type: 'any', filters: any.filters };
  place.refuse('needs a filter');
  return { type: 'all', filters: [] };
}

export const accessLogFilter: MessageSchema<LogFilterConfig> = built(filterMessage, filterOf);
