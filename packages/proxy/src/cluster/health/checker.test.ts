import assert from 'node:assert/strict';
import { test } from 'node:test';
import { healthCheck } from '../../config/health-check.ts';
import { Place } from '../../config/schema.ts';
import { ManualClock } from '../../xds/testing/manual-clock.ts';
import type { Endpoint } from '../host.ts';
import { Host } from '../host.ts';
import { endpoint } from '../testing/cluster.ts';
import { HealthChecker } from './checker.ts';
import { DEGRADED, NO_ANSWER, PASSED, type Probe, type ProbeOutcome, type ProbeOwner, WRONG_ANSWER } from './probe.ts';
import { HealthStats } from './stats.ts';

class FakeProbe implements Probe {
  readonly owner: ProbeOwner;
  starts = 0;
  gaveUp = 0;
  isClosed = false;

  constructor(owner: ProbeOwner) {
    this.owner = owner;
  }

  start(): void {
    this.starts++;
  }

  giveUp(): void {
    this.gaveUp++;
  }

  close(): void {
    this.isClosed = true;
  }
}

const BASE = {
  timeout: '1s',
  interval: '10s',
  unhealthy_threshold: 2,
  healthy_threshold: 3,
  tcp_health_check: {},
};

class Ground {
  readonly clock = new ManualClock();
  readonly stats = new HealthStats();
  readonly probes = new Map<Host, FakeProbe>();
  readonly checker: HealthChecker;
  readonly host: Host;
  hasTraffic = true;
  changes = 0;
  failed: Host[] = [];
  isWarm = false;

  constructor(fields: object = {}, change: Partial<Endpoint> = {}, ignoresNewHosts = false) {
    const place = new Place();
    const config = healthCheck.parse({ ...BASE, ...fields }, place);
    assert.deepEqual(place.issues, []);
    this.checker = new HealthChecker({
      config,
      stats: this.stats,
      clock: this.clock,
      random: () => 0.5,
      ignoresNewHosts,
      cluster: {
        hasTraffic: () => this.hasTraffic,
        healthChanged: () => void this.changes++,
        hostFailed: (host) => void this.failed.push(host),
      },
      makeProbe: (host, owner) => {
        const probe = new FakeProbe(owner);
        this.probes.set(host, probe);
        return probe;
      },
    });
    this.host = new Host(endpoint(1, change));
    this.checker.hostsChanged([this.host], []);
    this.checker.start(() => {
      this.isWarm = true;
    });
  }

  get probe(): FakeProbe {
    return this.probes.get(this.host) as FakeProbe;
  }

  outcome(outcome: ProbeOutcome): void {
    this.probe.owner.onOutcome(outcome);
  }

  /** After how many seconds the next check begins. */
  next(): number {
    const { starts } = this.probe;
    for (let seconds = 1; seconds <= 120; seconds++) {
      this.clock.pass(1000);
      if (this.probe.starts > starts) return seconds;
    }
    return -1;
  }
}

test('a host takes no requests before its first check, which decides alone', () => {
  const ground = new Ground();
  assert.equal(ground.host.health, 'unhealthy');
  assert.equal(ground.isWarm, false);
  ground.outcome(PASSED);
  assert.equal(ground.host.health, 'healthy');
  assert.equal(ground.isWarm, true);
  assert.equal(ground.changes, 1);
  assert.deepEqual({ ...ground.stats }, { ...new HealthStats(), attempt: 1, success: 1, healthy: 1 });
});

test('it takes some network failures in a row to fail, and some passes to come back', () => {
  const ground = new Ground();
  ground.outcome(PASSED);
  ground.outcome(NO_ANSWER);
  assert.equal(ground.host.check, 'healthy');
  ground.outcome(PASSED);
  ground.outcome(NO_ANSWER);
  ground.outcome(NO_ANSWER);
  assert.equal(ground.host.check, 'failed');
  assert.deepEqual(ground.failed, [ground.host]);
  ground.outcome(PASSED);
  ground.outcome(PASSED);
  assert.equal(ground.host.check, 'failed');
  ground.outcome(PASSED);
  assert.equal(ground.host.check, 'healthy');
  assert.equal(ground.stats.network_failure, 3);
  assert.equal(ground.stats.healthy, 1);
});

test('a wrong answer fails a host at once, unless its status is one to ask again after', () => {
  const ground = new Ground();
  ground.outcome(PASSED);
  ground.outcome({ ...WRONG_ANSWER, type: 'failed', cause: 'active', isRetriable: true, isExcluding: false });
  assert.equal(ground.host.check, 'healthy');
  ground.outcome(WRONG_ANSWER);
  assert.equal(ground.host.check, 'failed');
  assert.equal(ground.stats.failure, 2);
  assert.equal(ground.stats.network_failure, 0);
});

test('no answer in time is a failure, and the probe is told to give up', () => {
  const ground = new Ground({ unhealthy_threshold: 1 });
  ground.outcome(PASSED);
  ground.clock.pass(10_000);
  assert.equal(ground.probe.starts, 2);
  ground.clock.pass(1000);
  assert.equal(ground.probe.gaveUp, 1);
  assert.equal(ground.host.check, 'failed');
  assert.equal(ground.host.hasCheckTimedOut, true);
  ground.outcome(WRONG_ANSWER);
  assert.equal(ground.host.hasCheckTimedOut, false);
});

