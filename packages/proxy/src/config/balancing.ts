/**
 * Schemas of load balancing. It is said in one of two ways, by `lb_policy` with its own fields or by
 * `load_balancing_policy`; both come to the same {@link BalancingConfig}.
 */
import type { LeastRequestConfig } from '../cluster/balancing/least-request.ts';
import type { MaglevConfig } from '../cluster/balancing/maglev.ts';
import type { RingHashConfig } from '../cluster/balancing/ring-hash.ts';
import type { SlowStartConfig } from '../cluster/balancing/slow-start.ts';
import type { ZoneAwareConfig } from '../cluster/balancing/zone-routing.ts';
import {
  built,
  choice,
  durationMs,
  flag,
  message,
  number,
  optional,
  type Parsed,
  type Place,
  presence,
  required,
  text,
} from './schema.ts';
import type { SubsetsConfig } from './subsets.ts';

/** Which rule picks a host. */
export type PolicyConfig =
  | { readonly type: 'round-robin'; readonly slowStart: SlowStartConfig | undefined }
  | {
      readonly type: 'least-request';
      readonly least: LeastRequestConfig;
      readonly slowStart: SlowStartConfig | undefined;
    }
  | { readonly type: 'random' }
  | { readonly type: 'ring-hash'; readonly ring: RingHashConfig; readonly balancePercent: number }
  | { readonly type: 'maglev'; readonly maglev: MaglevConfig; readonly balancePercent: number }
  | { readonly type: 'cluster-provided' };

export interface BalancingConfig {
  readonly policy: PolicyConfig;
  readonly weighsLocalities: boolean;
  readonly zoneAware: ZoneAwareConfig;
  /** A priority with a smaller share of healthy hosts is in panic; 0: none ever is. */
  readonly panicPercent: number;
  readonly subsets: SubsetsConfig | undefined;
}

export const percent = message('envoy.type.v3.Percent', { value: number(0, { max: 100 }) });

const runtimeDouble = message('envoy.config.core.v3.RuntimeDouble', { default_value: number(), runtime_key: text() });

const DEFAULT_SLOW_PERCENT = 10;

/** `package`: the message is there under two names. */
export function slowStartConfig(name: string) {
  return built(
    message(name, {
      slow_start_window: required(durationMs(0)),
      aggression: optional(runtimeDouble),
      min_weight_percent: optional(percent),
    }),
    (given, place): SlowStartConfig | undefined => {
      const aggression = given.aggression?.default_value ?? 1;
      if (aggression <= 0) place.within('aggression', () => place.refuse('must be more than 0'));
      const minShare = (given.min_weight_percent?.value ?? DEFAULT_SLOW_PERCENT) / 100;
      return given.slow_start_window > 0
        ? {
            windowMs: given.slow_start_window,
            aggression,
            aggressionKey: given.aggression?.runtime_key ?? '',
            minShare,
          }
        : undefined;
    },
  );
}

const zoneFields = {
  routing_enabled: optional(percent),
  min_cluster_size: number(6),
  fail_traffic_on_panic: flag(),
};

interface ZoneFields {
  readonly routing_enabled: { readonly value: number } | undefined;
  readonly min_cluster_size: number;
  readonly fail_traffic_on_panic: boolean;
}

function zoneAware(given: ZoneFields, forceLocalMinHosts: number | undefined, isByWeight: boolean): ZoneAwareConfig {
  return {
    enabledPercent: Math.round(given.routing_enabled?.value ?? 100),
    minClusterSize: given.min_cluster_size,
    failsOnPanic: given.fail_traffic_on_panic,
    forceLocalMinHosts,
    isByWeight,
  };
}

export const DEFAULT_ZONE_AWARE: ZoneAwareConfig = {
  enabledPercent: 100,
  minClusterSize: 6,
  failsOnPanic: false,
  forceLocalMinHosts: undefined,
  isByWeight: false,
};

