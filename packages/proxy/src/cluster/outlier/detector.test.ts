import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OutlierConfig, outlierDetection } from '../../config/outlier.ts';
import { Place } from '../../config/schema.ts';
import { ManualClock } from '../../xds/testing/manual-clock.ts';
import { Host } from '../host.ts';
import { endpoint } from '../testing/cluster.ts';
import { OutlierDetector, successRateThreshold } from './detector.ts';
import { OutlierStats } from './stats.ts';

function parse(fields: object): OutlierConfig {
  const place = new Place();
  const config = outlierDetection.parse(fields, place);
  assert.deepEqual(place.issues, []);
  return config;
}

class Ground {
  readonly clock = new ManualClock();
  readonly stats = new OutlierStats();
  readonly hosts: readonly Host[];
  readonly detector: OutlierDetector;
  changes = 0;
  random = 0;

  constructor(fields: object, count = 10) {
    this.hosts = Array.from({ length: count }, (_, index) => new Host(endpoint(index + 1)));
    this.detector = new OutlierDetector({
      config: parse({ max_ejection_percent: 100, ...fields }),
      stats: this.stats,
      clock: this.clock,
      random: () => this.random,
      cluster: {
        healthChanged: () => void this.changes++,
        hostFailed: () => undefined,
      },
    });
    this.detector.hostsChanged(this.hosts, []);
  }

  host(index = 0): Host {
    return this.hosts[index] as Host;
  }

  answer(index: number, ...statuses: number[]): void {
    for (const status of statuses) this.host(index).outlier?.answered(status);
  }

  get ejected(): readonly number[] {
    return [...this.hosts.keys()].filter((index) => this.host(index).isEjected);
  }
}

test('five failures in a row eject a host, and an answer between them starts the count again', () => {
  const ground = new Ground({});
  ground.answer(0, 500, 500, 500, 500, 404, 500, 500, 500, 500);
  assert.deepEqual(ground.ejected, []);
  ground.answer(0, 500);
  assert.deepEqual(ground.ejected, [0]);
  assert.equal(ground.host().health, 'unhealthy');
  assert.equal(ground.changes, 1);
  assert.equal(ground.stats.ejections_enforced_consecutive_5xx, 1);
  assert.equal(ground.stats.ejections_active, 1);
});

test('gateway failures are only counted unless they are enforced', () => {
  const counted = new Ground({ consecutive_gateway_failure: 2 });
  counted.answer(0, 502, 504);
  assert.deepEqual(counted.ejected, []);
  assert.equal(counted.stats.ejections_detected_consecutive_gateway_failure, 1);
  const enforced = new Ground({ consecutive_gateway_failure: 2, enforcing_consecutive_gateway_failure: 100 });
  enforced.answer(0, 503, 500, 503, 502);
  assert.deepEqual(enforced.ejected, [0]);
});

test('enforcing some percent ejects when chance has it so', () => {
  const ground = new Ground({ consecutive_5xx: 1, enforcing_consecutive_5xx: 30 });
  ground.random = 0.3;
  ground.answer(0, 500);
  assert.deepEqual(ground.ejected, []);
  ground.random = 0.29;
  ground.answer(0, 500);
  assert.deepEqual(ground.ejected, [0]);
  assert.equal(ground.stats.ejections_detected_consecutive_5xx, 2);
});

test('failures to reach a host count as 503 and 504, or apart where they are split', () => {
  const together = new Ground({ consecutive_5xx: 2 });
  together.host().outlier?.unreachable();
  together.host().outlier?.connected(false);
  together.host().outlier?.timedOut();
  assert.deepEqual(together.ejected, [0]);
  const split = new Ground({
    consecutive_5xx: 2,
    consecutive_local_origin_failure: 3,
    split_external_local_origin_errors: true,
  });
  split.host().outlier?.unreachable();
  split.host().outlier?.timedOut();
  split.host().outlier?.connected(false);
  for (let i = 0; i < 3; i++) split.host().outlier?.unreachable();
  assert.deepEqual(split.ejected, [0]);
  assert.equal(split.stats.ejections_enforced_consecutive_local_origin_failure, 1);
  assert.equal(split.stats.ejections_enforced_consecutive_5xx, 0);
});

test('a connection is all that is asked of a host of the TCP proxy', () => {
  const ground = new Ground({ consecutive_5xx: 2 });
  ground.host().outlier?.unreachable();
  ground.host().outlier?.connected(true);
  ground.host().outlier?.unreachable();
  assert.deepEqual(ground.ejected, []);
});

test('no more hosts are ejected than may be, but one always where that is asked for', () => {
  const ground = new Ground({ consecutive_5xx: 1, max_ejection_percent: 25 });
  for (const index of [0, 1, 2]) ground.answer(index, 500);
  assert.deepEqual(ground.ejected, [0, 1]);
  assert.equal(ground.stats.ejections_overflow, 1);
  const none = new Ground({ consecutive_5xx: 1, max_ejection_percent: 0 }, 2);
  none.answer(0, 500);
  assert.deepEqual(none.ejected, []);
  const one = new Ground({ consecutive_5xx: 1, max_ejection_percent: 0, always_eject_one_host: true }, 2);
  one.answer(0, 500);
  one.answer(1, 500);
  assert.deepEqual(one.ejected, [0]);
});

