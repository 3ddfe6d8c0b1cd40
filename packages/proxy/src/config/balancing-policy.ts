/** Schema of `load_balancing_policy`, and what both ways to say how a cluster balances come to. */
import {
  type BalancingConfig,
  checkRing,
  consistentHashingFields,
  DEFAULT_ZONE_AWARE,
  type LegacyBalancing,
  type LocalityConfig,
  leastRequestFields,
  leastRequestOf,
  legacyPolicy,
  localityLbConfig,
  type PolicyConfig,
  ringSizeFields,
  slowStartConfig,
  tableSize,
} from './balancing.ts';
import {
  built,
  choice,
  flag,
  list,
  type MessageSchema,
  message,
  name,
  number,
  optional,
  type Place,
  presence,
  required,
  type Schema,
} from './schema.ts';
import { type SubsetsConfig, subsetFields, subsetsOf } from './subsets.ts';

/** What one policy of the list says. */
interface TypedPolicy extends LocalityConfig {
  readonly policy: PolicyConfig;
  readonly subsets: SubsetsConfig | undefined;
}

const POLICIES = 'envoy.extensions.load_balancing_policies';

const ofLocality = (locality: LocalityConfig | undefined): LocalityConfig =>
  locality ?? { weighsLocalities: false, zoneAware: DEFAULT_ZONE_AWARE };

const simple = (policy: PolicyConfig, locality: LocalityConfig | undefined): TypedPolicy => ({
  policy,
  subsets: undefined,
  ...ofLocality(locality),
});

const slowStart = optional(slowStartConfig(`${POLICIES}.common.v3.SlowStartConfig`));

const roundRobin: MessageSchema<TypedPolicy> = built(
  message(`${POLICIES}.round_robin.v3.RoundRobin`, {
    slow_start_config: slowStart,
    locality_lb_config: optional(localityLbConfig),
  }),
  (given) => simple({ type: 'round-robin', slowStart: given.slow_start_config }, given.locality_lb_config),
);

const leastRequest: MessageSchema<TypedPolicy> = built(
  message(`${POLICIES}.least_request.v3.LeastRequest`, {
    ...leastRequestFields,
    slow_start_config: slowStart,
    locality_lb_config: optional(localityLbConfig),
    selection_method: choice(['N_CHOICES', 'FULL_SCAN']),
  }),
  (given) => {
    const least = leastRequestOf(given, given.selection_method === 'FULL_SCAN');
    return simple({ type: 'least-request', least, slowStart: given.slow_start_config }, given.locality_lb_config);
  },
);

const random: MessageSchema<TypedPolicy> = built(
  message(`${POLICIES}.random.v3.Random`, { locality_lb_config: optional(localityLbConfig) }),
  (given) => simple({ type: 'random' }, given.locality_lb_config),
);

const consistentHashing = message(`${POLICIES}.common.v3.ConsistentHashingLbConfig`, consistentHashingFields);

const byWeight = (weighsLocalities: boolean): LocalityConfig => ({ weighsLocalities, zoneAware: DEFAULT_ZONE_AWARE });

const ringHash: MessageSchema<TypedPolicy> = built(
  message(
    `${POLICIES}.ring_hash.v3.RingHash`,
    {
      ...ringSizeFields,
      hash_function: choice(['DEFAULT_HASH', 'XX_HASH', 'MURMUR_HASH_2']),
      use_hostname_for_hashing: flag(),
      hash_balance_factor: optional(number(0, { min: 100, max: 0xffff_ffff })),
      consistent_hashing_lb_config: optional(consistentHashing),
      locality_weighted_lb_config: presence(),
    },
    checkRing,
  ),
  (given) => {
    const hashing = given.consistent_hashing_lb_config ?? given;
    const ring = {
      minSize: given.minimum_ring_size,
      maxSize: given.maximum_ring_size,
      hash: given.hash_function === 'MURMUR_HASH_2' ? ('murmur' as const) : ('xx' as const),
      usesHostname: hashing.use_hostname_for_hashing,
    };
    const balancePercent = hashing.hash_balance_factor ?? 0;
    return simple({ type: 'ring-hash', ring, balancePercent }, byWeight(given.locality_weighted_lb_config));
  },
);

const maglev: MessageSchema<TypedPolicy> = built(
  message(`${POLICIES}.maglev.v3.Maglev`, {
    table_size: tableSize,
    consistent_hashing_lb_config: optional(consistentHashing),
    locality_weighted_lb_config: presence(),
  }),
  (given) => {
    const hashing = given.consistent_hashing_lb_config;
    const table = { tableSize: given.table_size, usesHostname: hashing?.use_hostname_for_hashing ?? false };
    const balancePercent = hashing?.hash_balance_factor ?? 0;
    return simple({ type: 'maglev', maglev: table, balancePercent }, byWeight(given.locality_weighted_lb_config));
  },
);

const clusterProvided: MessageSchema<TypedPolicy> = built(
  message(`${POLICIES}.cluster_provided.v3.ClusterProvided`, {}),
  () => simple({ type: 'cluster-provided' }, undefined),
);

