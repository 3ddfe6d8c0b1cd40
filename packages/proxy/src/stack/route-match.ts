/** Whether a request is one that a route is for. */

import { requestField } from '../access-log/operators.ts';
import type { HeaderMatch, QueryMatch } from '../config/header-match.ts';
import type { RouteMatchConfig } from '../config/route-match.ts';
import type { UriTemplate } from '../config/uri-template.ts';
import type { RequestHead } from '../http/message.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { fieldMatches } from './field-match.ts';
import { isGrpcRequest } from './grpc.ts';
import type { StreamInfo } from './stream-info.ts';

/** A request's path without its query. */
export function pathOnly(path: string): string {
  const query = path.indexOf('?');
  return query === -1 ? path : path.slice(0, query);
}

/** The first value of a parameter of the query, undecoded; undefined where it is not there. */
export function queryParameter(path: string, name: string): string | undefined {
  const start = path.indexOf('?');
  if (start === -1) return undefined;
  for (const pair of path.slice(start + 1).split('&')) {
    const equals = pair.indexOf('=');
    if (pair.slice(0, equals === -1 ? undefined : equals) === name) return equals === -1 ? '' : pair.slice(equals + 1);
  }
  return undefined;
}

/** What is known of a request beside its head, where routes ask for it. */
export type RouteQuery = Pick<StreamInfo, 'dynamicMetadata'> | undefined;

/** The first cookie of that name in what the client sent (RFC 6265, 4.2); undefined where there is none. */
function cookie({ headers: { flat } }: RequestHead, wanted: string): string | undefined {
  for (let i = 0; i < flat.length; i += 2) {
    if (flat[i] !== 'cookie') continue;
    // A comma parts nothing: it may stand in a value, which may be somebody else's.
    for (const pair of (flat[i + 1] as string).split(';')) {
      const text = pair.trimStart();
      const equals = text.indexOf('=');
      if (equals === -1 || text.slice(0, equals) !== wanted) continue;
      return text.slice(equals + 1).replace(/^"(.*)"$/, '$1');
    }
  }
  return undefined;
}

export type PathTest = (path: string) => boolean;

/** How the path is matched, and how much of it a `prefix_rewrite` replaces. */
export interface PathMatch {
  /** What a path must be or begin with to match, where it can be told by that; `test` decides. */
  readonly key?: { readonly type: 'exact' | 'prefix'; readonly text: string } | undefined;
  /** The template that the path must match; absent where it is matched otherwise. */
  readonly template?: UriTemplate;
  readonly test: PathTest;
  /** How many characters of a path that matched the prefix takes. */
  prefixLength(path: string): number;
}

const all = (path: string): number => path.length;

function hasSeparatedPrefix(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || path.charCodeAt(prefix.length) === 47);
}

export function compilePath(match: RouteMatchConfig): PathMatch {
  const fold = (text: string): string => (match.case_sensitive ? text : text.toLowerCase());
  const { prefix, path: exact, path_separated_prefix: separated, safe_regex: regex } = match;
  const { path_match_policy: template } = match;
  const keyOf = (type: 'exact' | 'prefix', text: string): PathMatch['key'] =>
    match.case_sensitive ? { type, text } : undefined;
  if (prefix !== undefined) {
    const wanted = fold(prefix);
    const test: PathTest =
      wanted === '/' ? (path) => path.charCodeAt(0) === 47 : (path) => fold(path).startsWith(wanted);
    const key = keyOf('prefix', wanted);
    return { key, test: wanted === '' ? () => true : test, prefixLength: () => wanted.length };
  }
  if (exact !== undefined) {
    const wanted = fold(exact);
    return { key: keyOf('exact', wanted), test: (path) => fold(path) === wanted, prefixLength: all };
  }
  if (separated !== undefined) {
    const wanted = fold(separated);
    const test: PathTest = (path) => hasSeparatedPrefix(fold(path), wanted);
    return { key: keyOf('prefix', wanted), test, prefixLength: () => wanted.length };
  }
  if (template) return { template, test: (path) => template.pattern.test(path), prefixLength: all };
  return { test: (path) => regex?.test(path) ?? false, prefixLength: all };
}

/** What stands in heads by itself. Of a connection that is to be switched to another protocol, that is seen, too. */
const OTHERWISE_KEPT = new Set([':method', ':path', ':authority', 'host', ':scheme', 'upgrade', 'connection']);

/** Whether a field of the request, pseudo-fields among them, is what is asked for. */
export function headerMatches(header: HeaderMatch, head: RequestHead): boolean {
  return OTHERWISE_KEPT.has(header.name)
    ? header.matches(requestField(head, header.name))
    : fieldMatches(header, head.headers);
}

/** What is asked of a request beside its path; undefined where nothing is. */
export function compileConditions(
  match: RouteMatchConfig,
  runtime: Runtime,
): ((head: RequestHead, info?: RouteQuery) => boolean) | undefined {
  const headers: readonly HeaderMatch[] = match.headers;
  const parameters: readonly QueryMatch[] = match.query_parameters;
  const { runtime_fraction: share, grpc: isGrpc, cookies, dynamic_metadata: metadata } = match;
  const asked = headers.length + parameters.length + cookies.length + metadata.length;
  if (asked === 0 && !share) return isGrpc ? (head) => isGrpcRequest(head) : undefined;
  return (head, info) => {
    if (isGrpc && !isGrpcRequest(head)) return false;
    if (share && !runtime.isEnabled(share)) return false;
    for (const header of headers) if (!headerMatches(header, head)) return false;
    for (const parameter of parameters) {
      if (!parameter.matches(queryParameter(head.path, parameter.name))) return false;
    }
    for (const { name, matches } of cookies) if (!matches(cookie(head, name))) return false;
    for (const matches of metadata) if (!matches((name) => info?.dynamicMetadata?.get(name))) return false;
    return true;
  };
}
