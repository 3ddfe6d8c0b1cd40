/** Schemas of HTTP filters: one line for each filter, and one for what routes can say of it. */

import { bufferFilter, bufferPerRoute } from '../filters/buffer/schema.ts';
import { corsFilter, corsPolicy } from '../filters/cors/schema.ts';
import { extAuthz, extAuthzPerRoute } from '../filters/ext-authz/schema.ts';
import { faultFilter } from '../filters/fault/schema.ts';
import { headerMutationFilter, headerMutationPerRoute } from '../filters/header-mutation/schema.ts';
import { healthCheckFilter } from '../filters/health-check/schema.ts';
import { jwtAuthentication, jwtPerRoute } from '../filters/jwt-authn/schema.ts';
import { localRateLimitFilter, localRateLimitPerRoute } from '../filters/local-ratelimit/schema.ts';
import { rateLimitFilter, rateLimitPerRoute } from '../filters/ratelimit/schema.ts';
import { rbacFilter, rbacPerRoute } from '../filters/rbac/schema.ts';
import { anyOf, built, flag, map, message, only, type Parsed, type Schema } from './schema.ts';

export const router = message('envoy.extensions.filters.http.router.v3.Router', {
  suppress_envoy_headers: flag(),
  dynamic_stats: only((given) => given === true, 'true'),
  start_child_span: only((given) => given === false, 'false'),
});

export type RouterConfig = Parsed<typeof router>;

/** By the name under which `filters/chain.ts` lists who makes it. */
export const HTTP_FILTERS = {
  router,
  cors: corsFilter,
  'header-mutation': headerMutationFilter,
  'health-check': healthCheckFilter,
  'local-ratelimit': localRateLimitFilter,
  fault: faultFilter,
  buffer: bufferFilter,
  rbac: rbacFilter,
  jwt: jwtAuthentication,
  'ext-authz': extAuthz,
  ratelimit: rateLimitFilter,
};

const ROUTE_FILTERS = {
  'local-ratelimit': localRateLimitPerRoute,
  cors: corsPolicy,
  'header-mutation': headerMutationPerRoute,
  fault: faultFilter,
  buffer: bufferPerRoute,
  rbac: rbacPerRoute,
  jwt: jwtPerRoute,
  'ext-authz': extAuthzPerRoute,
  ratelimit: rateLimitPerRoute,
};

export type RouteFilterConfig = Parsed<ReturnType<typeof anyOf<typeof ROUTE_FILTERS>>>;

/** What one level (virtual host, route) says of one filter. */
export interface RouteFilter {
  readonly isDisabled: boolean;
  readonly config: RouteFilterConfig | undefined;
}

const routeFilter = anyOf(ROUTE_FILTERS);

/** An `Any` of no type is how a route says that a filter is on, and nothing more. */
const routeFilterOrNone: Schema<RouteFilterConfig | undefined> = {
  description: { ...routeFilter.description, presence: 'optional' },
  parse: (given, place) => (Object.keys(given ?? {}).length === 0 ? undefined : routeFilter.parse(given, place)),
};

const filterConfig = message('envoy.config.route.v3.FilterConfig', {
  config: routeFilterOrNone,
  disabled: flag(),
});

/** `typed_per_filter_config`: by the name that the filter has in `http_filters`. */
export const routeFilters: Schema<ReadonlyMap<string, RouteFilter>> = map(
  built(anyOf({ ...ROUTE_FILTERS, 'filter-config': filterConfig }), (given): RouteFilter => {
    if (given?.type === 'filter-config') return { isDisabled: given.value.disabled, config: given.value.config };
    return { isDisabled: false, config: given };
  }),
);
