/** The target of a redirect (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/route/v3/route_components.proto). */
import { requestField } from '../access-log/operators.ts';
import type { Rewrite } from '../config/core.ts';
import type { RedirectConfig } from '../config/route.ts';
import { type RewritePart, rewriteByTemplate, type UriTemplate } from '../config/uri-template.ts';
import type { RequestHead } from '../http/message.ts';
import { asUri } from '../http1/characters.ts';
import type { PathMatch } from './route-match.ts';

export const REDIRECT_STATUS: { readonly [K in RedirectConfig['response_code']]: number } = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
};

/** Where virtual hosts with `require_tls` send requests that came in the clear: to the same, port and all, with TLS. */
export const TLS_REDIRECT: RedirectConfig = {
  https_redirect: true,
  scheme_redirect: '',
  host_redirect: '',
  port_redirect: 0,
  path_redirect: '',
  prefix_rewrite: '',
  regex_rewrite: undefined,
  response_code: 'MOVED_PERMANENTLY',
  strip_query: false,
};

/** To where the request came. */
export const SAME_PLACE: RedirectConfig = { ...TLS_REDIRECT, https_redirect: false };

const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' };

function splitQuery(path: string): readonly [string, string] {
  const query = path.indexOf('?');
  return query === -1 ? [path, ''] : [path.slice(0, query), path.slice(query)];
}

export function rewritten(path: string, { pattern, substitution }: Rewrite): string {
  return path.replace(pattern, substitution);
}

/** A path with the part that matched in place of which `prefix` stands; the query is kept. */
export function withPrefix(path: string, match: PathMatch, prefix: string): string {
  const [only, query] = splitQuery(path);
  return prefix + only.slice(match.prefixLength(only)) + query;
}

/** A path rewritten by an expression; the query is kept, and no part of what the expression sees. */
export function withRegex(path: string, rewrite: Rewrite): string {
  const [only, query] = splitQuery(path);
  return rewritten(only, rewrite) + query;
}

/** A path rewritten by what the variables of its template stand for; the query is kept. */
export function withTemplate(path: string, template: UriTemplate, parts: readonly RewritePart[]): string {
  const [only, query] = splitQuery(path);
  return rewriteByTemplate(only, template, parts) + query;
}

function redirectPath(config: RedirectConfig, path: string, match: PathMatch): string {
  const [only, query] = splitQuery(path);
  const kept = config.strip_query ? '' : query;
  if (config.path_redirect !== '') {
    return config.path_redirect.includes('?') ? config.path_redirect : config.path_redirect + kept;
  }
  if (config.prefix_rewrite !== '') return config.prefix_rewrite + only.slice(match.prefixLength(only)) + kept;
  return (config.regex_rewrite ? rewritten(only, config.regex_rewrite) : only) + kept;
}

function redirectAuthority(config: RedirectConfig, authority: string, from: string, to: string): string {
  const port = /:(\d+)$/.exec(authority)?.[1] ?? '';
  const host = port === '' ? authority : authority.slice(0, -port.length - 1);
  const target = config.host_redirect === '' ? host : config.host_redirect;
  if (config.port_redirect !== 0) return `${target.replace(/:\d+$/, '')}:${config.port_redirect}`;
  if (config.host_redirect !== '') return target;
  // A port that belongs to the scheme that is left does not go along to the other one.
  if (from !== to && port === DEFAULT_PORTS[from] && config !== TLS_REDIRECT) return host;
  return authority;
}

/** The value of Location. */
export function redirectLocation(config: RedirectConfig, head: RequestHead, match: PathMatch): string {
  const from = requestField(head, ':scheme') ?? 'http';
  const to = config.https_redirect ? 'https' : config.scheme_redirect === '' ? from : config.scheme_redirect;
  return asUri(
    `${to}://${redirectAuthority(config, head.authority, from, to)}${redirectPath(config, head.path, match)}`,
  );
}
