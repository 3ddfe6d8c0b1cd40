import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Workload } from '@weft/contracts/bus';
import { deriveMesh, hostNames, type Mesh, routesFor } from './mesh.ts';
import { project } from './project.ts';
import type { Resource, ResourceOf } from './resource.ts';
import { sketchWorkload } from './testing.ts';
import { applyWorkloads, EMPTY_WORLD, type World } from './world.ts';

function service(name: string, spec: Partial<ResourceOf<'Service'>['spec']> = {}): Resource {
  const common = { namespace: 'shop', labels: {}, revision: 1, createdRevision: 1 };
  return { kind: 'Service', name, ...common, spec: { serviceAccounts: [], ...spec } };
}

function route(
  name: string,
  parent: string,
  backend: string,
  namespace = 'shop',
  createdRevision = 1,
): ResourceOf<'HTTPRoute'> {
  const rule = {
    matches: [],
    filters: [],
    backendRefs: [{ name: backend, namespace: 'shop', weight: 1 }],
    timeouts: {},
  };
  const parentRefs = [{ name: parent, namespace: 'shop' }];
  return {
    kind: 'HTTPRoute',
    namespace,
    name,
    labels: {},
    revision: 1,
    createdRevision,
    spec: { parentRefs, rules: [rule] },
  };
}

function worldOf(resources: readonly Resource[], workloads: readonly Workload[]): World {
  const byKey = new Map(resources.map((one) => [`${one.kind}/${one.namespace}/${one.name}`, one]));
  const changes = workloads.map((value) => ({ type: 'put' as const, key: `${value.namespace}/${value.id}`, value }));
  return applyWorkloads({ ...EMPTY_WORLD, trustDomain: 'weft.test', resources: byKey }, changes, 1);
}

function get(mesh: Mesh, key: string) {
  const found = mesh.byKey.get(key);
  assert.ok(found, key);
  return found;
}

test('a service is there when a workload registered as it, a resource declares it, or something names it', () => {
  const caller = sketchWorkload({ service: 'web', upstreams: [{ namespace: 'shop', service: 'db', localPort: 9001 }] });
  const mesh = deriveMesh(worldOf([service('cart'), route('r', 'cart', 'stock')], [caller]));
  const origins = mesh.services.map(({ key, origin }) => `${key} ${origin}`);
  assert.deepEqual(origins, ['shop/cart declared', 'shop/db referred', 'shop/stock referred', 'shop/web registered']);
});

test('only workloads that are READY are endpoints, and every workload lends its identity', () => {
  const healths = ['READY', 'STARTING', 'UNREADY', 'DRAINING'] as const;
  const workloads = healths.map((health, index) =>
    sketchWorkload({
      service: 'stock',
      id: `s${index}`,
      health,
      address: `10.0.0.${index}`,
      serviceAccount: `a${index}`,
    }),
  );
  const stock = get(deriveMesh(worldOf([], workloads)), 'shop/stock');
  assert.deepEqual(stock.endpoints, [{ workloadId: 's0', address: '10.0.0.0', port: 15001 }]);
  assert.deepEqual(
    stock.identities,
    [0, 1, 2, 3].map((n) => `spiffe://weft.test/ns/shop/sa/a${n}`),
  );
});

test('a service without workloads accepts the identities that may register as it, and no others', () => {
  const mesh = deriveMesh(worldOf([service('cart', { serviceAccounts: ['till'] })], []));
  const expected = ['spiffe://weft.test/ns/shop/sa/cart', 'spiffe://weft.test/ns/shop/sa/till'];
  assert.deepEqual(get(mesh, 'shop/cart').identities, expected);
});

test('a selector finds workloads of the namespace by label, and by the service they registered as', () => {
  const workloads = [
    sketchWorkload({ service: 'stock', id: 'v1', labels: { version: 'v1' } }),
    sketchWorkload({ service: 'stock', id: 'v2', labels: { version: 'v2' }, address: '10.0.0.2' }),
    sketchWorkload({ service: 'stock', id: 'other', labels: { version: 'v2' }, namespace: 'other' }),
    sketchWorkload({ service: 'cart', id: 'c', labels: { version: 'v2' }, address: '10.0.0.3' }),
  ];
  const declared = service('stock-v2', { selector: { service: 'stock', version: 'v2' } });
  const mesh = deriveMesh(worldOf([declared], workloads));
  assert.deepEqual(
    get(mesh, 'shop/stock-v2').members.map(({ id }) => id),
    ['v2'],
  );
  assert.deepEqual(get(mesh, 'shop/stock-v2').identities, ['spiffe://weft.test/ns/shop/sa/stock']);
  assert.deepEqual(
    get(mesh, 'shop/stock').members.map(({ id }) => id),
    ['v1', 'v2'],
  );
});

