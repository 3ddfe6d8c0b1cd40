/** Schema of the fault filter; what it gives is ready for use. */
import { headerMatcher } from '../../config/header-match.ts';
import { fractionalPercent, type RuntimeShare, type Share } from '../../config/runtime.ts';
import {
  built,
  durationMs,
  flag,
  list,
  message,
  number,
  optional,
  type Parsed,
  type Place,
  presence,
  struct,
  text,
} from '../../config/schema.ts';

const NONE: Share = { numerator: 0, denominator: 100 };
const MAX_UINT32 = 0xffff_ffff;
/** The least that Envoy's API can say and that is more than nothing. */
const NANOSECOND_MS = 1e-6;

function checkOne(fields: Readonly<Record<string, unknown>>, place: Place): void {
  const given = Object.values(fields).filter((value) => value !== undefined && value !== false);
  if (given.length !== 1) place.refuse(`needs one of ${Object.keys(fields).join(', ')}`);
}

const COMMON = 'envoy.extensions.filters.common.fault.v3';

const faultDelay = message(
  `${COMMON}.FaultDelay`,
  {
    fixed_delay: optional(durationMs(0, { min: NANOSECOND_MS })),
    header_delay: presence(),
    percentage: optional(fractionalPercent),
  },
  ({ fixed_delay, header_delay }, place) => checkOne({ fixed_delay, header_delay }, place),
);

const faultRateLimit = message(
  `${COMMON}.FaultRateLimit`,
  {
    fixed_limit: optional(message(`${COMMON}.FaultRateLimit.FixedLimit`, { limit_kbps: number(0, { min: 1 }) })),
    header_limit: presence(),
    percentage: optional(fractionalPercent),
  },
  ({ fixed_limit, header_limit }, place) => checkOne({ fixed_limit, header_limit }, place),
);

const faultAbort = message(
  'envoy.extensions.filters.http.fault.v3.FaultAbort',
  {
    http_status: optional(number(0, { min: 200, max: 599 })),
    grpc_status: optional(number(0, { max: MAX_UINT32 })),
    header_abort: presence(),
    percentage: optional(fractionalPercent),
    response_body: text(),
  },
  ({ http_status, grpc_status, header_abort }, place) => checkOne({ http_status, grpc_status, header_abort }, place),
);

const httpFault = message('envoy.extensions.filters.http.fault.v3.HTTPFault', {
  delay: optional(faultDelay),
  abort: optional(faultAbort),
  upstream_cluster: text(),
  headers: list(headerMatcher),
  downstream_nodes: list(text()),
  max_active_faults: optional(number(0, { max: MAX_UINT32 })),
  response_rate_limit: optional(faultRateLimit),
  delay_percent_runtime: text('fault.http.delay.fixed_delay_percent'),
  abort_percent_runtime: text('fault.http.abort.abort_percent'),
  delay_duration_runtime: text('fault.http.delay.fixed_duration_ms'),
  abort_http_status_runtime: text('fault.http.abort.http_status'),
  abort_grpc_status_runtime: text('fault.http.abort.grpc_status'),
  max_active_faults_runtime: text('fault.http.max_active_faults'),
  response_rate_limit_percent_runtime: text('fault.http.rate_limit.response_percent'),
  disable_downstream_cluster_stats: flag(),
  filter_metadata: struct(),
});

type HttpFaultConfig = Parsed<typeof httpFault>;

/** One kind of fault, and how often it is made. */
export interface FaultOf<T> {
  /** Undefined: the request's own fields say it. */
  readonly fixed: T | undefined;
  readonly share: RuntimeShare;
}

export interface AbortWith {
  readonly httpStatus: number | undefined;
  readonly grpcStatus: number | undefined;
}

export interface FaultSettings {
  readonly config: HttpFaultConfig;
  readonly delay: FaultOf<number> | undefined;
  readonly abort: FaultOf<AbortWith> | undefined;
  readonly abortBody: string;
  /** KiB a second. */
  readonly limit: FaultOf<number> | undefined;
  /** Undefined: all. */
  readonly downstreamNodes: ReadonlySet<string> | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
}

function abortOf({ abort, abort_percent_runtime: key }: HttpFaultConfig): FaultSettings['abort'] {
  if (!abort) return undefined;
  const { http_status: httpStatus, grpc_status: grpcStatus, header_abort: isOfHeader } = abort;
  const share = { key, ...(abort.percentage ?? NONE) };
  return { fixed: isOfHeader ? undefined : { httpStatus, grpcStatus }, share };
}

function settingsOf(config: HttpFaultConfig): FaultSettings {
  const { delay, response_rate_limit: limit, downstream_nodes: nodes } = config;
  return {
    config,
    delay: delay && {
      fixed: delay.fixed_delay,
      share: { key: config.delay_percent_runtime, ...(delay.percentage ?? NONE) },
    },
    abort: abortOf(config),
    abortBody: config.abort?.response_body || 'fault filter abort',
    limit: limit && {
      fixed: limit.fixed_limit?.limit_kbps,
      share: { key: config.response_rate_limit_percent_runtime, ...(limit.percentage ?? NONE) },
    },
    downstreamNodes: nodes.length > 0 ? new Set(nodes) : undefined,
    metadata: config.filter_metadata ?? {},
  };
}

/** Of the filter, and of what a route says of it. */
export const faultFilter = built(httpFault, settingsOf);
