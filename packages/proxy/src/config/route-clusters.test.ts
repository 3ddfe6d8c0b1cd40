import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootstrapOf, httpListener, routes, staticCluster } from '../testing/bootstrap.ts';
import { checkBootstrap } from './check.ts';
import { routeConfiguration } from './route.ts';
import { checkTableClusters } from './route-clusters.ts';
import { Place } from './schema.ts';

const MATCH = { prefix: '/' };

/** What is wrong with a bootstrap of one listener with these routes, and a cluster `there`. */
function issuesOf(table: object): readonly string[] {
  const listener = httpListener(8080, { route_config: table });
  const { issues } = checkBootstrap(
    bootstrapOf({ static_resources: { clusters: [staticCluster('there', 1)], listeners: [listener] } }),
  );
  return issues.map(({ path, message }) => `${path}: ${message}`);
}

const TABLE = 'static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config';

test('routes of a listener name clusters that are there', () => {
  assert.deepEqual(issuesOf(routes({ match: MATCH, route: { cluster: 'there' } })), []);
  assert.deepEqual(issuesOf(routes({ match: MATCH, route: { cluster_header: 'x-cluster' } })), []);
  assert.deepEqual(issuesOf(routes({ match: MATCH, route: { cluster: 'not' } })), [
    `${TABLE}.virtual_hosts[0].routes[0].route.cluster: there is no cluster not`,
  ]);
  const weighted = [
    { name: 'there', weight: 1 },
    { name: 'not', weight: 1 },
  ];
  assert.deepEqual(issuesOf(routes({ match: MATCH, route: { weighted_clusters: { clusters: weighted } } })), [
    `${TABLE}.virtual_hosts[0].routes[0].route.weighted_clusters.clusters[1].name: there is no cluster not`,
  ]);
  const mirrored = { cluster: 'there', request_mirror_policies: [{ cluster: 'not' }] };
  assert.deepEqual(issuesOf(routes({ match: MATCH, route: mirrored })), [
    `${TABLE}.virtual_hosts[0].routes[0].route.request_mirror_policies[0].cluster: there is no cluster not`,
  ]);
});

test('routes that are not to be checked may name any cluster', () => {
  const table = routes({ match: MATCH, route: { cluster: 'not' } });
  assert.deepEqual(issuesOf({ ...table, validate_clusters: false }), []);
});

test('a route table is checked where it says so', () => {
  const issues = (more: object) => {
    const place = new Place();
    const table = routeConfiguration.parse({ ...routes({ match: MATCH, route: { cluster: 'not' } }), ...more }, place);
    checkTableClusters(table, () => false, place);
    return place.issues.length;
  };
  assert.deepEqual([issues({}), issues({ validate_clusters: false }), issues({ validate_clusters: true })], [0, 0, 1]);
});
