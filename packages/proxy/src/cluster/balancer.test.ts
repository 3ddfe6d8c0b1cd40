import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Cluster } from './cluster.ts';
import type { Endpoint } from './host.ts';
import { endpoint, testCluster } from './testing/cluster.ts';
import { counts, isNear, request, seeded } from './testing/picks.ts';

const typed = (name: string, fields: object = {}): object => ({
  load_balancing_policy: {
    policies: [
      {
        typed_extension_config: { name: 'unknown', typed_config: { '@type': 'type.googleapis.com/some.other.Policy' } },
      },
      {
        typed_extension_config: {
          name,
          typed_config: { '@type': `type.googleapis.com/envoy.extensions.load_balancing_policies.${name}`, ...fields },
        },
      },
    ],
  },
});

const policies = (name: string): object => {
  const inner = { '@type': `type.googleapis.com/envoy.extensions.load_balancing_policies.${name}` };
  return { policies: [{ typed_extension_config: { name, typed_config: inner } }] };
};

interface Kind {
  readonly fields: object;
  /** Whether weights count. */
  readonly isWeighted: boolean;
  /** Whether what a request hashes decides. */
  readonly isHashed?: boolean;
}

/** Every way to say how a cluster balances. */
const KINDS: Readonly<Record<string, Kind>> = {
  ROUND_ROBIN: { fields: {}, isWeighted: true },
  LEAST_REQUEST: { fields: { lb_policy: 'LEAST_REQUEST' }, isWeighted: true },
  RANDOM: { fields: { lb_policy: 'RANDOM' }, isWeighted: false },
  RING_HASH: {
    fields: { lb_policy: 'RING_HASH', ring_hash_lb_config: { minimum_ring_size: '65536' } },
    isWeighted: true,
    isHashed: true,
  },
  'RING_HASH by MurmurHash': {
    fields: {
      lb_policy: 'RING_HASH',
      ring_hash_lb_config: { minimum_ring_size: '65536', hash_function: 'MURMUR_HASH_2' },
    },
    isWeighted: true,
    isHashed: true,
  },
  MAGLEV: { fields: { lb_policy: 'MAGLEV' }, isWeighted: true, isHashed: true },
  'MAGLEV with bounded load': {
    fields: {
      lb_policy: 'MAGLEV',
      common_lb_config: { consistent_hashing_lb_config: { hash_balance_factor: 200 } },
    },
    isWeighted: true,
    isHashed: true,
  },
  round_robin: { fields: typed('round_robin.v3.RoundRobin'), isWeighted: true },
  least_request: { fields: typed('least_request.v3.LeastRequest', { choice_count: 3 }), isWeighted: true },
  'least_request of all': {
    fields: typed('least_request.v3.LeastRequest', { selection_method: 'FULL_SCAN' }),
    isWeighted: true,
  },
  random: { fields: typed('random.v3.Random'), isWeighted: false },
  ring_hash: {
    fields: typed('ring_hash.v3.RingHash', { minimum_ring_size: '65536' }),
    isWeighted: true,
    isHashed: true,
  },
  maglev: { fields: typed('maglev.v3.Maglev', { table_size: '10007' }), isWeighted: true, isHashed: true },
  subset: {
    fields: typed('subset.v3.Subset', {
      fallback_policy: 'ANY_ENDPOINT',
      subset_selectors: [{ keys: ['version'] }],
      subset_lb_policy: policies('round_robin.v3.RoundRobin'),
    }),
    isWeighted: true,
  },
};

function cluster(kind: Kind, endpoints: readonly Endpoint[], seed = 7): Cluster {
  const made = testCluster(kind.fields, [], { random: seeded(seed) });
  made.update(endpoints);
  return made;
}

const key = (i: number) => ({ key: `key ${i}` });

