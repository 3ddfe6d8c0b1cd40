/** HTTPRoutes of a service, and a service without any, as the routes of its virtual host. */
import type { Route } from '@weft/envoy-api';
import type { MeshService, ResourceOf } from '@weft/model';
import type { ClusterTrouble } from '../shared/backends.ts';
import { origin, outboundName } from '../shared/names.ts';
import { directResponse, retryPolicy, ruleAction } from './action.ts';
import { headerFields } from './headers.ts';
import { routeMatch } from './match.ts';
import { orderedMatches, type RuleMatch } from './precedence.ts';

function routeName({ route, ruleIndex, matchIndex }: RuleMatch): string {
  return `HTTPRoute/${route.namespace}/${route.name}/${ruleIndex}/${matchIndex}@${route.revision}`;
}

function translateMatch(one: RuleMatch, trouble: ClusterTrouble): Route {
  const { route, rule, ruleIndex, match } = one;
  return {
    name: routeName(one),
    match: routeMatch(match),
    ...ruleAction(rule, match.path, route, trouble),
    ...headerFields(rule.filters),
    metadata: origin(route, rule.name ?? String(ruleIndex)),
  };
}

/** The routes of HTTPRoutes that hold together for one service, in the order in which they are tried. */
export function translateHttpRoutes(routes: readonly ResourceOf<'HTTPRoute'>[], trouble: ClusterTrouble): Route[] {
  return orderedMatches(routes).map((one) => translateMatch(one, trouble));
}

/** The one route of a service that no HTTPRoute is attached to. */
export function defaultHttpRoute(service: MeshService, trouble: ClusterTrouble): Route {
  const reason = trouble(service.key);
  const action =
    reason === undefined
      ? { route: { cluster: outboundName(service), timeout: '0s', retry_policy: retryPolicy() } }
      : directResponse(503, `${service.key} is not there: ${reason}`);
  return {
    name: 'default',
    match: { prefix: '/' },
    ...action,
    ...(service.declared ? { metadata: origin(service.declared) } : {}),
  };
}