test('each ejection is longer than the one before, up to the longest, and shorter again after quiet times', () => {
  const ground = new Ground({
    consecutive_5xx: 1,
    interval: '10s',
    base_ejection_time: '10s',
    max_ejection_time: '25s',
  });
  const eject = () => {
    ground.answer(0, 500);
    let seconds = 0;
    for (; ground.ejected.length > 0; seconds += 10) ground.clock.pass(10_000);
    return seconds;
  };
  assert.equal(eject(), 10);
  assert.equal(eject(), 20);
  assert.equal(eject(), 30);
  // It has come back on an interval; the next ones forgive.
  ground.clock.pass(30_000);
  assert.equal(eject(), 10);
  assert.equal(ground.stats.ejections_active, 0);
});

test('jitter makes an ejection longer', () => {
  const ground = new Ground({
    consecutive_5xx: 1,
    interval: '1s',
    base_ejection_time: '1s',
    max_ejection_time_jitter: '5s',
  });
  ground.random = 0.99;
  ground.answer(0, 500);
  ground.clock.pass(5000);
  assert.deepEqual(ground.ejected, [0]);
  ground.clock.pass(1000);
  assert.deepEqual(ground.ejected, []);
});

test('hosts whose success rate is far below the others are ejected', () => {
  assert.equal(successRateThreshold([50, 100, 100, 100, 100], 1900), 52);
  const ground = new Ground({ consecutive_5xx: 1000, success_rate_request_volume: 10 }, 5);
  for (const index of [1, 2, 3, 4]) ground.answer(index, ...Array(10).fill(200));
  ground.answer(0, ...Array(5).fill(200), ...Array(5).fill(500));
  ground.clock.pass(10_000);
  assert.deepEqual(ground.ejected, [0]);
  assert.equal(ground.stats.ejections_enforced_success_rate, 1);
  assert.equal(ground.host().outlier?.external.shown, 50);
  assert.equal(ground.host(1).outlier?.external.shown, 100);
});

test('too few hosts or requests say nothing of success rates', () => {
  const few = new Ground({ consecutive_5xx: 1000, success_rate_request_volume: 10, success_rate_minimum_hosts: 6 }, 5);
  const quiet = new Ground({ consecutive_5xx: 1000, success_rate_request_volume: 11 }, 5);
  for (const ground of [few, quiet]) {
    for (const index of [1, 2, 3, 4]) ground.answer(index, ...Array(10).fill(200));
    ground.answer(0, ...Array(10).fill(500));
    ground.clock.pass(10_000);
    assert.deepEqual(ground.ejected, []);
  }
});

test('hosts that fail a share of their requests are ejected, of answers and of connections', () => {
  const fields = {
    consecutive_5xx: 1000,
    enforcing_success_rate: 0,
    failure_percentage_threshold: 40,
    failure_percentage_minimum_hosts: 2,
    failure_percentage_request_volume: 10,
    enforcing_failure_percentage: 100,
    enforcing_failure_percentage_local_origin: 100,
  };
  const ground = new Ground(fields, 2);
  ground.answer(0, ...Array(6).fill(200), ...Array(4).fill(500));
  ground.answer(1, ...Array(7).fill(200), ...Array(3).fill(500));
  ground.clock.pass(10_000);
  assert.deepEqual(ground.ejected, [0]);
  assert.equal(ground.stats.ejections_enforced_failure_percentage, 1);
  const split = new Ground(
    { ...fields, consecutive_local_origin_failure: 100, split_external_local_origin_errors: true },
    2,
  );
  for (let i = 0; i < 10; i++) {
    split.host(0).outlier?.unreachable();
    split.host(1).outlier?.connected(false);
  }
  split.clock.pass(10_000);
  assert.deepEqual(split.ejected, [0]);
  assert.equal(split.stats.ejections_enforced_local_origin_failure_percentage, 1);
});

test('a check that passes brings a host back, where it may', () => {
  const ground = new Ground({ consecutive_5xx: 1 });
  ground.answer(0, 500);
  ground.host().outlier?.checkPassed();
  assert.deepEqual(ground.ejected, []);
  assert.equal(ground.changes, 2);
  const strict = new Ground({ consecutive_5xx: 1, successful_active_health_check_uneject_host: false });
  strict.answer(0, 500);
  strict.host().outlier?.checkPassed();
  assert.deepEqual(strict.ejected, [0]);
});

test('a host that goes takes its ejection along, and nothing runs after the end', () => {
  const ground = new Ground({ consecutive_5xx: 1 }, 2);
  ground.answer(0, 500);
  ground.detector.hostsChanged([], [ground.host(0)]);
  assert.equal(ground.stats.ejections_active, 0);
  assert.equal(ground.host(0).outlier, undefined);
  ground.answer(1, 500);
  ground.detector.close();
  assert.equal(ground.stats.ejections_active, 0);
  assert.deepEqual(ground.clock.pendingMs, []);
});

test('what cannot be is refused by path', () => {
  const place = new Place();
  outlierDetection.parse({ base_ejection_time: '30s', max_ejection_time: '10s' }, place);
  outlierDetection.parse({ max_ejection_percent: 101, monitors: [{}] }, place);
  outlierDetection.parse({ interval: '0s' }, place);
  assert.deepEqual(
    place.issues.map(({ path }) => path),
    ['max_ejection_time', 'monitors', 'max_ejection_percent', 'interval'],
  );
});