for (const [name, kind] of Object.entries(KINDS)) {
  test(`${name}: without hosts there is none to pick`, () => {
    const made = cluster(kind, []);
    assert.equal(made.pick(), undefined);
    made.update([endpoint(1)]);
    assert.ok(made.pick());
    made.update([]);
    assert.equal(made.pick(), undefined);
  });

  test(`${name}: hosts that are alike get as much`, () => {
    const made = cluster(kind, [endpoint(1), endpoint(2), endpoint(3), endpoint(4)]);
    const found = counts(made, 4000, key);
    // Where hosts stand on a ring is chance too.
    for (const port of [1, 2, 3, 4]) {
      const count = found.get(port) ?? 0;
      assert.ok(isNear(count, 1 / 4, 4000) || (kind.isHashed && count > 850 && count < 1150), `${port}: ${count}`);
    }
  });

  test(`${name}: weights ${kind.isWeighted ? 'count' : 'do not count'}`, () => {
    const made = cluster(kind, [endpoint(1), endpoint(2, { weight: 3 })]);
    const heavy = counts(made, 4000, key).get(2) ?? 0;
    const share = kind.isWeighted ? 3 / 4 : 1 / 2;
    assert.ok(isNear(heavy, share, 4000) || (kind.isHashed && Math.abs(heavy - 3000) < 150), String(heavy));
  });

  test(`${name}: requests go to hosts that are healthy, of the first priority, until too few are left`, () => {
    const second = { priority: 1 };
    const health = 'unhealthy';
    const made = cluster(kind, [endpoint(1), endpoint(2), endpoint(3, { health }), endpoint(4, second)]);
    const found = counts(made, 4000, key);
    // Two of three are healthy: 93 % at the overprovisioning factor of 140.
    assert.equal(found.get(3), undefined);
    assert.ok(isNear(found.get(4), 0.07, 4000), String(found.get(4)));
    made.update([endpoint(1, { health }), endpoint(2, { health }), endpoint(4, second), endpoint(5, second)]);
    assert.deepEqual([...counts(made, 200, key).keys()].sort(), [4, 5]);
    made.update([endpoint(1, { health }), endpoint(4, { ...second, health })]);
    assert.deepEqual([...counts(made, 200, key).keys()].sort(), [1, 4]);
    assert.ok(made.stats.lb_healthy_panic >= 200);
  });

  test(`${name}: a host that was tried is passed over`, () => {
    const made = cluster(kind, [endpoint(1), endpoint(2), endpoint(3)]);
    const [tried] = made.hosts;
    assert.ok(tried);
    const asked = { tried: [tried], hostAttempts: 40 };
    const found = counts(made, 300, (i) => ({ ...key(i), ...asked }));
    assert.equal(found.get(1), undefined);
    assert.equal((found.get(2) ?? 0) + (found.get(3) ?? 0), 300);
  });

  test(`${name}: whatever comes and goes, a pick is a host that is there`, () => {
    const change = fc.record({
      port: fc.integer({ min: 1, max: 12 }),
      weight: fc.integer({ min: 1, max: 9 }),
      health: fc.constantFrom<Endpoint['health']>('healthy', 'degraded', 'unhealthy'),
      priority: fc.integer({ min: 0, max: 2 }),
    });
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 12 }), { minLength: 1, maxLength: 4 }), (rounds) => {
        const made = cluster({ ...kind, fields: smallTable(kind.fields) }, []);
        for (const list of rounds) {
          made.update(list.map(({ port, ...rest }) => endpoint(port, rest)));
          const hosts = new Set(made.hosts);
          for (let i = 0; i < 5; i++) {
            const host = made.pick(request(key(i)));
            assert.equal(host !== undefined && hosts.has(host), hosts.size > 0);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  if (!kind.isHashed) continue;

  test(`${name}: what is hashed alike goes to one host, and stays there as others come and go`, () => {
    const ports = Array.from({ length: 10 }, (_, i) => i + 1);
    const made = cluster(
      kind,
      ports.map((port) => endpoint(port)),
    );
    const place = (i: number) => made.pick(request(key(i)))?.key;
    const before = Array.from({ length: 1000 }, (_, i) => place(i));
    assert.deepEqual(
      Array.from({ length: 1000 }, (_, i) => place(i)),
      before,
    );
    made.update(
      ports
        .slice(1)
        .reverse()
        .map((port) => endpoint(port)),
    );
    const moved = before.filter((host, i) => host !== '127.0.0.1:1' && place(i) !== host).length;
    // A ring has room for more places of the others then.
    assert.ok(moved < 150, `${moved} of 1000 moved that had no need to`);
  });
}

/** The same with tables that are made in no time. */
function smallTable(fields: object): object {
  return JSON.parse(JSON.stringify(fields).replaceAll('65536', '64').replaceAll('10007', '101'));
}

test('round robin gives each host its turn, in order, and goes on where it was', () => {
  const made = testCluster({}, [], { random: () => 0 });
  made.update([endpoint(1), endpoint(2), endpoint(3)]);
  const turn = () => made.pick()?.key.slice('127.0.0.1:'.length);
  assert.deepEqual([turn(), turn(), turn(), turn()], ['1', '2', '3', '1']);
  made.update([endpoint(1), endpoint(2), endpoint(3), endpoint(4)]);
  assert.deepEqual([turn(), turn(), turn(), turn()], ['2', '3', '4', '1']);
});

test('round robin by weight is exact over a round, and spread out within it', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(weights, fc.integer({ min: 1, max: 1e6 }), (given, seed) => {
      const list = given.map((weight, i) => endpoint(i + 1, { weight }));
      const made = cluster({ fields: {}, isWeighted: true }, list, seed);
      const round = given.reduce((total, weight) => total + weight, 0);
      const found = counts(made, round * 10);
      for (const [i, weight] of given.entries()) {
        assert.ok(Math.abs((found.get(i + 1) ?? 0) - weight * 10) <= 1, `${given}: ${[...found]}`);
      }
    }),
  );
});