/** With the policies that gRPC's clients know here; Envoy takes none of them, and Weft not the one that Envoy takes. */
const wrrLocality: MessageSchema<TypedPolicy> = built(
  message(`${POLICIES}.wrr_locality.v3.WrrLocality`, {
    endpoint_picking_policy: required(policyList([roundRobin, leastRequest, random])),
  }),
  ({ endpoint_picking_policy: inner }) => ({ ...inner, weighsLocalities: true }),
);

const inSubsets = [roundRobin, leastRequest, random, ringHash, maglev];

const SUBSET = `${POLICIES}.subset.v3.Subset`;

const subset: MessageSchema<TypedPolicy> = built(
  message(SUBSET, {
    ...subsetFields(SUBSET),
    subset_lb_policy: required(policyList(inSubsets)),
    allow_redundant_keys: flag(),
  }),
  (given, place) => {
    if (given.subset_selectors.length === 0) place.within('subset_selectors', () => place.refuse('must have an entry'));
    return { ...given.subset_lb_policy, subsets: subsetsOf(given, given.allow_redundant_keys) };
  },
);

/** A list of policies, of which the first that is known counts; the others are for clients that know more. */
function policyList(schemas: readonly MessageSchema<TypedPolicy>[]): Schema<TypedPolicy> {
  const byName = new Map(schemas.map((schema) => [schema.name, schema]));
  const typed: Schema<TypedPolicy | undefined> = {
    description: { type: 'any', messages: schemas.map(({ description }) => description) },
    parse(given, place) {
      const url = String((given as { readonly '@type'?: unknown } | undefined)?.['@type'] ?? '');
      return byName.get(url.slice(url.lastIndexOf('/') + 1))?.parse(given, place);
    },
  };
  const extension = message('envoy.config.core.v3.TypedExtensionConfig', { name: name(), typed_config: typed });
  const policy = message('envoy.config.cluster.v3.LoadBalancingPolicy.Policy', {
    typed_extension_config: required(extension),
  });
  return built(message('envoy.config.cluster.v3.LoadBalancingPolicy', { policies: list(policy) }), (given, place) => {
    const found = given.policies.find(({ typed_extension_config: one }) => one?.typed_config !== undefined);
    if (found?.typed_extension_config.typed_config) return found.typed_extension_config.typed_config;
    place.within('policies', () => place.refuse(`none is one of ${[...byName.keys()].join(', ')}`));
    return simple({ type: 'round-robin', slowStart: undefined }, undefined);
  });
}

export const loadBalancingPolicy = policyList([...inSubsets, wrrLocality, subset, clusterProvided]);

/** What a cluster says of balancing. */
export interface BalancingFields extends LegacyBalancing {
  readonly type: string;
  readonly load_balancing_policy: TypedPolicy | undefined;
  readonly lb_subset_config: SubsetsConfig | undefined;
}

const DEFAULT_PANIC_PERCENT = 50;

/** Both ways in one. */
export function balancingOf(given: BalancingFields): BalancingConfig {
  const common = given.common_lb_config;
  const panicPercent = Math.round(common?.healthy_panic_threshold?.value ?? DEFAULT_PANIC_PERCENT);
  const typed = given.load_balancing_policy;
  if (typed) return { ...typed, panicPercent };
  return {
    policy: legacyPolicy(given) ?? { type: 'round-robin', slowStart: undefined },
    weighsLocalities: common?.locality_weighted_lb_config ?? false,
    zoneAware: common?.zone_aware_lb_config ?? DEFAULT_ZONE_AWARE,
    panicPercent,
    subsets: given.lb_subset_config,
  };
}

const OF_COMMON = ['zone_aware_lb_config', 'locality_weighted_lb_config', 'consistent_hashing_lb_config'] as const;

/** Refuses what does not fit together. */
export function checkBalancing(given: BalancingFields, place: Place): void {
  const { load_balancing_policy: typed, common_lb_config: common, lb_policy: legacy } = given;
  if (legacy === 'LOAD_BALANCING_POLICY_CONFIG' && !typed) {
    place.within('load_balancing_policy', () => place.refuse('is needed for LOAD_BALANCING_POLICY_CONFIG'));
  }
  if (typed && given.lb_subset_config) {
    place.within('lb_subset_config', () => place.refuse('is not used beside load_balancing_policy'));
  }
  for (const field of typed && common ? OF_COMMON : []) {
    if (!common?.[field]) continue;
    place.within('common_lb_config', () =>
      place.within(field, () => place.refuse('is not used beside load_balancing_policy')),
    );
  }
  if (given.type === 'STATIC' && common?.consistent_hashing_lb_config?.use_hostname_for_hashing) {
    place.within('common_lb_config', () => place.refuse('hashes hostnames, which a cluster of type STATIC does not'));
  }
  const isProvided = balancingOf(given).policy.type === 'cluster-provided';
  if (isProvided !== (given.type === 'ORIGINAL_DST')) {
    place.within('lb_policy', () =>
      place.refuse('CLUSTER_PROVIDED goes with clusters of type ORIGINAL_DST, and they with it'),
    );
  }
  if (isProvided && given.lb_subset_config) {
    place.within('lb_subset_config', () => place.refuse('is not used by a cluster of type ORIGINAL_DST'));
  }
}
