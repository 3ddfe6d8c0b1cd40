/** Where the connections of a TCP service go. */
import type { MeshService, ResourceOf } from '@weft/model';
import { type ClusterTrouble, type Destination, destination } from '../shared/backends.ts';
import { outboundName } from '../shared/names.ts';

/** Of several TCPRoutes of one service the oldest holds. */
export function tcpDestination(
  service: MeshService,
  routes: readonly ResourceOf<'TCPRoute'>[],
  trouble: ClusterTrouble,
): Destination {
  const [route] = routes;
  const [rule] = route?.spec.rules ?? [];
  if (route && rule) return destination(rule.backendRefs, route, trouble);
  const reason = trouble(service.key);
  if (reason !== undefined) return { type: 'missing', reason: `${service.key}: ${reason}` };
  return { type: 'cluster', cluster: outboundName(service) };
}
