/**
 * Redirects that the proxy follows itself: the client sees only where they end
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/http/http_connection_management#internal-redirects).
 */
import { requestField } from '../access-log/operators.ts';
import type { InternalRedirectConfig } from '../config/internal-redirect.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { asUri, isAuthority } from '../http1/characters.ts';
import type { HttpStats } from '../stats/groups.ts';
import type { Route } from './route-table.ts';

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const FOUND: ReadonlySet<number> = new Set([302]);

export interface RedirectPolicy {
  readonly statuses: ReadonlySet<number>;
  readonly max: number;
  readonly config: InternalRedirectConfig;
}

export function compileRedirectPolicy(config: InternalRedirectConfig | undefined): RedirectPolicy | undefined {
  if (!config) return undefined;
  const statuses = new Set(config.redirect_response_codes.filter((status) => REDIRECTS.has(status)));
  const isSaid = config.redirect_response_codes.length > 0;
  return { statuses: isSaid ? statuses : FOUND, max: config.max_internal_redirects ?? 1, config };
}

interface Target {
  readonly scheme: string;
  readonly authority: string;
  readonly path: string;
}

/** An absolute URL of HTTP; where it points within a document is the client's own affair. */
function targetOf(location: string): Target | undefined {
  const match = /^(https?):\/\/([^/?#]+)([/?][^#]*)?(?:#.*)?$/i.exec(location);
  const authority = match?.[2] ?? '';
  if (!match || !isAuthority(authority)) return undefined;
  const path = match[3] ?? '/';
  return {
    scheme: (match[1] as string).toLowerCase(),
    authority,
    path: asUri(path.startsWith('/') ? path : `/${path}`),
  };
}

/** What one request of a client has been through. */
export class InternalRedirects {
  readonly #stats: HttpStats;
  #count = 0;
  /** Names of routes that led to others, and to which. */
  readonly #seen = new Set<string>();

  constructor(stats: HttpStats) {
    this.#stats = stats;
  }

  /**
   * Makes the request into the one that an answer redirects to. False: it is not followed, and the request is as it was.
   * `find` looks for the route of a head.
   */
  follow(
    head: RequestHead,
    response: ResponseHead,
    from: Route,
    policy: RedirectPolicy,
    find: (head: RequestHead) => Route | undefined,
  ): boolean {
    const stats = this.#stats;
    const location = response.headers.get('location');
    const target = location === undefined ? undefined : targetOf(location);
    if (!target) {
      if (location !== undefined) stats.passthrough_internal_redirect_bad_location++;
      return false;
    }
    const scheme = requestField(head, ':scheme') ?? 'http';
    if (!policy.config.allow_cross_scheme_redirect && scheme !== target.scheme) {
      stats.passthrough_internal_redirect_unsafe_scheme++;
      return false;
    }
    if (this.#count >= policy.max) {
      stats.passthrough_internal_redirect_too_many_redirects++;
      return false;
    }
    const changed = redirected(head, response, target, scheme, policy.config);
    const route = find(changed);
    if (!route) {
      stats.passthrough_internal_redirect_no_route++;
      return false;
    }
    const step = { from, to: route, before: scheme, after: target.scheme };
    if (!policy.config.predicates.every((predicate) => allows(predicate, step, this.#seen))) {
      stats.passthrough_internal_redirect_predicate++;
      return false;
    }
    this.#count++;
    this.#seen.add(`${from.name}\n${route.name}`);
    Object.assign(head, changed);
    return true;
  }
}

type Predicate = InternalRedirectConfig['predicates'][number];

/** One step of a request from a route to another. */
interface Step {
  readonly from: Route;
  readonly to: Route;
  readonly before: string;
  readonly after: string;
}

function allows({ typed_config }: Predicate, { from, to, before, after }: Step, seen: ReadonlySet<string>): boolean {
  switch (typed_config.type) {
    case 'allow-listed-routes':
      return typed_config.value.allowed_route_names.includes(to.name);
    case 'previous-routes':
      return !seen.has(`${from.name}\n${to.name}`);
    case 'safe-cross-scheme':
      return before === 'https' || after === 'http';
  }
}

function redirected(
  head: RequestHead,
  response: ResponseHead,
  target: Target,
  scheme: string,
  config: InternalRedirectConfig,
): RequestHead {
  const changed = head.clone();
  const { headers } = changed;
  for (const name of config.response_headers_to_copy) {
    const value = response.headers.get(name);
    if (value === undefined) headers.remove(name);
    else headers.set(name, value);
  }
  headers.set('x-envoy-original-url', `${scheme}://${head.authority}${head.path}`);
  changed.authority = target.authority;
  changed.path = target.path;
  changed.scheme = target.scheme;
  if (response.status === 303 && head.method !== 'GET' && head.method !== 'HEAD') {
    changed.method = 'GET';
    changed.bodyLength = 0;
    headers.remove('content-length');
  }
  return changed;
}