test('a workload cannot enter a service by its choice of labels', () => {
  const workloads = [
    sketchWorkload({ service: 'stock', id: 'own', labels: { version: 'v2' }, address: '10.0.0.1' }),
    sketchWorkload({ service: 'cart', id: 'sly', labels: { version: 'v2', service: 'stock' }, address: '10.0.0.2' }),
  ];
  const members = (spec: Partial<ResourceOf<'Service'>['spec']>) =>
    get(deriveMesh(worldOf([service('stock-v2', spec)], workloads)), 'shop/stock-v2').members.map(({ id }) => id);
  assert.deepEqual(members({ selector: { version: 'v2', service: 'stock' } }), ['own']);
  assert.deepEqual(members({ selector: { version: 'v2' } }), []);
  assert.deepEqual(members({ selector: { version: 'v2' }, serviceAccounts: ['stock'] }), ['own']);
});

test('an undeclared service speaks what its oldest workload does, and endpoints are of that protocol', () => {
  const workloads = [
    sketchWorkload({ service: 'db', id: 'new', protocol: 'HTTP', registeredAtMs: 9, address: '10.0.0.9' }),
    sketchWorkload({ service: 'db', id: 'old', protocol: 'TCP', registeredAtMs: 1 }),
  ];
  const db = get(deriveMesh(worldOf([], workloads)), 'shop/db');
  assert.equal(db.protocol, 'tcp');
  assert.deepEqual(
    db.endpoints.map(({ workloadId }) => workloadId),
    ['old'],
  );
});

test('of two workloads at one address and port the newer is the endpoint', () => {
  const workloads = [
    sketchWorkload({ service: 'stock', id: 'b', registeredAtMs: 2 }),
    sketchWorkload({ service: 'stock', id: 'a', registeredAtMs: 1 }),
  ];
  assert.deepEqual(
    get(deriveMesh(worldOf([], workloads)), 'shop/stock').endpoints.map(({ workloadId }) => workloadId),
    ['b'],
  );
});

test('what did not change keeps its identity', () => {
  const workloads = ['stock', 'cart'].map((name) => sketchWorkload({ service: name }));
  const world = worldOf([route('r', 'cart', 'stock')], workloads);
  const before = deriveMesh(world);
  const stock = { ...sketchWorkload({ service: 'stock' }), address: '10.9.9.9' };
  const next = applyWorkloads(world, [{ type: 'put', key: 'shop/stock-1', value: stock }], 2);
  const after = deriveMesh(next, before);
  assert.equal(get(after, 'shop/cart'), get(before, 'shop/cart'));
  assert.notEqual(get(after, 'shop/stock'), get(before, 'shop/stock'));
  assert.equal(get(after, 'shop/stock').identities, get(before, 'shop/stock').identities);
  assert.equal(after.references, before.references);
  const restarted = { ...stock, incarnation: 'b', registeredAtMs: 5 };
  const again = deriveMesh(applyWorkloads(next, [{ type: 'put', key: 'shop/stock-1', value: restarted }], 3), after);
  assert.equal(get(again, 'shop/stock').endpoints, get(after, 'shop/stock').endpoints);
  assert.equal(deriveMesh(again.world, again).services, again.services);
});

test('routes of the callers’ namespace take the place of those of the service’s', () => {
  const producer = route('p', 'stock', 'stock');
  const consumer = route('c', 'stock', 'cart', 'office');
  const stock = get(deriveMesh(worldOf([producer, consumer], [])), 'shop/stock');
  assert.deepEqual(routesFor(stock.httpRoutes, stock, 'shop'), [producer]);
  assert.deepEqual(routesFor(stock.httpRoutes, stock, 'office'), [consumer]);
  assert.deepEqual(routesFor(stock.httpRoutes, stock, 'elsewhere'), [producer]);
});

test('routes stand by age, then by name', () => {
  const routes = [
    route('b', 'stock', 'x', 'shop', 2),
    route('a', 'stock', 'x', 'shop', 2),
    route('z', 'stock', 'x', 'shop', 1),
  ];
  const stock = get(deriveMesh(worldOf(routes, [])), 'shop/stock');
  assert.deepEqual(
    stock.httpRoutes.map(({ name }) => name),
    ['z', 'a', 'b'],
  );
});

test('the short name of a service is for callers of its own namespace', () => {
  const stock = { namespace: 'shop', name: 'stock' };
  assert.deepEqual(hostNames(stock, 'shop'), ['stock.mesh', 'stock.shop.mesh']);
  assert.deepEqual(hostNames(stock, 'office'), ['stock.shop.mesh']);
});

test('a proxy sees the mesh while its workload is registered, and after that what it was', () => {
  const web = sketchWorkload({ service: 'web', upstreams: [{ namespace: 'shop', service: 'db', localPort: 9001 }] });
  const mesh = deriveMesh(worldOf([], [web]));
  const view = project(mesh, 'shop/web-1');
  assert.equal(view?.services, mesh.services);
  assert.deepEqual(
    view?.upstreams.map(({ service, localPort }) => [service.key, localPort]),
    [['shop/db', 9001]],
  );
  const empty = deriveMesh(worldOf([], []));
  assert.equal(project(empty, 'shop/web-1'), undefined);
  const drained = project(empty, 'shop/web-1', web);
  assert.deepEqual(
    drained?.services.map(({ key }) => key),
    ['shop/db'],
  );
});
