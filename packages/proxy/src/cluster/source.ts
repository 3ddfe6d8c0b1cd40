/** Where the endpoints of a cluster come from, by its type. */
import { type Clock, Deadline } from '../clock.ts';
import { clusterLoadAssignment } from '../config/cluster.ts';
import { type ConfigIssue, Place } from '../config/schema.ts';
import type { Warming } from '../warming.ts';
import type { Subscriptions } from '../xds/subscriptions.ts';
import type { Cluster } from './cluster.ts';
import { type DnsContext, DnsSource } from './dns-source.ts';
import { endpointsOf, policyOf } from './endpoints.ts';

export interface SourceContext extends DnsContext {
  readonly subscriptions: Subscriptions;
}

/** Keeps a cluster's endpoints current; gives what ends that. */
export function keepEndpoints(cluster: Cluster, warming: Warming, context: SourceContext): () => void {
  const { config } = cluster;
  switch (config.type) {
    case 'STATIC':
      if (config.load_assignment) cluster.update(endpointsOf(config.load_assignment), policyOf(config.load_assignment));
      return () => undefined;
    case 'STRICT_DNS':
    case 'LOGICAL_DNS':
      return new DnsSource(cluster, warming, context).start();
    case 'EDS':
      return watchEndpoints(cluster, warming, context);
    case 'ORIGINAL_DST':
      return sweepHosts(cluster, context.clock);
  }
}

/** Hosts of an original destination come with requests, and go when nobody asks for them any more. */
function sweepHosts(cluster: Cluster, clock: Clock): () => void {
  let cancel = (): void => undefined;
  const wait = (): void => {
    cancel = clock.after(cluster.config.cleanup_interval, () => {
      cluster.sweep();
      wait();
    });
  };
  wait();
  return () => cancel();
}

function watchEndpoints(cluster: Cluster, warming: Warming, { subscriptions, clock }: SourceContext): () => void {
  const eds = cluster.config.eds_cluster_config;
  if (!eds) return () => undefined;
  const name = eds.service_name === '' ? cluster.name : eds.service_name;
  const what = `the endpoints of ${name}`;
  warming.waitFor(what, eds.eds_config.initialFetchTimeoutMs);
  cluster.stats.update_attempt++;
  const staleness = new Deadline(clock, () => {
    // Nobody has said for too long that the endpoints are still there.
    cluster.stats.assignment_stale++;
    cluster.update([]);
  });
  const stop = subscriptions.watch(eds.eds_config, 'endpoint', name, {
    onResource(resource): readonly ConfigIssue[] {
      const place = new Place();
      const assignment = clusterLoadAssignment.parse(resource, place);
      if (place.issues.length > 0) {
        cluster.stats.update_failure++;
        return place.issues;
      }
      cluster.stats.update_success++;
      const endpoints = endpointsOf(assignment);
      if (endpoints.length === 0) cluster.stats.update_empty++;
      cluster.update(endpoints, policyOf(assignment));
      const staleAfterMs = assignment.policy?.endpoint_stale_after;
      if (staleAfterMs !== undefined) cluster.stats.assignment_timeout_received++;
      staleness.set(staleAfterMs ?? 0);
      warming.arrived(what);
      return [];
    },
    // Endpoints go with their cluster, or by an assignment that has none: a server that says no more of them says only that.
    onRemoved() {
      cluster.stats.update_empty++;
      warming.arrived(what);
    },
  });
  return () => {
    staleness.dispose();
    stop();
  };
}
