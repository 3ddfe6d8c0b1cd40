/** What all levels together say: field by field, the most specific level that says something. */
import type { RuntimeShare } from '../../config/runtime.ts';
import type { CorsPolicy } from './schema.ts';

/** A policy as it is applied. */
export interface MergedPolicy {
  readonly origins: CorsPolicy['allow_origin_string_match'];
  readonly methods: string;
  readonly headers: string;
  readonly exposed: string;
  readonly maxAge: string;
  readonly hasCredentials: boolean;
  readonly hasPrivateNetwork: boolean;
  readonly forwardsOthers: boolean;
  /** Undefined: always. */
  readonly enabled: RuntimeShare | undefined;
  /** Undefined: never. */
  readonly shadow: RuntimeShare | undefined;
}

/** The policies of all levels, the most specific first; there is one at least. */
export function mergePolicies(policies: readonly [CorsPolicy, ...CorsPolicy[]]): MergedPolicy {
  const said = (of: (policy: CorsPolicy) => string): string => policies.map(of).find((text) => text !== '') ?? '';
  const flag = (of: (policy: CorsPolicy) => boolean | undefined, otherwise: boolean): boolean =>
    policies.map(of).find((value) => value !== undefined) ?? otherwise;
  return {
    origins: policies.map((policy) => policy.allow_origin_string_match).find((list) => list.length > 0) ?? [],
    methods: said((policy) => policy.allow_methods),
    headers: said((policy) => policy.allow_headers),
    exposed: said((policy) => policy.expose_headers),
    maxAge: said((policy) => policy.max_age),
    hasCredentials: flag((policy) => policy.allow_credentials, false),
    hasPrivateNetwork: flag((policy) => policy.allow_private_network_access, false),
    forwardsOthers: flag((policy) => policy.forward_not_matching_preflights, true),
    enabled: policies[0].filter_enabled,
    shadow: policies[0].shadow_enabled,
  };
}