const LOCALITY = 'envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig';

const typedZoneAware = built(
  message(`${LOCALITY}.ZoneAwareLbConfig`, {
    ...zoneFields,
    force_locality_direct_routing: flag(),
    force_local_zone: optional(
      message(`${LOCALITY}.ZoneAwareLbConfig.ForceLocalZone`, { min_size: number(1, { max: 0xffff_ffff }) }),
    ),
    locality_basis: choice(['HEALTHY_HOSTS_NUM', 'HEALTHY_HOSTS_WEIGHT']),
  }),
  (given) =>
    zoneAware(
      given,
      given.force_local_zone?.min_size ?? (given.force_locality_direct_routing ? 1 : undefined),
      given.locality_basis === 'HEALTHY_HOSTS_WEIGHT',
    ),
);

export interface LocalityConfig {
  readonly weighsLocalities: boolean;
  readonly zoneAware: ZoneAwareConfig;
}

function oneLocalityConfig(isZone: boolean, isWeighted: boolean, place: Place): void {
  if (isZone && isWeighted) place.refuse('has both zone_aware_lb_config and locality_weighted_lb_config');
}

export const localityLbConfig = built(
  message(LOCALITY, { zone_aware_lb_config: optional(typedZoneAware), locality_weighted_lb_config: presence() }),
  ({ zone_aware_lb_config: zone, locality_weighted_lb_config: weighsLocalities }, place): LocalityConfig => {
    oneLocalityConfig(zone !== undefined, weighsLocalities, place);
    return { weighsLocalities, zoneAware: zone ?? DEFAULT_ZONE_AWARE };
  },
);

const CLUSTER = 'envoy.config.cluster.v3.Cluster';

export const consistentHashingFields = {
  use_hostname_for_hashing: flag(),
  hash_balance_factor: optional(number(0, { min: 100, max: 0xffff_ffff })),
};

export const commonLbConfig = message(
  `${CLUSTER}.CommonLbConfig`,
  {
    healthy_panic_threshold: optional(percent),
    zone_aware_lb_config: optional(
      built(message(`${CLUSTER}.CommonLbConfig.ZoneAwareLbConfig`, zoneFields), (given) =>
        zoneAware(given, undefined, false),
      ),
    ),
    locality_weighted_lb_config: presence(),
    ignore_new_hosts_until_first_hc: flag(),
    close_connections_on_host_set_change: flag(),
    consistent_hashing_lb_config: optional(
      message(`${CLUSTER}.CommonLbConfig.ConsistentHashingLbConfig`, consistentHashingFields),
    ),
  },
  ({ zone_aware_lb_config: zone, locality_weighted_lb_config: isWeighted }, place) =>
    oneLocalityConfig(zone !== undefined, isWeighted, place),
);

/** What least request is told, under either name. */
export const leastRequestFields = {
  choice_count: number(2, { min: 2, max: 0xffff_ffff }),
  active_request_bias: optional(runtimeDouble),
};

export function leastRequestOf(
  given: {
    readonly choice_count: number;
    readonly active_request_bias: { readonly default_value: number; readonly runtime_key: string } | undefined;
  },
  scansAll: boolean,
): LeastRequestConfig {
  const bias = given.active_request_bias?.default_value ?? 1;
  return { choices: given.choice_count, scansAll, bias, biasKey: given.active_request_bias?.runtime_key ?? '' };
}

const MAX_RING = 8_388_608;
const DEFAULT_MIN_RING = 1024;

export const ringSizeFields = {
  minimum_ring_size: number(DEFAULT_MIN_RING, { max: MAX_RING }),
  maximum_ring_size: number(MAX_RING, { max: MAX_RING }),
};

interface RingSizes {
  readonly minimum_ring_size: number;
  readonly maximum_ring_size: number;
}

