/** Route tables that are too large to be read in one turn of the event loop. */
import type { Messages } from '@weft/envoy-api';
import type { Steps } from '../slices.ts';
import { type RouteConfigurationConfig, routeAlone, routeConfiguration, virtualHostAlone } from './route.ts';
import type { Place } from './schema.ts';

/** Reads a route table a route at a time. `place` has been made with room for what is read ahead. */
export function* routeConfigurationInSteps(given: unknown, place: Place): Steps<RouteConfigurationConfig> {
  const { ahead } = place;
  const hosts = (given as Messages['envoy.config.route.v3.RouteConfiguration']).virtual_hosts ?? [];
  place.enter('virtual_hosts');
  for (const [hostIndex, host] of hosts.entries()) {
    place.enter(hostIndex);
    place.enter('routes');
    for (const [routeIndex, given] of (host.routes ?? []).entries()) {
      place.enter(routeIndex);
      ahead?.set(given, routeAlone.parse(given, place));
      place.leave();
      yield;
    }
    place.leave();
    ahead?.set(host, virtualHostAlone.parse(host, place));
    place.leave();
    yield;
  }
  place.leave();
  return routeConfiguration.parse(given, place);
}
