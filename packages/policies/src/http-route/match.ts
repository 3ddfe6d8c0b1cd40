/** The match of a rule in Envoy's words. */
import type { RouteMatch } from '@weft/envoy-api';
import type { HttpMatch, PathMatch, ValueMatch } from '@weft/model';

function pathSpecifier(path: PathMatch): RouteMatch {
  switch (path.type) {
    case 'Exact':
      return { path: path.value };
    case 'PathPrefix':
      return path.value === '/' ? { prefix: '/' } : { path_separated_prefix: path.value };
    case 'RegularExpression':
      return { safe_regex: { regex: path.value } };
  }
}

function valueMatcher({ name, type, value }: ValueMatch) {
  return { name, string_match: type === 'Exact' ? { exact: value } : { safe_regex: { regex: value } } };
}

/** Envoy's match of the same requests. */
export function routeMatch(match: HttpMatch): RouteMatch {
  const headers = match.headers.map(valueMatcher);
  if (match.method !== undefined) headers.unshift({ name: ':method', string_match: { exact: match.method } });
  return {
    ...pathSpecifier(match.path),
    ...(headers.length > 0 ? { headers } : {}),
    ...(match.queryParams.length > 0 ? { query_parameters: match.queryParams.map(valueMatcher) } : {}),
  };
}