export function checkRing({ minimum_ring_size: min, maximum_ring_size: max }: RingSizes, place: Place): void {
  if (min > max) place.refuse(`minimum_ring_size (${min}) is more than maximum_ring_size (${max})`);
}

function isPrime(value: number): boolean {
  if (value < 2) return false;
  for (let by = 2; by * by <= value; by++) if (value % by === 0) return false;
  return true;
}

const DEFAULT_TABLE = 65_537;
const MAX_TABLE = 5_000_011;

export const tableSize = built(number(DEFAULT_TABLE, { max: MAX_TABLE }), (size, place) => {
  if (!isPrime(size)) place.refuse(`must be a prime number, got ${size}`);
  return size;
});

const leastRequest = message(`${CLUSTER}.LeastRequestLbConfig`, {
  ...leastRequestFields,
  slow_start_config: optional(slowStartConfig(`${CLUSTER}.SlowStartConfig`)),
});

const roundRobin = message(`${CLUSTER}.RoundRobinLbConfig`, {
  slow_start_config: optional(slowStartConfig(`${CLUSTER}.SlowStartConfig`)),
});

const ringHash = message(
  `${CLUSTER}.RingHashLbConfig`,
  { ...ringSizeFields, hash_function: choice(['XX_HASH', 'MURMUR_HASH_2']) },
  checkRing,
);

/** Fields of a cluster for `lb_policy`. */
export const legacyBalancing = {
  lb_policy: choice([
    'ROUND_ROBIN',
    'LEAST_REQUEST',
    'RING_HASH',
    'RANDOM',
    'MAGLEV',
    'CLUSTER_PROVIDED',
    'LOAD_BALANCING_POLICY_CONFIG',
  ]),
  round_robin_lb_config: optional(roundRobin),
  least_request_lb_config: optional(leastRequest),
  ring_hash_lb_config: optional(ringHash),
  maglev_lb_config: optional(message(`${CLUSTER}.MaglevLbConfig`, { table_size: tableSize })),
  common_lb_config: optional(commonLbConfig),
};

export type LegacyBalancing = { readonly [K in keyof typeof legacyBalancing]: Parsed<(typeof legacyBalancing)[K]> };

/** The rule that `lb_policy` names; undefined where `load_balancing_policy` does. */
export function legacyPolicy(given: LegacyBalancing): PolicyConfig | undefined {
  const hashing = given.common_lb_config?.consistent_hashing_lb_config;
  const usesHostname = hashing?.use_hostname_for_hashing ?? false;
  const balancePercent = hashing?.hash_balance_factor ?? 0;
  switch (given.lb_policy) {
    case 'ROUND_ROBIN':
      return { type: 'round-robin', slowStart: given.round_robin_lb_config?.slow_start_config };
    case 'LEAST_REQUEST': {
      const config = given.least_request_lb_config;
      const least = leastRequestOf(config ?? { choice_count: 2, active_request_bias: undefined }, false);
      return { type: 'least-request', least, slowStart: config?.slow_start_config };
    }
    case 'RANDOM':
      return { type: 'random' };
    case 'RING_HASH': {
      const ring = given.ring_hash_lb_config;
      const hash = ring?.hash_function === 'MURMUR_HASH_2' ? 'murmur' : 'xx';
      const minSize = ring?.minimum_ring_size ?? DEFAULT_MIN_RING;
      const maxSize = ring?.maximum_ring_size ?? MAX_RING;
      return { type: 'ring-hash', ring: { minSize, maxSize, hash, usesHostname }, balancePercent };
    }
    case 'MAGLEV': {
      const maglev = { tableSize: given.maglev_lb_config?.table_size ?? DEFAULT_TABLE, usesHostname };
      return { type: 'maglev', maglev, balancePercent };
    }
    case 'CLUSTER_PROVIDED':
      return { type: 'cluster-provided' };
    case 'LOAD_BALANCING_POLICY_CONFIG':
      return undefined;
  }
}
