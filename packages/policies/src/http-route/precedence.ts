/**
 * Which of several matches a request takes, as the Gateway API orders them
 * (https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule): exact path, then the longest prefix, a method, most
 * headers, most query parameters, the oldest route, the first by name, and within a route the first rule. Regular
 * expressions, which the Gateway API leaves open, come after exact paths, the longest first.
 */
import type { HttpMatch, HttpRule, PathMatch, ResourceOf } from '@weft/model';

/** One match of one rule of one route. */
export interface RuleMatch {
  readonly route: ResourceOf<'HTTPRoute'>;
  readonly rule: HttpRule;
  readonly ruleIndex: number;
  readonly match: HttpMatch;
  readonly matchIndex: number;
}

const PATH_RANK: { readonly [T in PathMatch['type']]: number } = { Exact: 0, RegularExpression: 1, PathPrefix: 2 };

function compare(a: RuleMatch, b: RuleMatch): number {
  return (
    PATH_RANK[a.match.path.type] - PATH_RANK[b.match.path.type] ||
    b.match.path.value.length - a.match.path.value.length ||
    Number(b.match.method !== undefined) - Number(a.match.method !== undefined) ||
    b.match.headers.length - a.match.headers.length ||
    b.match.queryParams.length - a.match.queryParams.length
  );
}

/** The matches of all rules of the routes, which come oldest first, in the order in which they are tried. */
export function orderedMatches(routes: readonly ResourceOf<'HTTPRoute'>[]): readonly RuleMatch[] {
  const all = routes.flatMap((route) =>
    route.spec.rules.flatMap((rule, ruleIndex) =>
      rule.matches.map((match, matchIndex): RuleMatch => ({ route, rule, ruleIndex, match, matchIndex })),
    ),
  );
  // The sort is stable: what compares equal stays in order of age, name, rule and match.
  return all.sort(compare);
}
