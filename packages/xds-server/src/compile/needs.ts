/** What compiled resources refer to. */
import type { Route, RouteConfiguration } from '@weft/envoy-api';

function clustersOfRoute({ route }: Route): readonly string[] {
  if (route?.cluster !== undefined) return [route.cluster];
  return (route?.weighted_clusters?.clusters ?? []).flatMap(({ name }) => (name === undefined ? [] : [name]));
}

/** The clusters that routes lead to, each once. */
export function clustersOf({ virtual_hosts = [] }: RouteConfiguration): readonly string[] {
  return [...new Set(virtual_hosts.flatMap(({ routes = [] }) => routes.flatMap(clustersOfRoute)))];
}
