/** Large route tables: read in parts they are what they are as a whole, and while they are read others have their turn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { decode, encode, type Messages, RESOURCE_TYPES, typeUrl } from '@weft/envoy-api';
import fc from 'fast-check';
import { systemClock } from '../clock.ts';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { RouteStore } from '../listener/routes.ts';
import { Runtime } from '../runtime/runtime.ts';
import { atOnce } from '../slices.ts';
import { Warming } from '../warming.ts';
import { LARGE_BYTES, readLargeRoutes } from './large-routes.ts';
import { ClientGround } from './testing/ground.ts';
import { ADS } from './testing/recorders.ts';

type Table = Messages['envoy.config.route.v3.RouteConfiguration'];

const WRAPPER = 'envoy.service.discovery.v3.Resource';
const TYPE = { '@type': typeUrl(RESOURCE_TYPES.route) } as const;

const route = fc.record({
  name: fc.string({ maxLength: 3 }),
  match: fc.string().map((prefix) => ({ prefix })),
  route: fc.record({ cluster: fc.string(), timeout: fc.constantFrom('3s', '0.250s') }),
});

const host = fc.record({
  name: fc.string(),
  domains: fc.array(fc.string(), { maxLength: 3 }),
  routes: fc.array(route, { maxLength: 4 }),
});

const wrapper = fc.record({
  name: fc.string(),
  version: fc.string(),
  resource: fc
    .record({ name: fc.string(), virtual_hosts: fc.array(host, { maxLength: 4 }), validate_clusters: fc.boolean() })
    .map((table) => ({ ...TYPE, ...table })),
});

/** Without lists that are empty, which are as good as absent. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, inner) => (Array.isArray(inner) && inner.length === 0 ? undefined : inner)),
  );
}

test('a table that is read in parts is what it is as a whole', () => {
  fc.assert(
    fc.property(wrapper, (given) => {
      const bytes = encode(WRAPPER, given);
      assert.deepEqual(plain(atOnce(readLargeRoutes(bytes))), plain(decode(WRAPPER, bytes)));
    }),
  );
});

test('bytes that are changed, cut or of something else give the same as when read whole, or are left to that', () => {
  const change = fc.record({ at: fc.nat(), to: fc.nat(255), cut: fc.boolean() });
  fc.assert(
    fc.property(wrapper, change, (given, { at, to, cut }) => {
      const whole = encode(WRAPPER, given);
      const bytes = cut ? whole.subarray(0, at % (whole.length + 1)) : Buffer.from(whole);
      if (bytes.length > 0) bytes[at % bytes.length] = to;
      const read = atOnce(readLargeRoutes(bytes));
      if (read) assert.deepEqual(plain(read), plain(decode(WRAPPER, bytes)));
    }),
    { numRuns: 500 },
  );
  const cluster = { name: 'c', resource: { '@type': typeUrl(RESOURCE_TYPES.cluster), name: 'c' } } as const;
  assert.equal(atOnce(readLargeRoutes(encode(WRAPPER, cluster))), undefined);
});

function tableTo(cluster: string, routes: number): Table {
  const prefixes = Array.from({ length: routes }, (_, index) => `/${index}/`);
  const content = prefixes.map((prefix) => ({ match: { prefix }, route: { cluster } }));
  return { name: 'r', virtual_hosts: [{ name: 'v', domains: ['*'], routes: content }] };
}

const saying = (version: string, table: Table) => ({
  resources: [{ name: 'r', version, content: table }],
});

async function storeGround() {
  const ground = new ClientGround();
  const { client, stats } = ground;
  const store = new RouteStore(client, systemClock, new Runtime(undefined, Math.random), { stats });
  const { routes } = store.use(ADS, 'r', new Warming(systemClock, () => undefined), 'http');
  const stream = await ground.server.stream();
  await stream.next();
  const clusterOf = (path: string): string | undefined => {
    const head = new RequestHead('GET', path, 'a', 'http', new HeaderList());
    const action = routes.current?.match(head)?.action;
    return action?.type === 'forward' ? action.config.cluster : undefined;
  };
  return { ...ground, ground, stream, clusterOf };
}

test('a large table takes the place of the one before all at once, after many turns of others, and is taken then', async () => {
  const { ground, stream, clusterOf } = await storeGround();
  stream.say('route', saying('1', tableTo('before', 3)));
  await stream.next();
  const COUNT = 20_000;
  assert.ok(COUNT * 10 > LARGE_BYTES);
  const nonce = stream.say('route', saying('2', tableTo('after', COUNT)));
  let turns = 0;
  let answer: string | undefined;
  void stream.next().then(({ response_nonce, error_detail }) => {
    assert.equal(error_detail, undefined);
    answer = response_nonce;
  });
  while (answer === undefined) {
    await nextTurn();
    turns++;
    const seen = [clusterOf('/0/'), clusterOf(`/${COUNT - 1}/`)];
    if (seen[1] === undefined) assert.deepEqual(seen, ['before', undefined]);
    else assert.deepEqual(seen, ['after', 'after']);
  }
  assert.equal(answer, nonce);
  assert.equal(clusterOf(`/${COUNT - 1}/`), 'after');
  assert.ok(turns > 10, `${turns} turns`);
  ground.client.close();
});

test('a large table with a wrong route is refused with its path, and the one before stays', async () => {
  const { ground, stream, clusterOf } = await storeGround();
  stream.say('route', saying('1', tableTo('before', 3)));
  await stream.next();
  const wrong = tableTo('after', 20_000);
  Object.assign(wrong.virtual_hosts?.[0]?.routes?.[17_000] ?? {}, { route: { cluster: '' } });
  stream.say('route', saying('2', wrong));
  const { error_detail: refusal } = await stream.next();
  assert.match(refusal?.message ?? '', /virtual_hosts\[0\]\.routes\[17000\]\.route/);
  assert.equal(clusterOf('/0/'), 'before');
  const counts = ['config_reload', 'update_success', 'update_rejected'].map((name) =>
    ground.stat(`http.http.rds.r.${name}`),
  );
  assert.deepEqual(counts, [1, 1, 1]);
  ground.client.close();
});
