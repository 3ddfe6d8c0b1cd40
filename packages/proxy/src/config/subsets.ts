/** Schema of subsets: which hosts a request may go to, by what its route asks of their metadata. */
import { built, choice, flag, list, message, name, optional, type Place, struct } from './schema.ts';

export type SubsetFallback = 'none' | 'any' | 'default';

export interface SubsetSelector {
  /** Sorted, each once. */
  readonly keys: readonly string[];
  /** Where no host has the values; undefined: the cluster's own rule counts. */
  readonly fallback: SubsetFallback | 'keys' | undefined;
  /** For `keys`: the keys that are still asked for. Sorted. */
  readonly fallbackKeys: readonly string[];
  readonly hasSingleHosts: boolean;
}

export interface SubsetsConfig {
  readonly fallback: SubsetFallback;
  readonly defaultSubset: Readonly<Record<string, unknown>>;
  readonly selectors: readonly SubsetSelector[];
  readonly weighsLocalities: boolean;
  readonly scalesLocalities: boolean;
  readonly panicsToAny: boolean;
  readonly listIsAny: boolean;
  /** Whether a route's `fallback_list` is tried one by one. */
  readonly usesFallbackList: boolean;
  /** Whether a route may ask for more keys than a selector has. */
  readonly allowsMoreKeys: boolean;
}

const FALLBACK = { NO_FALLBACK: 'none', ANY_ENDPOINT: 'any', DEFAULT_SUBSET: 'default' } as const;
const SELECTOR_FALLBACK = { ...FALLBACK, NOT_DEFINED: undefined, KEYS_SUBSET: 'keys' } as const;

const sortedOnce = (keys: readonly string[]): readonly string[] => [...new Set(keys)].sort();

function checkFallbackKeys(keys: readonly string[], fallbackKeys: readonly string[], place: Place): void {
  place.within('fallback_keys_subset', () => {
    if (fallbackKeys.length === 0) place.refuse('is needed for KEYS_SUBSET');
    else if (!fallbackKeys.every((key) => keys.includes(key))) place.refuse('may hold keys of the selector only');
    else if (fallbackKeys.length === keys.length) place.refuse('must leave a key of the selector out');
  });
}

function selector(messageName: string) {
  return built(
    message(messageName, {
      keys: list(name()),
      fallback_policy: choice(['NOT_DEFINED', 'NO_FALLBACK', 'ANY_ENDPOINT', 'DEFAULT_SUBSET', 'KEYS_SUBSET']),
      fallback_keys_subset: list(name()),
      single_host_per_subset: flag(),
    }),
    (given, place): SubsetSelector => {
      const keys = sortedOnce(given.keys);
      const fallbackKeys = sortedOnce(given.fallback_keys_subset);
      const fallback = SELECTOR_FALLBACK[given.fallback_policy];
      if (keys.length === 0) place.within('keys', () => place.refuse('must have an entry'));
      if (fallback === 'keys') checkFallbackKeys(keys, fallbackKeys, place);
      else if (fallbackKeys.length > 0) {
        place.within('fallback_keys_subset', () => place.refuse('is for the fallback_policy KEYS_SUBSET alone'));
      }
      if (given.single_host_per_subset && keys.length !== 1) {
        place.within('single_host_per_subset', () => place.refuse('is for a selector of one key'));
      }
      return { keys, fallback, fallbackKeys, hasSingleHosts: given.single_host_per_subset };
    },
  );
}

/** Fields that the message has under both its names; `messageName` is the one. */
export function subsetFields(messageName: string) {
  return {
    fallback_policy: choice(['NO_FALLBACK', 'ANY_ENDPOINT', 'DEFAULT_SUBSET']),
    default_subset: optional(struct()),
    subset_selectors: list(selector(`${messageName}.LbSubsetSelector`)),
    locality_weight_aware: flag(),
    scale_locality_weight: flag(),
    panic_mode_any: flag(),
    list_as_any: flag(),
    metadata_fallback_policy: choice(['METADATA_NO_FALLBACK', 'FALLBACK_LIST']),
  };
}

interface SubsetFields {
  readonly fallback_policy: keyof typeof FALLBACK;
  readonly default_subset: Readonly<Record<string, unknown>> | undefined;
  readonly subset_selectors: readonly SubsetSelector[];
  readonly locality_weight_aware: boolean;
  readonly scale_locality_weight: boolean;
  readonly panic_mode_any: boolean;
  readonly list_as_any: boolean;
  readonly metadata_fallback_policy: 'METADATA_NO_FALLBACK' | 'FALLBACK_LIST';
}

export function subsetsOf(given: SubsetFields, allowsMoreKeys: boolean): SubsetsConfig {
  return {
    fallback: FALLBACK[given.fallback_policy],
    defaultSubset: given.default_subset ?? {},
    selectors: given.subset_selectors,
    weighsLocalities: given.locality_weight_aware,
    scalesLocalities: given.scale_locality_weight,
    panicsToAny: given.panic_mode_any,
    listIsAny: given.list_as_any,
    usesFallbackList: given.metadata_fallback_policy === 'FALLBACK_LIST',
    allowsMoreKeys,
  };
}

const LEGACY = 'envoy.config.cluster.v3.Cluster.LbSubsetConfig';

/** Undefined where nothing selects subsets: Envoy then balances as if the message were not there. */
export const lbSubsetConfig = built(message(LEGACY, subsetFields(LEGACY)), (given): SubsetsConfig | undefined =>
  given.subset_selectors.length === 0 ? undefined : subsetsOf(given, false),
);
