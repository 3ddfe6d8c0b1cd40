/** The chain of filters of a connection manager, made once when its configuration arrives. */
import type { HttpFilterConfig } from '../config/http.ts';
import { makeBuffer } from './buffer/buffer.ts';
import { makeCors } from './cors/cors.ts';
import { makeExtAuthz } from './ext-authz/ext-authz.ts';
import { makeFault } from './fault/fault.ts';
import type { FilterContext, HttpFilter } from './filter.ts';
import { makeHeaderMutation } from './header-mutation/header-mutation.ts';
import { makeHealthCheck } from './health-check/health-check.ts';
import { makeJwtAuthn } from './jwt-authn/jwt-authn.ts';
import { makeLocalRateLimit } from './local-ratelimit/local-ratelimit.ts';
import { makeRateLimit } from './ratelimit/ratelimit.ts';
import { makeRbac } from './rbac/rbac.ts';

/** A filter under the name by which routes speak of it. */
export interface NamedFilter {
  readonly name: string;
  readonly filter: HttpFilter;
  /** Takes part only where a route says so. */
  readonly isDisabled: boolean;
}

type FilterType = Exclude<HttpFilterConfig['typed_config']['type'], 'router'>;
type ConfigOf<K extends FilterType> = Extract<HttpFilterConfig['typed_config'], { type: K }>['value'];
type Makers = { readonly [K in FilterType]: (config: ConfigOf<K>, context: FilterContext) => HttpFilter };

const MAKERS: Makers = {
  buffer: makeBuffer,
  'ext-authz': makeExtAuthz,
  fault: makeFault,
  cors: makeCors,
  'header-mutation': makeHeaderMutation,
  'health-check': makeHealthCheck,
  'local-ratelimit': makeLocalRateLimit,
  ratelimit: makeRateLimit,
  rbac: makeRbac,
  jwt: makeJwtAuthn,
};

function make<K extends FilterType>(type: K, config: ConfigOf<K>, context: FilterContext): HttpFilter {
  return MAKERS[type](config, context);
}

/** The filters before the router, in the order in which requests meet them. */
export function makeFilters(
  filters: readonly HttpFilterConfig[],
  shared: Omit<FilterContext, 'name'>,
): readonly NamedFilter[] {
  return filters.flatMap(({ name, typed_config, disabled }): readonly NamedFilter[] => {
    if (typed_config.type === 'router') return [];
    const filter = make(typed_config.type, typed_config.value, { ...shared, name });
    return [{ name, filter, isDisabled: disabled }];
  });
}
