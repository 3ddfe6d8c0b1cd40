/** What becomes of the requests of a rule, in Envoy's words. */
import { any, type RetryPolicy, type Route, type RouteAction } from '@weft/envoy-api';
import type { HttpRule, PathMatch, Redirect, UrlRewrite } from '@weft/model';
import type { ClusterTrouble, Destination } from '../shared/backends.ts';
import { destination } from '../shared/backends.ts';
import { protoDuration } from '../shared/duration.ts';
import { pathChange } from './rewrite.ts';

/** The part of a route that says what becomes of a request. */
export type Action =
  | { readonly route: RouteAction }
  | { readonly redirect: NonNullable<Route['redirect']> }
  | { readonly direct_response: NonNullable<Route['direct_response']> };

/**
 * What is tried again by default: only what no application has seen. Connections that could not be made, requests that
 * were not written, and requests that the far proxy told it could not hand to its application (`x-weft-refused`).
 */
export function retryPolicy(perTryTimeoutMs?: number): RetryPolicy {
  return {
    retry_on: 'connect-failure,refused-stream,reset-before-request,retriable-headers',
    num_retries: 2,
    ...(perTryTimeoutMs ? { per_try_timeout: protoDuration(perTryTimeoutMs) } : {}),
    retriable_headers: [{ name: 'x-weft-refused', string_match: { exact: '1' } }],
    retry_host_predicate: [
      {
        name: 'envoy.retry_host_predicates.previous_hosts',
        typed_config: any('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate', {}),
      },
    ],
    host_selection_retry_max_attempts: '5',
  };
}

/** Answers in the application's place, with one sentence. */
export function directResponse(status: number, sentence: string): Action {
  return { direct_response: { status, body: { inline_string: `weft: ${sentence}\n` } } };
}

const REDIRECT_CODES = {
  301: 'MOVED_PERMANENTLY',
  302: 'FOUND',
  303: 'SEE_OTHER',
  307: 'TEMPORARY_REDIRECT',
  308: 'PERMANENT_REDIRECT',
} as const;

function redirectAction(redirect: Redirect, match: PathMatch): Action {
  const { scheme, hostname, port, path, statusCode } = redirect;
  const changed =
    path === undefined
      ? {}
      : path.type === 'ReplaceFullPath'
        ? { path_redirect: path.replaceFullPath }
        : pathChange(path, match);
  return {
    redirect: {
      ...(scheme === undefined ? {} : { scheme_redirect: scheme }),
      ...(hostname === undefined ? {} : { host_redirect: hostname }),
      ...(port === undefined ? {} : { port_redirect: port }),
      ...changed,
      response_code: REDIRECT_CODES[statusCode],
    },
  };
}

function rewriteFields(rewrite: UrlRewrite, match: PathMatch): RouteAction {
  return {
    ...(rewrite.hostname === undefined ? {} : { host_rewrite_literal: rewrite.hostname }),
    ...(rewrite.path === undefined ? {} : pathChange(rewrite.path, match)),
  };
}

/** `route` towards one cluster or several. */
export function towards(to: Destination & { readonly type: 'cluster' | 'weighted' }, rest: RouteAction): Action {
  const specifier = to.type === 'cluster' ? { cluster: to.cluster } : { weighted_clusters: { clusters: to.clusters } };
  return { route: { ...rest, ...specifier } as RouteAction };
}

/** What a rule of a route in that namespace does with the requests of one of its matches. */
export function ruleAction(
  rule: HttpRule,
  match: PathMatch,
  from: { readonly namespace: string },
  trouble: ClusterTrouble,
): Action {
  let rewrite: RouteAction = {};
  for (const filter of rule.filters) {
    if (filter.type === 'RequestRedirect') return redirectAction(filter.requestRedirect, match);
    if (filter.type === 'URLRewrite') rewrite = rewriteFields(filter.urlRewrite, match);
  }
  const to = destination(rule.backendRefs, from, trouble);
  switch (to.type) {
    case 'none':
      return directResponse(500, 'the rule that matches this request has no backend with a weight over 0');
    case 'missing':
      return directResponse(503, `the backend of the rule that matches this request is not there: ${to.reason}`);
    case 'cluster':
    case 'weighted':
      return towards(to, {
        ...rewrite,
        timeout: protoDuration(rule.timeouts.requestMs ?? 0),
        retry_policy: retryPolicy(rule.timeouts.backendRequestMs),
      });
  }
}
