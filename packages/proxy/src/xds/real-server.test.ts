/** The client before Weft's own xds-server, over a socket. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openEmbeddedBus } from '@weft/bus/embedded';
import { type ProxyStatus, states, type Workload } from '@weft/contracts/bus';
import { sketchWorkload } from '@weft/model/testing';
import { connect, listen } from '@weft/rpc';
import { startXdsServer } from '@weft/xds-server';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { systemClock } from '../clock.ts';
import { StatsRegistry } from '../stats/registry.ts';
import { XdsClient } from './client.ts';
import type { Unwatch } from './subscriptions.ts';
import { ADS, Recorder, recordingLog } from './testing/recorders.ts';

/** Waits until `look` gives something, at most half a minute. */
async function eventually<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (const endMs = performance.now() + 30_000; performance.now() < endMs; ) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited in vain for ${what}`);
}

type Bus = Awaited<ReturnType<typeof openEmbeddedBus>>;

async function serve(bus: Bus, instanceId: string, address: string) {
  const abort = new AbortController();
  const clock = { now: () => Date.now() };
  const context = { bus, log: pino({ level: 'silent' }), metrics: new Registry(), clock, instanceId };
  const service = await startXdsServer({ ...context, signal: abort.signal }, { requireIdentity: false, gatherMs: 10 });
  const server = await listen({ address, services: service.node });
  const stop = async () => {
    abort.abort();
    await service.stop();
    await server.close();
  };
  return { address: server.address, stop };
}

/** Takes what a proxy takes: clusters with their endpoints, listeners with their routes. */
class Configuration {
  /** Endpoints by cluster, as JSON. */
  readonly endpoints = new Map<string, string>();
  readonly listeners = new Set<string>();
  readonly #client: XdsClient;
  readonly #watches = new Map<string, Unwatch>();

  constructor(client: XdsClient) {
    this.#client = client;
    client.watchAll(ADS, 'cluster', {
      onUpdate: ({ changed, removed }) => {
        for (const { name } of changed) if (name.startsWith('outbound/')) this.#follow(name);
        for (const name of removed) this.#drop(name);
        return [];
      },
    });
    client.watchAll(ADS, 'listener', {
      onUpdate: ({ changed, removed }) => {
        for (const { name } of changed) this.listeners.add(name);
        for (const name of removed) this.listeners.delete(name);
        return [];
      },
    });
  }

  #follow(name: string): void {
    if (this.#watches.has(name)) return;
    const leave = this.#client.watch(ADS, 'endpoint', name, {
      onResource: (resource) => {
        this.endpoints.set(name, JSON.stringify(resource));
        return [];
      },
      onRemoved: () => this.endpoints.delete(name),
    });
    this.#watches.set(name, leave);
  }

  #drop(name: string): void {
    this.#watches.get(name)?.();
    this.#watches.delete(name);
    this.endpoints.delete(name);
  }
}

async function begin(t: TestContext, workloads: readonly Workload[]) {
  const bus = await openEmbeddedBus({ path: ':memory:' });
  t.after(() => bus.close());
  await bus.state(states.trust).put('bundle', { trustDomain: 'weft.test', roots: [] });
  const put = (workload: Workload) => bus.state(states.workloads).put(`shop/${workload.id}`, workload);
  for (const workload of workloads) await put(workload);
  return { bus, put };
}

const stock = sketchWorkload({ service: 'stock', address: '10.0.0.7' });
const web = sketchWorkload({ service: 'web', inboundPort: 0 });
const cart = sketchWorkload({ service: 'cart', address: '10.0.0.8' });

test('it gets its configuration from the xds-server, and the difference after the server was away', async (t) => {
  const { bus, put } = await begin(t, [stock, web]);
  let server = await serve(bus, 'xds-1', '127.0.0.1:0');
  t.after(() => server.stop());
  const channel = connect({ addresses: [server.address] });
  t.after(() => channel.close());
  const client = new XdsClient({
    streams: (_cluster, path, signal) => channel.raw(path, { signal }),
    ads: { cluster: 'control', variant: 'delta' },
    node: { id: 'shop/web-1', cluster: 'web' },
    stats: new StatsRegistry(),
    clock: systemClock,
    random: Math.random,
    log: recordingLog(),
  });
  t.after(() => client.close());
  const { endpoints, listeners } = new Configuration(client);
  const route = new Recorder();
  client.watch(ADS, 'route', 'outbound/shop', route);
  const status = (isAsked: (status: ProxyStatus) => boolean) =>
    eventually('the status of the proxy', async () => {
      const entry = await bus.state(states.proxies).get('shop/web-1');
      return entry && isAsked(entry.value) ? entry.value : undefined;
    });

  await eventually('endpoints', () => (endpoints.get('outbound/shop/stock')?.includes('10.0.0.7') ? true : undefined));
  await eventually('the listener', () => (listeners.has('outbound') ? true : undefined));
  const revision = await put({ ...stock, address: '10.0.0.9' });
  await eventually('a change', () => (endpoints.get('outbound/shop/stock')?.includes('10.0.0.9') ? true : undefined));
  await status(({ acknowledgedRegistryRevision }) => acknowledgedRegistryRevision >= revision);

  route.issues = [{ path: 'virtual_hosts[0].name', message: 'is not to the liking of this test' }];
  await put(cart);
  const { nacks, userAgent } = await status((found) => found.nacks.length > 0);
  assert.equal(nacks[0]?.message, 'route outbound/shop: virtual_hosts[0].name: is not to the liking of this test');
  assert.equal(userAgent, 'weft');

  await server.stop();
  await bus.state(states.workloads).delete('shop/stock-1');
  await put({ ...cart, address: '10.0.0.10' });
  assert.ok(endpoints.has('outbound/shop/stock'), 'what it has stays in use');
  server = await serve(bus, 'xds-2', server.address);
  await eventually('what is new', () =>
    endpoints.get('outbound/shop/cart')?.includes('10.0.0.10') ? true : undefined,
  );
  await eventually('what is gone', () =>
    endpoints.get('outbound/shop/stock')?.includes('10.0.0.9') === true ? undefined : true,
  );
});
