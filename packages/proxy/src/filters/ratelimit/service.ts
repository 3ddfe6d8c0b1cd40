/** The rate limit service: `envoy.service.ratelimit.v3.RateLimitService`. */
import { decode, encode, type Messages } from '@weft/envoy-api';
import type { GrpcTarget } from '../../config/services.ts';
import { textOf } from '../../http/field-text.ts';
import type { Descriptor } from '../../stack/rate-limit-actions.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';
import type { UpstreamCalls } from '../../upstream/calls.ts';
import { callGrpc } from '../../upstream/grpc-target.ts';

const PATH = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit';

export type RateLimitResponse = Messages['envoy.service.ratelimit.v3.RateLimitResponse'];
type RateLimitDescriptor = Messages['envoy.extensions.common.ratelimit.v3.RateLimitDescriptor'];

function descriptorOf({ entries, limit, hits, isGivenBack }: Descriptor): RateLimitDescriptor {
  return {
    entries: entries.map(({ key, value }) => ({ key: textOf(key), value: textOf(value) })),
    ...(limit ? { limit: { requests_per_unit: limit.requestsPerUnit, unit: limit.unit as 'SECOND' } } : {}),
    ...(hits === undefined ? {} : { hits_addend: String(hits) }),
    ...(isGivenBack ? { is_negative_hits: true } : {}),
  };
}

/** Asks whether requests with these descriptors are within their limits; rejects where no answer came. */
export async function askRateLimits(
  calls: UpstreamCalls,
  target: GrpcTarget,
  domain: string,
  descriptors: readonly Descriptor[],
  timeoutMs: number,
  info: StreamInfo,
  signal?: AbortSignal,
): Promise<RateLimitResponse> {
  const message = encode('envoy.service.ratelimit.v3.RateLimitRequest', {
    domain,
    descriptors: descriptors.map(descriptorOf),
  });
  const answer = await callGrpc(calls, target, { path: PATH, message, timeoutMs }, info, signal);
  return decode('envoy.service.ratelimit.v3.RateLimitResponse', answer);
}
