/**
 * Each way to balance on Weft's proxy and on the real Envoy, on one bootstrap and in front of the same upstreams: what is
 * hashed goes to the same host, what is left to chance goes there as often.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DATA_PLANES, freePort } from './harness.ts';
import { startNamedUpstreams } from './proxy-testing/named-upstream.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, startPlane } from './proxy-testing/plane.ts';
import { send } from './proxy-testing/raw-client.ts';
import type { WireMessage } from './proxy-testing/wire.ts';

const UPSTREAMS = 6;
const FIRST_PORT = 10_101;

interface Planes {
  readonly weft: Plane;
  readonly envoy: Plane;
  readonly upstreams: readonly number[];
}

async function start(t: TestContext): Promise<Planes> {
  const upstreams = await startNamedUpstreams(t, UPSTREAMS);
  // Hosts are placed by their addresses: both planes have the same ones, dead ones among them.
  const dead = await Promise.all(Array.from({ length: 7 }, freePort));
  const ports = Object.fromEntries([
    ...upstreams.map((port, i) => [FIRST_PORT + i, port] as const),
    ...dead.map((port, i) => [i === 6 ? 10_089 : 10_111 + i, port] as const),
  ]);
  const [weft, envoy] = await Promise.all(
    DATA_PLANES.map((dataPlane) =>
      startPlane(t, { dataPlane, bootstrap: 'balancing.yaml', folder: temporaryFolder(t), ports }),
    ),
  );
  assert.ok(weft && envoy);
  return { weft, envoy, upstreams };
}

interface Asked {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function head({ path = '/', headers = {} }: Asked): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields.join('')}\r\n`;
}

/** Sends requests one after the other on one connection, and gives the answers. */
async function ask(plane: Plane, requests: readonly Asked[]): Promise<readonly WireMessage[]> {
  const [first = '', ...then] = requests.map(head);
  const { answers } = await send(plane.port(), first, { answers: requests.length, then, timeoutMs: 30_000 });
  return answers;
}

/** Which upstream took each request; the status, where none did. */
async function places(plane: Plane, requests: readonly Asked[]): Promise<readonly string[]> {
  const answers = await ask(plane, requests);
  return answers.map(({ start, body }) => (start.startsWith('HTTP/1.1 200') ? body : (start.split(' ')[1] ?? '')));
}

const KEYS = Array.from({ length: 150 }, (_, i) => `k${i * 7919}`);
const toCluster = (cluster: string) => KEYS.map((key): Asked => ({ headers: { 'x-cluster': cluster, 'x-key': key } }));

const HASHED: Readonly<Record<string, readonly Asked[]>> = {
  ...Object.fromEntries(
    [
      'ring',
      'ring-small',
      'ring-murmur',
      'ring-names',
      'ring-keys',
      'maglev',
      'maglev-small',
      'typed-maglev',
      'typed-ring',
      'priorities-hashed',
    ].map((cluster) => [cluster, toCluster(cluster)]),
  ),
  'the value of a cookie': KEYS.map((key) => ({ path: '/cookie', headers: { cookie: `a=b; place="${key}"; c=d` } })),
  'the address of the client': KEYS.slice(0, 20).map(() => ({ path: '/address' })),
  'a parameter of the query': KEYS.map((key) => ({ path: `/query?a=b&q=${key}&q=no` })),
  'a header that is rewritten': KEYS.map((key) => ({ path: '/rewritten', headers: { 'x-key': key } })),
  'a header that is there, and no more': KEYS.map((key, i) => ({
    path: '/terminal',
    headers: { ...(i % 2 === 0 && { 'x-first': key }), 'x-key': `${i}` },
  })),
  'several headers and the path': KEYS.map((key, i) => ({
    path: `/mixed/${i % 7}`,
    headers: { 'x-first': `${i % 3}`, 'x-key': key },
  })),
  'a header that came more than once': KEYS.map((key, i) => ({
    headers: { 'x-cluster': 'ring', 'x-key': key, 'X-Key': `${i}`, 'X-KEY': 'z' },
  })),
  'a host that is dead, and the next one': KEYS.slice(0, 40).map((key) => ({
    path: '/retried',
    headers: { 'x-key': key },
  })),
};

test('what is hashed goes to the same host', async (t) => {
  const { weft, envoy } = await start(t);
  for (const [name, requests] of Object.entries(HASHED)) {
    const [ours, theirs] = await Promise.all([places(weft, requests), places(envoy, requests)]);
    assert.deepEqual(ours, theirs, name);
    assert.ok(name === 'the address of the client' || new Set(ours).size > 1, `${name}: ${new Set(ours).size} hosts`);
  }
  for (const group of ['ring-small.ring_hash_lb.', 'maglev-small.maglev_lb.']) {
    const shown = async (plane: Plane) => (await plane.admin(`/stats?filter=${group}`)).body;
    assert.equal(await shown(weft), await shown(envoy));
  }
});

test('a client without a cookie is given one, and comes back with it to the same host', async (t) => {
  const { weft, envoy } = await start(t);
  for (const path of ['/cookie', '/session']) {
    const shapes: string[] = [];
    for (const plane of [weft, envoy]) {
      const [first, second] = await ask(plane, [{ path }, { path }]);
      const cookie = first?.headers.find(([name]) => name.toLowerCase() === 'set-cookie')?.[1] ?? '';
      assert.equal(second?.headers.find(([name]) => name.toLowerCase() === 'set-cookie')?.[1], cookie);
      const value = /^place="([0-9a-f]{16})"/.exec(cookie)?.[1] ?? '';
      shapes.push(cookie.replace(value, '<value>'));
      // The value leads to the same host on either plane.
      for (const again of [weft, envoy]) {
        const [place] = await places(again, [{ path, headers: { cookie: `place=${value}` } }]);
        assert.equal(place, first?.body, `${path} on ${again.dataPlane}`);
      }
    }
    assert.equal(shapes[0], shapes[1]);
  }
});

