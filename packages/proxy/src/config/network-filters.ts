/** Schemas of network filters that stand before the HTTP connection manager or the TCP proxy: one line for each. */
import { networkLocalRateLimit } from '../filters/local-ratelimit/network-schema.ts';
import { networkRbac } from '../filters/rbac/network-schema.ts';

/** By the name under which `listener/network-filters.ts` lists who makes it. */
export const NETWORK_FILTERS = {
  'local-ratelimit': networkLocalRateLimit,
  rbac: networkRbac,
};
