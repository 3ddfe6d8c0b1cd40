import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, systemClock } from '../clock.ts';
import { Warming } from '../warming.ts';
import { DnsSource } from './dns-source.ts';
import { testCluster, until } from './testing/cluster.ts';

const named = (...names: readonly string[]) => ({
  load_assignment: {
    cluster_name: 'c',
    endpoints: [
      {
        lb_endpoints: names.map((address) => ({
          endpoint: { address: { socket_address: { address, port_value: 80 } } },
        })),
      },
    ],
  },
});

/** A cluster of a name, and how long was waited between answers, which come in this order. */
function resolved(
  t: { after(end: () => void): void },
  fields: object,
  answers: readonly (readonly string[] | 'none')[],
) {
  const waits: number[] = [];
  const clock: Clock = {
    ...systemClock,
    after: (ms, run) => {
      if (ms < 1_000_000) waits.push(ms);
      return systemClock.after(ms < 1_000_000 ? 1 : ms, run);
    },
    monotonicMs: () => systemClock.monotonicMs(),
    wallMs: () => systemClock.wallMs(),
  };
  const left = [...answers];
  const cluster = testCluster({ connect_timeout: '10000s', type: 'STRICT_DNS', ...named('a'), ...fields });
  let isWarm = false;
  const warming = new Warming(clock, () => {
    isWarm = true;
  });
  const source = new DnsSource(cluster, warming, {
    resolve: (): Promise<readonly string[]> => {
      const answer = left.shift();
      if (answer === undefined) return new Promise(() => undefined);
      return answer === 'none' ? Promise.reject(new Error('no such name')) : Promise.resolve(answer);
    },
    readTtlMs: () => Promise.resolve(7000),
    clock,
    random: () => 0.5,
  });
  t.after(source.start());
  warming.start();
  return { cluster, waits, isWarm: () => isWarm, hosts: () => cluster.hosts.map(({ key }) => key) };
}

test('a name that cannot be resolved is asked for again after waits that double, and keeps its addresses', async (t) => {
  const fields = { dns_refresh_rate: '60s', dns_failure_refresh_rate: { base_interval: '1s', max_interval: '3s' } };
  const { waits, hosts, cluster } = resolved(t, fields, [['127.0.0.2'], 'none', 'none', 'none', ['127.0.0.3']]);
  await until(() => waits.length === 5, 'five answers');
  assert.deepEqual(waits, [60_000, 500, 1000, 1500, 60_000]);
  assert.deepEqual(hosts(), ['127.0.0.3:80']);
  assert.deepEqual([cluster.stats.update_attempt >= 5, cluster.stats.update_failure], [true, 3]);
});

test('without a rate for failures it is asked for as often as ever', async (t) => {
  const { waits } = resolved(t, { dns_refresh_rate: '60s' }, ['none', ['127.0.0.2']]);
  await until(() => waits.length === 2, 'two answers');
  assert.deepEqual(waits, [60_000, 60_000]);
});

test('the life of its records is respected where that is asked for, and jitter comes on top', async (t) => {
  const { waits } = resolved(t, { respect_dns_ttl: true, dns_jitter: '2s' }, [['127.0.0.2']]);
  await until(() => waits.length === 1, 'the answer');
  assert.deepEqual(waits, [8000]);
});

test('a cluster is used before its names are resolved only if it does not wait for that', async (t) => {
  const waiting = resolved(t, {}, []);
  const impatient = resolved(t, { wait_for_warm_on_init: false }, []);
  assert.deepEqual([waiting.isWarm(), impatient.isWarm()], [false, true]);
});

test('the extension for names says the same as the fields of a cluster', async (t) => {
  const typed_config = (more: object) => ({ '@type': 'x/envoy.extensions.clusters.dns.v3.DnsCluster', ...more });
  const of = (more: object) => ({ type: undefined, cluster_type: { name: 'dns', typed_config: typed_config(more) } });
  const answer = ['127.0.0.2', '127.0.0.3'];
  const strict = resolved(t, of({ dns_refresh_rate: '9s' }), [answer]);
  const logical = resolved(t, of({ all_addresses_in_single_endpoint: true }), [answer]);
  await until(() => strict.waits.length + logical.waits.length === 2, 'both answers');
  assert.deepEqual([strict.waits, logical.waits], [[9000], [5000]]);
  assert.deepEqual([strict.hosts(), logical.hosts()], [['127.0.0.2:80', '127.0.0.3:80'], ['127.0.0.2:80']]);
});
