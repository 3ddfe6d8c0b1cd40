import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { applyWorkloads, deriveMesh, type Mesh, project, type World } from '@weft/model';
import { sketchWorkload } from '@weft/model/testing';
import { sketchRoute, sketchService, sketchWorld, type WorldSketch } from '@weft/policies/testing';
import { allResources, danglingReferences, lookUp, type Snapshot } from '../snapshot/snapshot.ts';
import { compileFor, readSnapshot } from '../testing/snapshots.ts';
import { Compiler } from './compiler.ts';

const golden = (name: string) => fileURLToPath(new URL(`../testdata/${name}.json`, import.meta.url));

const upstreams = (service: string) => [{ namespace: 'shop', service, localPort: 9001 }];
const caller = sketchWorkload({ service: 'web', inboundPort: 0, address: '10.0.0.9' });
const stock = sketchWorkload({ service: 'stock' });
const stockV2 = sketchWorkload({
  service: 'stock-v2',
  address: '10.0.0.2',
  serviceAccount: 'stock',
  outboundPort: 0,
});
const accounts = sketchService('stock-v2', { serviceAccounts: ['stock'] });

const CASES: Readonly<Record<string, { readonly proxy: string } & WorldSketch>> = {
  'outbound-http': { proxy: 'shop/web-1', workloads: [caller, stock] },
  'inbound-http': { proxy: 'shop/stock-1', workloads: [stock] },
  'inbound-loopback': { proxy: 'shop/stock-1', workloads: [{ ...stock, address: '127.0.0.1', outboundPort: 0 }] },
  'tcp-upstream': {
    proxy: 'shop/web-1',
    workloads: [{ ...caller, upstreams: upstreams('db') }, sketchWorkload({ service: 'db', protocol: 'TCP' })],
  },
  'http-upstream': {
    proxy: 'shop/web-1',
    workloads: [{ ...caller, outboundPort: 0, upstreams: upstreams('stock') }, stock],
  },
  'canary-90-10': {
    proxy: 'shop/web-1',
    workloads: [caller, stock, stockV2],
    documents: [
      accounts,
      sketchRoute({
        name: 'canary',
        parent: 'stock',
        rules: [
          {
            backendRefs: [
              { name: 'stock', weight: 90 },
              { name: 'stock-v2', weight: 10 },
            ],
          },
        ],
      }),
    ],
  },
  'header-match-and-redirect': {
    proxy: 'shop/web-1',
    workloads: [caller, stock],
    documents: [
      sketchRoute({
        parent: 'stock',
        rules: [
          { matches: [{ headers: [{ name: 'x-user', value: 'tester' }] }], backendRefs: [{ name: 'stock' }] },
          {
            matches: [{ path: { value: '/old' } }],
            filters: [
              {
                type: 'RequestRedirect',
                requestRedirect: { path: { type: 'ReplaceFullPath', replaceFullPath: '/new' } },
              },
            ],
          },
        ],
      }),
    ],
  },
  'tcp-weights': {
    proxy: 'shop/web-1',
    workloads: [{ ...caller, upstreams: upstreams('db') }],
    documents: [
      sketchService('db', { protocol: 'tcp' }),
      sketchService('db-new', { protocol: 'tcp' }),
      sketchRoute({
        kind: 'TCPRoute',
        parent: 'db',
        rules: [{ backendRefs: [{ name: 'db', weight: 3 }, { name: 'db-new' }] }],
      }),
    ],
  },
  'service-without-endpoints': { proxy: 'shop/web-1', workloads: [caller], documents: [sketchService('stock')] },
};

for (const [name, { proxy, ...sketch }] of Object.entries(CASES)) {
  test(`the snapshot of ${name} is as in the golden file, and complete`, (t) => {
    const { snapshot, compiler } = compileFor(proxy, sketch);
    t.assert.fileSnapshot(readSnapshot(snapshot), golden(name));
    assert.deepEqual(danglingReferences(snapshot, allResources(snapshot)), []);
    assert.deepEqual(compiler.problems(), []);
    for (const { name: resource } of allResources(snapshot)) assert.doesNotMatch(resource, /\./);
  });
}

interface Ground {
  world: World;
  mesh: Mesh;
  readonly compiler: Compiler;
}

function ground(sketch: WorldSketch): Ground {
  const world = sketchWorld(sketch);
  const compiler = new Compiler();
  const mesh = deriveMesh(world);
  compiler.update(mesh);
  return { world, mesh, compiler };
}

function change(on: Ground, world: World): void {
  on.world = world;
  on.mesh = deriveMesh(world, on.mesh);
  on.compiler.update(on.mesh);
}

function compile(on: Ground, proxy: string): Snapshot {
  const view = project(on.mesh, proxy);
  assert.ok(view);
  return on.compiler.compile(view);
}

