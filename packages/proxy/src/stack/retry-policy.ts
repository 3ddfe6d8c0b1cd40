/** When a request is sent again (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/router_filter#x-envoy-retry-on). */
import type { HeaderMatch } from '../config/header-match.ts';
import { type RetryCondition, type RetryPolicyConfig, retryPolicy } from '../config/route.ts';
import { Place } from '../config/schema.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { UpstreamReset } from '../http/stream.ts';
import { fieldMatches } from './field-match.ts';
import { grpcStatusIn } from './grpc.ts';
import { compileHostPredicates, type PassesOver } from './retry-hosts.ts';

const DEFAULT_BASE_MS = 25;

export interface RetryPolicy {
  readonly conditions: ReadonlySet<RetryCondition>;
  readonly maxRetries: number;
  readonly perTryTimeoutMs: number;
  /** How long an attempt may stand still; 0: no limit. */
  readonly perTryIdleMs: number;
  readonly statusCodes: ReadonlySet<number>;
  /** Of gRPC, where the head of the answer holds it. */
  readonly grpcStatuses: ReadonlySet<number>;
  readonly responseHeaders: readonly HeaderMatch[];
  readonly requestHeaders: readonly HeaderMatch[];
  readonly baseBackOffMs: number;
  readonly maxBackOffMs: number;
  /** What an answer says of when to come again; undefined where nobody looks. */
  readonly rateLimited: RetryPolicyConfig['rate_limited_retry_back_off'];
  /** How often another host is looked for, where the one that was picked has been tried already; 0: any host will do. */
  readonly hostAttempts: number;
  /** Which hosts are passed over; undefined: none. */
  readonly passesOver: PassesOver | undefined;
  /** After how many attempts priorities that were tried are left alone; undefined: they are not. */
  readonly priorityUpdateFrequency: number | undefined;
}

/** A policy that says nothing: what a request itself asks for is added to it. */
export const NO_RETRY_CONFIG: RetryPolicyConfig = retryPolicy.parse({}, new Place());

export function compileRetryPolicy(config: RetryPolicyConfig): RetryPolicy {
  const baseBackOffMs = config.retry_back_off?.base_interval ?? DEFAULT_BASE_MS;
  return {
    conditions: config.retry_on,
    maxRetries: config.num_retries,
    perTryTimeoutMs: config.per_try_timeout,
    perTryIdleMs: config.per_try_idle_timeout,
    statusCodes: new Set(config.retriable_status_codes),
    grpcStatuses: grpcStatuses(config.retry_on),
    responseHeaders: config.retriable_headers,
    requestHeaders: config.retriable_request_headers,
    baseBackOffMs,
    maxBackOffMs: config.retry_back_off?.max_interval ?? baseBackOffMs * 10,
    rateLimited: config.rate_limited_retry_back_off,
    hostAttempts: config.retry_host_predicate.length > 0 ? config.host_selection_retry_max_attempts : 0,
    passesOver: compileHostPredicates(config.retry_host_predicate),
    priorityUpdateFrequency: config.retry_priority?.typed_config.value.update_frequency,
  };
}

/** How long to wait before the attempt after `attempts`, at random up to a bound that doubles each time. */
export function backOffMs(policy: RetryPolicy, attempts: number, random: () => number): number {
  const bound = Math.min(policy.maxBackOffMs, policy.baseBackOffMs * (2 ** attempts - 1) || policy.baseBackOffMs);
  return random() * bound;
}

/**
 * How long to wait before the next attempt by what the answer says, of the first of the fields that can be read and is
 * not beyond the longest wait; a random part comes on top, so that not all come back at once. Undefined: it says nothing.
 */
export function rateLimitedMs(
  { rateLimited }: RetryPolicy,
  head: ResponseHead,
  wallMs: number,
  random: () => number,
): number | undefined {
  if (!rateLimited) return undefined;
  for (const { name, format } of rateLimited.reset_headers) {
    const value = head.headers.get(name.toLowerCase());
    if (value === undefined || !/^\d{1,12}$/.test(value)) continue;
    const seconds = format === 'SECONDS' ? Number(value) : Number(value) - Math.floor(wallMs / 1000);
    const waitMs = seconds * 1000;
    if (waitMs <= 0 || waitMs > rateLimited.max_interval) continue;
    return waitMs * (1 + random() / 2);
  }
  return undefined;
}

const GRPC_CONDITIONS: readonly (readonly [RetryCondition, number])[] = [
  ['cancelled', 1],
  ['deadline-exceeded', 4],
  ['internal', 13],
  ['resource-exhausted', 8],
  ['unavailable', 14],
];

/** The statuses of gRPC that those conditions name. */
export function grpcStatuses(conditions: ReadonlySet<RetryCondition>): ReadonlySet<number> {
  return new Set(GRPC_CONDITIONS.flatMap(([condition, status]) => (conditions.has(condition) ? [status] : [])));
}

const GATEWAY_ERRORS = new Set([502, 503, 504]);

/** Whether an answer of the upstream is one to ask again after. */
export function retriesResponse(policy: RetryPolicy, head: ResponseHead): boolean {
  const { conditions } = policy;
  const { status, headers } = head;
  // An answer of a rate limit is asked for again only where the policy names it.
  if (headers.has('x-envoy-ratelimited')) return conditions.has('envoy-ratelimited');
  if (conditions.has('5xx') && status >= 500) return true;
  if (conditions.has('gateway-error') && GATEWAY_ERRORS.has(status)) return true;
  if (conditions.has('retriable-4xx') && status === 409) return true;
  if (conditions.has('retriable-status-codes') && policy.statusCodes.has(status)) return true;
  if (policy.grpcStatuses.size > 0 && policy.grpcStatuses.has(grpcStatusIn(headers) ?? 0)) return true;
  if (!conditions.has('retriable-headers')) return false;
  return policy.responseHeaders.some((match) =>
    match.name === ':status' ? match.matches(String(status)) : fieldMatches(match, headers),
  );
}

/** Whether a request that got no answer is one to send again. */
export function retriesReset(policy: RetryPolicy, reset: UpstreamReset): boolean {
  const { conditions } = policy;
  if (reset.type === 'overflow') return false;
  if (conditions.has('5xx') || conditions.has('gateway-error') || conditions.has('reset')) return true;
  if (reset.isUnsent && conditions.has('reset-before-request')) return true;
  if (reset.type === 'refused-stream' && conditions.has('refused-stream')) return true;
  const isConnectFailure = reset.type === 'connect-failure' || reset.type === 'connect-timeout';
  return isConnectFailure && conditions.has('connect-failure');
}

/** Whether the policy is for this request at all. */
export function appliesTo(policy: RetryPolicy, head: RequestHead): boolean {
  const { requestHeaders } = policy;
  if (requestHeaders.length === 0) return true;
  return requestHeaders.some((match) =>
    match.name === ':method' ? match.matches(head.method) : fieldMatches(match, head.headers),
  );
}

/** Methods that change nothing (RFC 9110, 9.2.1), which may be sent again though they may have been processed. */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'TRACE';
}
