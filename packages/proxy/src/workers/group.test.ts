import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import type { Bootstrap } from '@weft/envoy-api';
import { SharedCounts } from '../counts/shared-counts.ts';
import type { Log } from '../log.ts';
import { StatsRegistry } from '../stats/registry.ts';
import { answered, bootstrapOf, httpListener, routes } from '../testing/bootstrap.ts';
import { freePort, listen } from '../testing/listening.ts';
import type { Subscriptions } from '../xds/subscriptions.ts';
import { WorkerGroup } from './group.ts';

const SILENT: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const NO_SUBSCRIPTIONS: Subscriptions = { watch: () => () => undefined, watchAll: () => () => undefined };

interface Ground {
  readonly group: WorkerGroup;
  readonly stats: StatsRegistry;
  readonly ready: Promise<void>;
  readonly failed: Promise<string>;
}

function start(bootstrap: Bootstrap): Ground {
  const ready = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<string>();
  const shared = { bootstrap, logLevel: 'info', drainMs: 1000, drainStrategy: 'gradual', version: '0' } as const;
  const counts = SharedCounts.make(64).memory;
  const stats = new StatsRegistry();
  const group = new WorkerGroup({
    starts: [{ ...shared, counts, inherited: [], compileCache: undefined, ticketSecret: new Uint8Array(32) }],
    subscriptions: NO_SUBSCRIPTIONS,
    stats,
    takeEvidence: () => undefined,
    log: SILENT,
    onReady: ready.resolve,
    onFailed: failed.resolve,
  });
  return { group, stats, ready: ready.promise, failed: failed.promise };
}

/** A listener that answers by itself. */
function bootstrapAt(port: number): Bootstrap {
  const listener = httpListener(port, { route_config: routes(answered({ prefix: '/' }, 'hello')) });
  return bootstrapOf({ static_resources: { listeners: [listener] } });
}

test('a worker serves, says what it counts, and ends', async () => {
  const port = await freePort();
  const { group, stats, ready } = start(bootstrapAt(port));
  await ready;
  assert.equal(group.isReady, true);
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
  await group.refreshCounts();
  assert.match(stats.text(), /^http\.http\.downstream_rq_total: 1$/m);
  assert.deepEqual(
    (await group.sockets()).map(({ address }) => address),
    [`127.0.0.1:${port}`],
  );
  await group.close();
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
});

test('a worker that fails says why, and nobody waits for it', async () => {
  const wrong = { static_resources: { clusters: [{ name: 'a', lb_policy: 'NO_SUCH_POLICY' }] } };
  const { group, failed } = start(wrong as Bootstrap);
  assert.match(await failed, /^the proxy ends, because worker 1 has failed: .*NO_SUCH_POLICY/s);
  await group.refresh();
  await group.order({ type: 'reopen-logs' });
  await group.close();
});

test('a worker that cannot have an address says so', async (t) => {
  const { group, failed } = start(bootstrapAt(await listen(t, createServer())));
  assert.match(await failed, /worker 1: cannot listen on 127\.0\.0\.1:\d+: another process listens there/);
  await group.close();
});
