/** Clusters of real sockets, without a control plane; for tests. */
import { createServer, type Socket } from 'node:net';
import { systemClock } from '../../clock.ts';
import { cluster as clusterSchema } from '../../config/cluster.ts';
import { Place } from '../../config/schema.ts';
import { FlushQueue } from '../../net/flush-queue.ts';
import { ClusterStats } from '../../stats/groups.ts';
import { LocalServer } from '../../testing/local-server.ts';
import { Cluster, type ClusterOptions } from '../cluster.ts';
import { endpointsOf, policyOf } from '../endpoints.ts';
import type { Endpoint } from '../host.ts';

export { freePort as closedPort } from '../../testing/listening.ts';
export { until } from '../../testing/until.ts';

/** A cluster of these fields; its hosts are those of its load assignment, or the ports that are given. */
export function testCluster(
  fields: object = {},
  ports: readonly number[] = [],
  more: Partial<ClusterOptions> = {},
): Cluster {
  const place = new Place();
  const lb_endpoints = ports.map((port_value) => ({
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value } } },
  }));
  const assignment = { cluster_name: 'c', endpoints: [{ lb_endpoints }] };
  const config = clusterSchema.parse({ name: 'c', load_assignment: assignment, ...fields }, place);
  if (place.issues.length > 0) throw new Error(JSON.stringify(place.issues));
  const cluster = new Cluster({
    config,
    stats: new ClusterStats(),
    tls: undefined,
    clock: systemClock,
    random: () => 0,
    queue: new FlushQueue(),
    ...more,
  });
  if (config.load_assignment) cluster.update(endpointsOf(config.load_assignment), policyOf(config.load_assignment));
  return cluster;
}

export function endpoint(port: number, change: Partial<Endpoint> = {}): Endpoint {
  return {
    address: { type: 'tcp', host: '127.0.0.1', port },
    hostname: '',
    weight: 1,
    health: 'healthy',
    region: '',
    zone: '',
    subZone: '',
    priority: 0,
    localityWeight: 0,
    metadata: {},
    ...change,
  };
}

/** A server whose connections a test plays by hand. */
export class TestUpstream extends LocalServer {
  readonly sockets: Socket[] = [];

  constructor(onConnection: (socket: Socket) => void = () => undefined) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.sockets.push(socket);
      socket.on('error', () => socket.destroy());
      onConnection(socket);
    });
    super(server);
  }
}
