/** Calls to gRPC services that a configuration names. */
import type { GrpcTarget } from '../config/services.ts';
import { asFieldValue } from '../http1/characters.ts';
import type { StreamInfo } from '../stack/stream-info.ts';
import type { UpstreamCalls } from './calls.ts';

/**
 * Calls a method of a service, with the metadata that its configuration asks for. `info`: the request on whose behalf.
 * Gives the answer's message; rejects with `UpstreamCallError`.
 */
export function callGrpc(
  calls: UpstreamCalls,
  target: GrpcTarget,
  call: { readonly path: string; readonly message: Uint8Array; readonly timeoutMs: number },
  info: StreamInfo | undefined,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const { timeoutMs } = call;
  const metadata: (readonly [name: string, value: string])[] = [];
  if (info) for (const { name, value } of target.metadata) metadata.push([name, asFieldValue(value(info))]);
  if (!target.skipsEnvoyHeaders) {
    metadata.push(['x-envoy-internal', 'true']);
    if (timeoutMs > 0) metadata.push(['x-envoy-expected-rq-timeout-ms', String(Math.ceil(timeoutMs))]);
  }
  const { cluster, authority } = target;
  return calls.unary({ ...call, cluster, metadata, ...(authority === undefined ? {} : { authority }) }, signal);
}