test('a degraded host is one', () => {
  const ground = new Ground();
  ground.outcome(DEGRADED);
  assert.equal(ground.host.health, 'degraded');
  assert.equal(ground.stats.degraded, 1);
  ground.outcome(PASSED);
  assert.equal(ground.host.health, 'healthy');
  assert.equal(ground.changes, 2);
});

test('each state has its interval', () => {
  const ground = new Ground({
    interval: '10s',
    unhealthy_interval: '20s',
    unhealthy_edge_interval: '5s',
    healthy_edge_interval: '7s',
  });
  ground.outcome(PASSED);
  assert.equal(ground.next(), 10);
  ground.outcome(NO_ANSWER);
  assert.equal(ground.next(), 5);
  ground.outcome(NO_ANSWER);
  assert.equal(ground.next(), 20);
  ground.outcome(PASSED);
  assert.equal(ground.next(), 7);
});

test('a cluster that nobody uses is checked rarely', () => {
  const ground = new Ground({ no_traffic_interval: '30s', no_traffic_healthy_interval: '50s' });
  ground.hasTraffic = false;
  ground.outcome(PASSED);
  assert.equal(ground.next(), 50);
  ground.outcome(NO_ANSWER);
  assert.equal(ground.next(), 30);
});

test('jitter comes on top, and before the first check', () => {
  const ground = new Ground({ initial_jitter: '4s', interval_jitter: '2s', interval_jitter_percent: 40 });
  assert.equal(ground.probe.starts, 0);
  assert.equal(ground.next(), 2);
  ground.outcome(PASSED);
  assert.equal(ground.next(), 13);
});

test('a response that says so fails its host at once, until its checks pass again', () => {
  const ground = new Ground();
  ground.outcome(PASSED);
  ground.host.failCheck?.();
  assert.equal(ground.host.check, 'failed');
  assert.equal(ground.host.isExcluded, 'immediate-failure');
  assert.equal(ground.stats.passive_failure, 1);
  for (let i = 0; i < 3; i++) ground.outcome(PASSED);
  assert.equal(ground.host.check, 'healthy');
  assert.equal(ground.host.isExcluded, 'no');
});

test('new hosts are left out of what is counted where that is asked for', () => {
  const ground = new Ground({}, {}, true);
  assert.equal(ground.host.isExcluded, 'pending');
  ground.outcome(NO_ANSWER);
  assert.equal(ground.host.isExcluded, 'no');
  assert.equal(ground.host.check, 'failed');
  assert.equal(ground.changes, 1);
});

test('an endpoint that is not to be checked is not waited for', () => {
  const ground = new Ground({}, { check: { port: 0, hostname: '', address: undefined, isDisabled: true } });
  assert.equal(ground.host.health, 'healthy');
  assert.equal(ground.isWarm, true);
});

test('a host that leaves is waited for no longer, and is not checked', () => {
  const ground = new Ground();
  const other = new Host(endpoint(2));
  ground.checker.hostsChanged([other], []);
  ground.outcome(PASSED);
  assert.equal(ground.isWarm, false);
  ground.checker.hostsChanged([], [other]);
  assert.equal(ground.isWarm, true);
  assert.equal(ground.probes.get(other)?.isClosed, true);
  ground.checker.close();
  assert.deepEqual(ground.clock.pendingMs, []);
  assert.equal(ground.stats.healthy, 0);
});

test('what a check needs, and what it cannot do, is told by path', () => {
  const issues = (fields: object): readonly string[] => {
    const place = new Place();
    healthCheck.parse(fields, place);
    return place.issues.map(({ path }) => path);
  };
  assert.deepEqual(issues({}), ['timeout', 'interval', 'unhealthy_threshold', 'healthy_threshold']);
  const { tcp_health_check: _, ...without } = BASE;
  assert.deepEqual(issues(without), ['']);
  assert.deepEqual(issues({ ...BASE, custom_health_check: {} }), ['custom_health_check']);
  assert.deepEqual(issues({ ...BASE, event_service: {}, alt_port: 1 }), ['event_service', 'alt_port']);
  assert.deepEqual(issues({ ...BASE, tcp_health_check: { send: { text: 'xyz' } } }), ['tcp_health_check.send']);
  const http = (fields: object) => issues({ ...without, http_health_check: { path: '/', ...fields } });
  assert.deepEqual(http({ expected_statuses: [{ start: 200, end: 200 }] }), ['http_health_check.expected_statuses[0]']);
  assert.deepEqual(http({ retriable_statuses: [{ start: 99, end: 601 }] }), [
    'http_health_check.retriable_statuses[0]',
    'http_health_check.retriable_statuses[0]',
  ]);
  assert.deepEqual(http({ send: { text: '00' } }), ['http_health_check.send']);
  assert.deepEqual(http({ method: 'CONNECT' }), ['http_health_check.method']);
  assert.deepEqual(http({ receive: [{ text: '0000' }], response_buffer_size: 1 }), ['http_health_check.receive']);
});
