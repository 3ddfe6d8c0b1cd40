import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Host } from './host.ts';
import { type Evidence, JudgeBench, type JudgedHost, JudgedHosts, type Judgement, Judgements } from './judging.ts';
import { endpoint, testCluster } from './testing/cluster.ts';

const CHECKS = [{ timeout: '1s', interval: '1s', unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {} }];
const PASSED: Judgement = { check: 'healthy', hasCheckTimedOut: false, isExcluded: 'no', isEjected: false };
const FAILED: Judgement = { ...PASSED, check: 'failed' };

const named = (life: number, port?: number): JudgedHost => {
  return { cluster: 'c', life, key: port === undefined ? undefined : `127.0.0.1:${port}` };
};

class Ground {
  readonly judgements = new Judgements();
  readonly told: (readonly [string, Evidence])[] = [];
  readonly cluster = testCluster({ health_checks: CHECKS });
  readonly hosts: JudgedHosts;

  constructor() {
    const tell = (_: string, key: string, evidence: Evidence) => void this.told.push([key, evidence]);
    this.hosts = new JudgedHosts(this.cluster, { type: 'elsewhere', judgements: this.judgements, tell });
    this.cluster.observe(this.hosts);
  }

  host(port: number): Host {
    return this.cluster.find(`127.0.0.1:${port}`) as Host;
  }
}

test('hosts are waited for until another thread has checked each of them, whoever came first', () => {
  const ground = new Ground();
  ground.judgements.take(named(1, 1), PASSED);
  ground.cluster.update([endpoint(1), endpoint(2)]);
  let rounds = 0;
  ground.hosts.start(() => rounds++);
  assert.deepEqual([ground.host(1).check, ground.host(2).check, rounds], ['healthy', 'pending', 0]);
  ground.judgements.take(named(1, 2), FAILED);
  assert.deepEqual([ground.host(2).check, rounds], ['failed', 1]);
  assert.equal(ground.cluster.pick()?.key, '127.0.0.1:1');
  ground.judgements.take(named(1, 1), { ...PASSED, isEjected: true });
  ground.judgements.take(named(1, 2), PASSED);
  assert.equal(ground.cluster.pick()?.key, '127.0.0.1:2');
  assert.equal(rounds, 1);
});

test('what is told of a cluster that has been replaced counts no more', () => {
  const ground = new Ground();
  ground.cluster.update([endpoint(1)]);
  ground.judgements.take(named(2, 1), PASSED);
  ground.judgements.take(named(1, 1), FAILED);
  ground.judgements.take(named(1), undefined);
  assert.equal(ground.host(1).check, 'healthy');
  assert.deepEqual(ground.judgements.of('c', '127.0.0.1:1'), PASSED);
  ground.judgements.take(named(2, 1), undefined);
  assert.equal(ground.judgements.of('c', '127.0.0.1:1'), undefined);
});

test('a response that fails a host is told to the thread that judges', () => {
  const ground = new Ground();
  ground.cluster.update([endpoint(1)]);
  ground.host(1).failCheck?.();
  assert.deepEqual(ground.told, [['127.0.0.1:1', { type: 'fail-check' }]]);
  ground.cluster.drain();
  ground.judgements.take(named(1, 1), FAILED);
  assert.equal(ground.host(1).check, 'pending', 'a cluster that has ended hears no more');
});

test('the thread that judges tells what changed, once, and what is gone', () => {
  const told: unknown[] = [];
  const bench = new JudgeBench('c', 3, ({ life, key }, judgement) => told.push([life, key, judgement?.check]));
  const cluster = testCluster({}, [1]);
  const [host] = cluster.hosts;
  assert.ok(host);
  bench.judged(host);
  bench.judged(host);
  host.check = 'failed';
  bench.judged(host);
  bench.hostsChanged([], [host]);
  bench.close();
  assert.deepEqual(told, [
    [3, '127.0.0.1:1', 'none'],
    [3, '127.0.0.1:1', 'failed'],
    [3, '127.0.0.1:1', undefined],
    [3, undefined, undefined],
  ]);
});
