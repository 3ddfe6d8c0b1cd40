/** Schemas of how names of endpoints are resolved. */
import {
  anyOf,
  built,
  choice,
  durationMs,
  flag,
  message,
  name,
  optional,
  type Place,
  required,
  type Schema,
} from './schema.ts';

/** The least that the API has. */
const LEAST_MS = 1;
const DEFAULT_REFRESH_MS = 5000;
/** So many times the first wait are the longest one, where that is not said. */
const DEFAULT_GROWTH = 10;

/** How long to wait after answers that did not come: anywhere below a bound that doubles from one to the other. */
export interface FailureRefresh {
  readonly base_interval: number;
  readonly max_interval: number;
}

function failureRefresh(name: string): Schema<FailureRefresh> {
  return built(
    message(name, {
      base_interval: required(durationMs(0, { min: LEAST_MS })),
      max_interval: optional(durationMs(0, { min: LEAST_MS })),
    }),
    ({ base_interval, max_interval = base_interval * DEFAULT_GROWTH }, place) => {
      if (max_interval < base_interval) place.within('max_interval', () => place.refuse('is less than base_interval'));
      return { base_interval, max_interval };
    },
  );
}

const refreshRate = durationMs(DEFAULT_REFRESH_MS, { min: LEAST_MS });

/** Fields of a cluster. */
export const dnsFields = {
  dns_refresh_rate: refreshRate,
  dns_failure_refresh_rate: optional(failureRefresh('envoy.config.cluster.v3.Cluster.RefreshRate')),
  dns_jitter: durationMs(),
  respect_dns_ttl: flag(),
  dns_lookup_family: choice(['AUTO', 'V4_ONLY', 'V6_ONLY', 'V4_PREFERRED', 'ALL']),
};

const DNS_CLUSTER = 'envoy.extensions.clusters.dns.v3.DnsCluster';

/** The same, in the words of an extension. */
const dnsCluster = message(DNS_CLUSTER, {
  dns_refresh_rate: refreshRate,
  dns_failure_refresh_rate: optional(failureRefresh(`${DNS_CLUSTER}.RefreshRate`)),
  dns_jitter: durationMs(),
  respect_dns_ttl: flag(),
  dns_lookup_family: choice(['UNSPECIFIED', 'AUTO', 'V4_ONLY', 'V6_ONLY', 'V4_PREFERRED', 'ALL']),
  all_addresses_in_single_endpoint: flag(),
});

/** Of a kind that has a name rather than a number: names that are resolved are the only one. */
export const clusterType = built(
  message('envoy.config.cluster.v3.Cluster.CustomClusterType', {
    name: name(),
    typed_config: anyOf({ dns: dnsCluster }),
  }),
  ({ typed_config: given }) => {
    if (!given) return undefined;
    const { all_addresses_in_single_endpoint: isLogical, dns_lookup_family: family, ...rest } = given.value;
    return {
      ...rest,
      type: isLogical ? ('LOGICAL_DNS' as const) : ('STRICT_DNS' as const),
      dns_lookup_family: family === 'UNSPECIFIED' ? ('AUTO' as const) : family,
    };
  },
);

interface GivenCluster {
  readonly cluster_type?: { readonly typed_config?: Readonly<Record<string, unknown>> };
  readonly [field: string]: unknown;
}

/** Refuses fields of the cluster, as it was given, of which its `cluster_type` says another thing. */
export function checkClusterType(given: object, place: Place): void {
  const { cluster_type: type, ...cluster }: GivenCluster = { ...given };
  if (type === undefined) return;
  for (const field of Object.keys(dnsFields)) {
    if (!(field in cluster) || JSON.stringify(cluster[field]) === JSON.stringify(type.typed_config?.[field])) continue;
    place.within(field, () => place.refuse('is said in cluster_type here'));
  }
}
