import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encode } from '@weft/envoy-api';
import { deriveMesh, type MeshService } from '@weft/model';
import { sketchWorkload } from '@weft/model/testing';
import { sketchService, sketchWorld, type WorldSketch } from '../testing.ts';
import { serviceCluster, serviceEndpoints } from './translate.ts';

const golden = (name: string) => fileURLToPath(new URL(`./testdata/${name}.json`, import.meta.url));

function serviceOf(sketch: WorldSketch, key: string): MeshService {
  const service = deriveMesh(sketchWorld(sketch)).byKey.get(key);
  assert.ok(service);
  return service;
}

function compiled(service: MeshService) {
  const cluster = serviceCluster(service);
  const endpoints = serviceEndpoints(service);
  encode('envoy.config.cluster.v3.Cluster', cluster);
  encode('envoy.config.endpoint.v3.ClusterLoadAssignment', endpoints);
  return { cluster, endpoints };
}

test('an HTTP service with workloads is as in the golden file', (t) => {
  const workloads = [
    sketchWorkload({ service: 'stock' }),
    sketchWorkload({ service: 'stock', id: 'stock-2', address: '10.0.0.2', serviceAccount: 'stock-v2' }),
  ];
  const service = serviceOf({ documents: [sketchService('stock', { protocol: 'http' })], workloads }, 'shop/stock');
  t.assert.fileSnapshot(compiled(service), golden('http'));
});

test('a TCP service is as in the golden file', (t) => {
  const service = serviceOf({ workloads: [sketchWorkload({ service: 'db', protocol: 'TCP' })] }, 'shop/db');
  t.assert.fileSnapshot(compiled(service), golden('tcp'));
});

test('a service without endpoints has an empty load assignment and a match that is not empty', () => {
  const service = serviceOf({ documents: [sketchService('stock')] }, 'shop/stock');
  const { endpoints, cluster } = compiled(service);
  assert.deepEqual(endpoints, { cluster_name: 'outbound/shop/stock' });
  assert.match(JSON.stringify(cluster), /"exact":"spiffe:\/\/weft.test\/ns\/shop\/sa\/stock"/);
});

test('a service without any identity is refused rather than open', () => {
  const service = { ...serviceOf({ documents: [sketchService('stock')] }, 'shop/stock'), identities: [] };
  assert.throws(() => serviceCluster(service), /no identity is known/);
});
