/**
 * How long a stream may take in all, of which a gRPC request may say itself what it has
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction-maxstreamduration).
 */
import type { MaxStreamDurationConfig } from '../config/route.ts';
import type { RequestHead } from '../http/message.ts';
import { grpcTimeoutMs, grpcTimeoutText, isGrpcRequest } from './grpc.ts';

function limitOf(head: RequestHead, route: MaxStreamDurationConfig | undefined, managerMs: number): number | undefined {
  const maxMs = route?.grpc_timeout_header_max;
  const grpcMs = maxMs === undefined ? undefined : grpcTimeoutMs(head.headers);
  if (maxMs === undefined || grpcMs === undefined) return (route?.max_stream_duration ?? managerMs) || undefined;
  const cappedMs = maxMs > 0 ? Math.min(grpcMs, maxMs) : grpcMs;
  return Math.max(0, cappedMs - (route?.grpc_timeout_header_offset ?? 0));
}

/**
 * Milliseconds from its start in which a stream must be over; undefined: it may take any time. Where a route limits
 * gRPC requests the upstream is told of the limit in `grpc-timeout`. `managerMs`: the connection manager's own limit; 0:
 * none.
 */
export function streamDurationMs(
  head: RequestHead,
  route: MaxStreamDurationConfig | undefined,
  managerMs: number,
): number | undefined {
  const limitMs = limitOf(head, route, managerMs);
  if (route && isGrpcRequest(head)) {
    if (limitMs !== undefined) head.headers.set('grpc-timeout', grpcTimeoutText(limitMs));
    else if (managerMs > 0) head.headers.remove('grpc-timeout');
  }
  return limitMs;
}