/** How often each upstream took a request. */
async function shares(plane: Plane, request: Asked, times: number): Promise<Readonly<Record<string, number>>> {
  const found: Record<string, number> = {};
  for (const place of await places(plane, Array<Asked>(times).fill(request))) found[place] = (found[place] ?? 0) + 1;
  return found;
}

/** Whether two counts of so many may come from one chance: five deviations are between one in millions. */
function isAlike(one = 0, other = 0, times: number): boolean {
  const share = (one + other) / (2 * times);
  return Math.abs(one - other) <= 5 * Math.sqrt(2 * times * share * (1 - share)) + 2;
}

const CHANCE: Readonly<Record<string, Asked>> = {
  ...Object.fromEntries(
    [
      'random',
      'least',
      'least-weighted',
      'priorities',
      'degraded',
      'panic',
      'panic-of-both',
      'no-panic',
      'localities',
      'localities-losing',
      'zones',
      'zones-direct',
      'zones-small',
      'dropping',
    ].map((cluster): [string, Asked] => [cluster, { headers: { 'x-cluster': cluster } }]),
  ),
  'subsets: one key': { path: '/version/1' },
  'subsets: two keys': { path: '/version/2/stage/a' },
  'subsets: the default one': { path: '/version/none' },
  'subsets: nothing is asked for': { path: '/version/any' },
  'subsets: any': { path: '/stage/none' },
  'another priority for a retry': { path: '/failing-over' },
};

test('what is left to chance goes to each host as often', async (t) => {
  const { weft, envoy } = await start(t);
  const times = 600;
  for (const [name, request] of Object.entries(CHANCE)) {
    const [ours, theirs] = await Promise.all([shares(weft, request, times), shares(envoy, request, times)]);
    for (const place of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
      const [one, other] = [ours[place], theirs[place]];
      assert.ok(
        isAlike(one, other, times),
        `${name}: ${JSON.stringify(ours)} on Weft, ${JSON.stringify(theirs)} on Envoy`,
      );
      assert.equal(one === undefined, other === undefined, `${name}: ${place}`);
    }
  }
  for (const name of [
    'cluster.panic.lb_healthy_panic',
    'cluster.panic-of-both.lb_healthy_panic',
    'cluster.subsets.lb_subsets_selected',
    'cluster.subsets.lb_subsets_fallback',
    'cluster.zones-direct.lb_zone_routing_all_directly',
    'cluster.priorities.membership_healthy',
    'cluster.degraded.membership_degraded',
  ]) {
    assert.equal(await weft.stat(name), await envoy.stat(name), name);
  }
  assert.ok((await weft.stat('cluster.zones.lb_zone_routing_sampled')) > 0);
  assert.ok((await weft.stat('cluster.zones.lb_zone_routing_cross_zone')) > 0);
  assert.ok((await weft.stat('cluster.zones-small.lb_zone_cluster_too_small')) > 0);
});

test('turns are exact', async (t) => {
  const { weft, envoy } = await start(t);
  for (const plane of [weft, envoy]) {
    const even = await shares(plane, { headers: { 'x-cluster': 'round-robin' } }, 400);
    assert.deepEqual(even, { 0: 100, 1: 100, 2: 100, 3: 100 }, plane.dataPlane);
    const byWeight = await shares(plane, { headers: { 'x-cluster': 'weighted' } }, 400);
    for (const [i, share] of [40, 80, 120, 160].entries()) {
      assert.ok(Math.abs((byWeight[i] ?? 0) - share) <= 2, `${plane.dataPlane}: ${JSON.stringify(byWeight)}`);
    }
  }
});

test('a request that is turned away says so', async (t) => {
  const { weft, envoy } = await start(t);
  const dropped = await Promise.all(
    [weft, envoy].map(async (plane) => {
      const asked = Array<Asked>(60).fill({ headers: { 'x-cluster': 'dropping' } });
      const found = (await ask(plane, asked)).find(({ start }) => start.includes('503'));
      const headers = found?.headers.filter(([name]) => !['date', 'server'].includes(name));
      return { start: found?.start, headers: headers?.map(String).sort(), body: found?.body };
    }),
  );
  assert.deepEqual(dropped[0], dropped[1]);
});

test('the address that a header names is the host', async (t) => {
  const { weft, envoy, upstreams } = await start(t);
  const to = (address: string): Asked => ({
    headers: { 'x-cluster': 'original', 'x-envoy-original-dst-host': address },
  });
  const asked = [
    ...upstreams.map((port) => to(`127.0.0.1:${port}`)),
    to('localhost:1'),
    to('127.0.0.1'),
    { headers: { 'x-cluster': 'original' } },
  ];
  const expected = [...upstreams.map((_, i) => String(i)), '503', '503', '503'];
  for (const plane of [weft, envoy]) {
    assert.deepEqual(await places(plane, asked), expected, plane.dataPlane);
    assert.equal(await plane.stat('cluster.original.original_dst_host_invalid'), 2, plane.dataPlane);
    assert.equal(await plane.stat('cluster.original.membership_total'), UPSTREAMS, plane.dataPlane);
  }
});