test('the better of two that are chosen at random gets the request', () => {
  const made = cluster({ fields: { lb_policy: 'LEAST_REQUEST' }, isWeighted: true }, [endpoint(1), endpoint(2)]);
  const [busy] = made.hosts;
  if (busy) busy.requestsActive = 5;
  const found = counts(made, 1000);
  assert.ok(isNear(found.get(1), 1 / 4, 1000), 'both choices fall on the busy one a quarter of the time');
});

test('where weights differ, what is under way divides them', () => {
  const list = [endpoint(1, { weight: 10 }), endpoint(2, { weight: 5 })];
  const active = (bias: number) => {
    const made = cluster(
      {
        fields: {
          lb_policy: 'LEAST_REQUEST',
          least_request_lb_config: { active_request_bias: { default_value: bias, runtime_key: 'bias' } },
        },
        isWeighted: true,
      },
      list,
    );
    const [busy] = made.hosts;
    if (busy) busy.requestsActive = 3;
    return counts(made, 3000).get(1);
  };
  assert.ok(isNear(active(0), 2 / 3, 3000), 'not at all');
  assert.ok(isNear(active(1), 2.5 / 7.5, 3000), 'by their number');
  assert.ok(isNear(active(2), 0.625 / 5.625, 3000), 'by its square');
});

test('a full scan finds the host with the fewest requests', () => {
  const made = cluster(
    KINDS['least_request of all'] as Kind,
    [1, 2, 3, 4, 5].map((port) => endpoint(port)),
  );
  for (const host of made.hosts) host.requestsActive = 9;
  const [, , free, alsoFree] = made.hosts;
  assert.ok(free && alsoFree);
  free.requestsActive = 1;
  alsoFree.requestsActive = 1;
  const found = counts(made, 1000);
  assert.equal((found.get(3) ?? 0) + (found.get(4) ?? 0), 1000);
  assert.ok(isNear(found.get(3), 1 / 2, 1000));
});

test('a host takes so much more than its share, and no more; what is above goes to the same others', () => {
  const bounded = KINDS['MAGLEV with bounded load'] as Kind;
  const made = cluster(
    bounded,
    [1, 2, 3, 4].map((port) => endpoint(port)),
  );
  const place = () => made.pick(request({ key: 'one' }));
  const first = place();
  assert.ok(first);
  made.stats.upstream_rq_active = 40;
  first.requestsActive = 20;
  assert.equal(place(), first, 'twice its share is what it may have');
  first.requestsActive = 22;
  const second = place();
  assert.ok(second && second !== first);
  assert.equal(place(), second);
});
