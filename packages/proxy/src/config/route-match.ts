/** Schema of what a request must be for a route, or for a rule of a filter, to match. */
import { wholeRegex } from './core.ts';
import { cookieMatcher, headerMatcher, queryMatcher } from './header-match.ts';
import { metadataMatcher } from './metadata-match.ts';
import { runtimeFraction } from './runtime.ts';
import { flag, list, message, optional, type Parsed, type Place, presence, text } from './schema.ts';
import { uriTemplate } from './uri-template.ts';

function checkPaths(match: { readonly [key: string]: unknown }, place: Place): void {
  const kinds = ['prefix', 'path', 'safe_regex', 'path_separated_prefix', 'path_match_policy'].filter(
    (kind) => match[kind] !== undefined,
  );
  if (kinds.length === 0 && match.connect_matcher !== true) {
    place.refuse('needs one of prefix, path, safe_regex, path_separated_prefix, path_match_policy and connect_matcher');
  }
  const separated = match.path_separated_prefix as string | undefined;
  if (separated !== undefined && !/^\/[^?#]*[^?#/]$/.test(separated)) {
    place.within('path_separated_prefix', () =>
      place.refuse('must start with a slash and end without one, and hold neither ? nor #'),
    );
  }
}

export const routeMatch = message(
  'envoy.config.route.v3.RouteMatch',
  {
    prefix: optional(text()),
    path: optional(text()),
    safe_regex: optional(wholeRegex),
    path_separated_prefix: optional(text()),
    path_match_policy: optional(uriTemplate),
    connect_matcher: presence(),
    case_sensitive: flag(true),
    runtime_fraction: optional(runtimeFraction),
    headers: list(headerMatcher),
    query_parameters: list(queryMatcher),
    cookies: list(cookieMatcher),
    dynamic_metadata: list(metadataMatcher),
    grpc: presence(),
  },
  checkPaths,
);

export type RouteMatchConfig = Parsed<typeof routeMatch>;
