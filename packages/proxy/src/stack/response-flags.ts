/** What the proxy itself had to do with a response, in Envoy's letters. Several may hold: they are bits of a number. */

interface FlagText {
  /** As logs show it. */
  readonly short: string;
  readonly long: string;
  /** The field of `envoy.data.accesslog.v3.ResponseFlags`; undefined where it has none. */
  readonly field: string | undefined;
}

/** In the order in which Envoy writes them where several hold: that the retries are used up comes before why. */
const FLAGS = [
  { short: 'URX', long: 'UpstreamRetryLimitExceeded', field: 'upstream_retry_limit_exceeded' },
  { short: 'LH', long: 'FailedLocalHealthCheck', field: 'failed_local_healthcheck' },
  { short: 'UH', long: 'NoHealthyUpstream', field: 'no_healthy_upstream' },
  { short: 'UF', long: 'UpstreamConnectionFailure', field: 'upstream_connection_failure' },
  { short: 'UC', long: 'UpstreamConnectionTermination', field: 'upstream_connection_termination' },
  { short: 'UO', long: 'UpstreamOverflow', field: 'upstream_overflow' },
  { short: 'NR', long: 'NoRouteFound', field: 'no_route_found' },
  { short: 'NC', long: 'NoClusterFound', field: 'no_cluster_found' },
  { short: 'DT', long: 'DurationTimeout', field: 'duration_timeout' },
  { short: 'DI', long: 'DelayInjected', field: 'delay_injected' },
  { short: 'FI', long: 'FaultInjected', field: 'fault_injected' },
  { short: 'RL', long: 'RateLimited', field: 'rate_limited' },
  { short: 'UAEX', long: 'UnauthorizedExternalService', field: 'unauthorized_details' },
  { short: 'RLSE', long: 'RateLimitServiceError', field: 'rate_limit_service_error' },
  { short: 'DC', long: 'DownstreamConnectionTermination', field: 'downstream_connection_termination' },
  { short: 'LR', long: 'LocalReset', field: 'local_reset' },
  { short: 'UR', long: 'UpstreamRemoteReset', field: 'upstream_remote_reset' },
  { short: 'UT', long: 'UpstreamRequestTimeout', field: 'upstream_request_timeout' },
  { short: 'SI', long: 'StreamIdleTimeout', field: 'stream_idle_timeout' },
  { short: 'DPE', long: 'DownstreamProtocolError', field: 'downstream_protocol_error' },
  { short: 'UPE', long: 'UpstreamProtocolError', field: 'upstream_protocol_error' },
  { short: 'DF', long: 'DnsResolutionFailed', field: 'dns_resolution_failure' },
  { short: 'OM', long: 'OverloadManagerTerminated', field: 'overload_manager' },
  { short: 'DO', long: 'DropOverLoad', field: undefined },
  { short: 'DR', long: 'DownstreamRemoteReset', field: 'downstream_remote_reset' },
] as const satisfies readonly FlagText[];

export type FlagName = (typeof FLAGS)[number]['short'];

/** By its letters, the bit of each flag. */
export const FLAG = Object.fromEntries(FLAGS.map(({ short }, bit) => [short, 1 << bit])) as Readonly<
  Record<FlagName, number>
>;

/** Whether those letters name a flag. */
export function isFlag(text: string): text is FlagName {
  return Object.hasOwn(FLAG, text);
}

/** Flags of Envoy that nothing here leads to. */
const NEVER_SET: ReadonlySet<string> = new Set(['IH', 'NFCF', 'RFCF', 'UDO', 'UMSDR']);

/** Whether those letters name a flag of Envoy. */
export function isKnownFlag(text: string): boolean {
  return isFlag(text) || NEVER_SET.has(text);
}

function set(flags: number): readonly FlagText[] {
  return FLAGS.filter((_, bit) => (flags & (1 << bit)) !== 0);
}

/** `URX,UF`; `-` where there is none. */
export function flagsText(flags: number): string {
  return flags === 0
    ? '-'
    : set(flags)
        .map(({ short }) => short)
        .join(',');
}

/** `UpstreamConnectionFailure`; `-` where there is none. */
export function flagsLongText(flags: number): string {
  return flags === 0
    ? '-'
    : set(flags)
        .map(({ long }) => long)
        .join(',');
}

/** The message of the access log service; undefined where there is no flag. */
export function flagsMessage(flags: number): Readonly<Record<string, unknown>> | undefined {
  if (flags === 0) return undefined;
  return Object.fromEntries(
    set(flags)
      .filter(({ field }) => field !== undefined)
      .map(({ short, field }) => [field, short === 'UAEX' ? { reason: 'EXTERNAL_SERVICE' } : true]),
  );
}
