/** Which requests are mirrored, and where to (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/route/v3/route_components.proto). */
import type { MirrorPolicyConfig } from '../config/route.ts';
import type { RuntimeShare } from '../config/runtime.ts';
import type { RequestHead } from '../http/message.ts';
import type { Runtime } from '../runtime/runtime.ts';

export interface MirrorPolicy {
  /** The name of the cluster for this request, if it is one to mirror; '' where the request names none. */
  cluster(head: RequestHead): string | undefined;
  /** Whether what the mirrored request is for stands in its Host: `shop-shadow`. */
  readonly appendsSuffix: boolean;
  /** Whether the mirrored request is traced; undefined: as the request is. */
  readonly isTraced: boolean | undefined;
}

function isChosen(share: RuntimeShare | undefined, runtime: Runtime): boolean {
  return share === undefined || runtime.isEnabled(share);
}

export function compileMirrorPolicy(config: MirrorPolicyConfig, runtime: Runtime): MirrorPolicy {
  const { cluster, cluster_header, runtime_fraction: share } = config;
  const field = cluster_header.toLowerCase();
  return {
    cluster: (head) => {
      if (!isChosen(share, runtime)) return undefined;
      return cluster === '' ? (head.headers.get(field) ?? '') : cluster;
    },
    appendsSuffix: !config.disable_shadow_host_suffix_append,
    isTraced: config.trace_sampled,
  };
}
