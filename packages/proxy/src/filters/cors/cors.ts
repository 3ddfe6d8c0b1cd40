/**
 * Lets pages of other origins use what is served here: answers their preflight requests, and says in responses what they
 * may see (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/cors_filter, https://fetch.spec.whatwg.org/#http-cors-protocol).
 */
import type { RouteFilterConfig } from '../../config/filters.ts';
import type { ResponseHead } from '../../http/message.ts';
import type { Route } from '../../stack/route-table.ts';
import type { FilterContext, FilteredRequest, FilterVerdict, HttpFilter } from '../filter.ts';
import { type MergedPolicy, mergePolicies } from './policy.ts';
import type { CorsPolicy } from './schema.ts';

/** `http.<prefix>.cors.` */
class CorsStats {
  origin_invalid = 0;
  origin_valid = 0;
}

/** What the levels say, the most specific first; the fields of routes count where filter configuration says nothing. */
function policiesOf(route: Route, levels: readonly RouteFilterConfig[]): readonly CorsPolicy[] {
  const own = levels.flatMap((level) => (level.type === 'cors' ? [level.value] : [])).reverse();
  if (own.length > 0) return own;
  const ofRoute = route.action.type === 'forward' ? route.action.config.cors : undefined;
  return [ofRoute, route.virtualHost.cors].filter((policy) => policy !== undefined);
}

class CorsFilter implements HttpFilter {
  readonly #runtime: FilterContext['runtime'];
  readonly #stats: CorsStats;
  /** What each route's levels come to. */
  readonly #policies = new WeakMap<Route, MergedPolicy | 'none'>();

  constructor({ runtime, stats, statPrefix }: FilterContext) {
    this.#runtime = runtime;
    const labels = { envoy_http_conn_manager_prefix: statPrefix };
    this.#stats = stats.share(`http.${statPrefix}.cors.`, 'http_cors_', labels, () => new CorsStats());
  }

  #policy(route: Route, levels: readonly RouteFilterConfig[]): MergedPolicy | 'none' {
    const known = this.#policies.get(route);
    if (known) return known;
    const [first, ...rest] = policiesOf(route, levels);
    const policy = first ? mergePolicies([first, ...rest]) : 'none';
    this.#policies.set(route, policy);
    return policy;
  }

  onRequest(request: FilteredRequest, levels: readonly RouteFilterConfig[]): FilterVerdict {
    const { route, head } = request;
    // Several are one value, which is no origin.
    const origin = head.headers.joined('origin');
    // What a route answers by itself is nobody's to share.
    if (origin === undefined || origin === '' || route?.action.type !== 'forward') return 'pass';
    const policy = this.#policy(route, levels);
    if (policy === 'none') return 'pass';
    const isEnabled = policy.enabled === undefined || this.#runtime.isEnabled(policy.enabled);
    if (!isEnabled && !(policy.shadow && this.#runtime.isEnabled(policy.shadow))) return 'pass';
    const isAllowed = policy.origins.some((fits) => fits('*') || fits(origin));
    if (isAllowed) this.#stats.origin_valid++;
    else this.#stats.origin_invalid++;
    return isEnabled ? apply(request, policy, isAllowed ? origin : undefined) : 'pass';
  }
}

/** `origin`: undefined where it is not allowed. */
function apply(request: FilteredRequest, policy: MergedPolicy, origin: string | undefined): FilterVerdict {
  if (origin !== undefined) request.onResponse((head) => finish(head, policy, origin));
  const { head } = request;
  const method = head.headers.get('access-control-request-method') ?? '';
  if (head.method !== 'OPTIONS' || method === '' || (origin === undefined && policy.forwardsOthers)) return 'pass';
  const headers = preflight(request, policy, method, origin);
  request.answer({ status: 200, body: '', flags: 0, details: 'cors_response', headers, isWhole: true });
  return 'stop';
}

function preflight(
  { head }: FilteredRequest,
  policy: MergedPolicy,
  method: string,
  origin: string | undefined,
): readonly (readonly [name: string, value: string])[] {
  const fields: (readonly [name: string, value: string])[] = [];
  if (origin !== undefined) fields.push(['access-control-allow-origin', origin]);
  if (policy.hasCredentials) fields.push(['access-control-allow-credentials', 'true']);
  const { methods, headers, maxAge } = policy;
  if (methods !== '') fields.push(['access-control-allow-methods', methods === '*' ? method : methods]);
  const asked = head.headers.get('access-control-request-headers') ?? '';
  if (headers !== '') fields.push(['access-control-allow-headers', headers === '*' ? asked : headers]);
  if (maxAge !== '') fields.push(['access-control-max-age', maxAge]);
  if (policy.hasPrivateNetwork && head.headers.get('access-control-request-private-network') === 'true') {
    fields.push(['access-control-allow-private-network', 'true']);
  }
  return fields;
}

/** What an origin that is allowed learns from any response. */
function finish({ headers }: ResponseHead, { hasCredentials, exposed }: MergedPolicy, origin: string): void {
  headers.set('access-control-allow-origin', origin);
  if (hasCredentials) headers.set('access-control-allow-credentials', 'true');
  if (exposed !== '') headers.set('access-control-expose-headers', exposed);
}

/** A filter that follows the policies of routes. */
export function makeCors(_: object, context: FilterContext): HttpFilter {
  return new CorsFilter(context);
}