test('an endpoint that changes makes one load assignment anew, and nothing else', () => {
  const on = ground({ workloads: [caller, stock, stockV2, { ...caller, id: 'web-2' }] });
  const before = [compile(on, 'shop/web-1'), compile(on, 'shop/web-2')] as const;
  const moved = { ...stock, address: '10.7.7.7' };
  change(on, applyWorkloads(on.world, [{ type: 'put', key: 'shop/stock-1', value: moved }], 10));
  const after = [compile(on, 'shop/web-1'), compile(on, 'shop/web-2')] as const;
  const changed = [...allResources(after[0])].filter(
    (resource) => lookUp(before[0].sets[resource.type], resource.name) !== resource,
  );
  assert.deepEqual(
    changed.map(({ type, name }) => `${type} ${name}`),
    ['endpoint outbound/shop/stock'],
  );
  assert.equal(after[0].sets.endpoint.shared, after[1].sets.endpoint.shared);
  assert.notEqual(after[0].id, before[0].id);
});

test('nothing is made anew for a world that is the same', () => {
  const on = ground({ workloads: [caller, stock] });
  const before = compile(on, 'shop/web-1');
  on.compiler.sweep();
  change(on, applyWorkloads(on.world, [], 99));
  assert.equal(compile(on, 'shop/web-1'), before);
  on.compiler.sweep();
  on.compiler.sweep();
  assert.equal(compile(on, 'shop/web-1').id, before.id);
});

test('a snapshot has the same name in every process', () => {
  const sketch = { workloads: [caller, stock] };
  assert.equal(compile(ground(sketch), 'shop/web-1').id, compile(ground(sketch), 'shop/web-1').id);
});

/** A world in which a route is replaced by one that no schema would have let through. */
function withBadRoute(world: World): World {
  const resources = new Map(world.resources);
  const route = resources.get('HTTPRoute/shop/bad');
  assert.ok(route?.kind === 'HTTPRoute');
  const backendRefs = [
    { name: 'stock', weight: 1 },
    { name: 'stock', weight: -1 },
  ];
  const rules = route.spec.rules.map((rule) => ({ ...rule, backendRefs }));
  resources.set('HTTPRoute/shop/bad', { ...route, revision: 9, spec: { ...route.spec, rules } });
  return { ...world, resources, revision: 9 };
}

test('a route that cannot be compiled stays as it was, is told, and spoils no other', () => {
  const rules = [{ backendRefs: [{ name: 'stock' }] }];
  const documents = [
    sketchRoute({ name: 'bad', parent: 'stock', rules }),
    sketchRoute({ name: 'good', parent: 'stock', rules: [{ matches: [{ path: { value: '/good' } }], ...rules[0] }] }),
  ];
  const on = ground({ workloads: [caller, stock], documents });
  const before = compile(on, 'shop/web-1');
  on.compiler.sweep();
  change(on, withBadRoute(on.world));
  assert.equal(compile(on, 'shop/web-1').id, before.id);
  const [problem] = on.compiler.problems();
  assert.deepEqual(problem?.key, { kind: 'HTTPRoute', namespace: 'shop', name: 'bad' });
  assert.match(problem?.message ?? '', /^HTTPRoute\/shop\/bad stays as it was at revision 1: .*weight/);
  const fresh = ground({ workloads: [caller, stock], documents });
  const unseen = { ...fresh, compiler: new Compiler() };
  change(unseen, withBadRoute(unseen.world));
  const names = JSON.stringify(readSnapshot(compile(unseen, 'shop/web-1')).route);
  assert.match(names, /HTTPRoute\/shop\/good/);
  assert.doesNotMatch(names, /HTTPRoute\/shop\/bad/);
  assert.match(unseen.compiler.problems()[0]?.message ?? '', /^HTTPRoute\/shop\/bad is left out/);
});

test('routes to a service whose cluster cannot be compiled answer 503 with the reason', () => {
  const on = ground({ workloads: [caller, stock] });
  const services = on.mesh.services.map((service) =>
    service.name === 'stock' ? { ...service, identities: [] } : service,
  );
  const mesh = { ...on.mesh, services, byKey: new Map(services.map((service) => [service.key, service])) };
  const broken = { ...on, compiler: new Compiler(), mesh };
  broken.compiler.update(mesh);
  const snapshot = compile(broken, 'shop/web-1');
  assert.deepEqual(danglingReferences(snapshot, allResources(snapshot)), []);
  assert.match(JSON.stringify(readSnapshot(snapshot).route), /"status":503.*shop\/stock is not there: its cluster/);
  assert.match(broken.compiler.problems()[0]?.message ?? '', /no identity is known/);
});

test('a thousand proxies share one encoding of what they have in common', () => {
  const workloads = Array.from({ length: 1000 }, (_, n) =>
    sketchWorkload({ service: `s${n % 50}`, id: `w${n}`, address: `10.1.${n >> 8}.${n & 255}` }),
  );
  const on = ground({ workloads });
  const snapshots = workloads.map(({ id }) => compile(on, `shop/${id}`));
  const [first] = snapshots;
  assert.ok(first);
  for (const { sets } of snapshots) {
    assert.equal(sets.cluster.shared, first.sets.cluster.shared);
    assert.equal(sets.endpoint.shared, first.sets.endpoint.shared);
    assert.equal(sets.route.own.get('outbound/shop'), first.sets.route.own.get('outbound/shop'));
    assert.equal(sets.listener.own.get('outbound'), first.sets.listener.own.get('outbound'));
  }
});
