import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bus } from '@weft/bus';
import { openEmbeddedBus } from '@weft/bus/embedded';
import { calls, type Edge } from '@weft/contracts/bus';
import { encode, type StreamAccessLogsMessage } from '@weft/envoy-api';
import type { SpiffeId } from '@weft/identity';
import { type CallContext, memoryStreamPair, type RawStream } from '@weft/rpc';
import type { RunningService } from '@weft/service';
import pino from 'pino';
import { Registry } from 'prom-client';
import { startTelemetry, type TelemetryOptions } from './index.ts';
import { ACCESS_LOG_PATH } from './receiver.ts';

const CART: SpiffeId = { trustDomain: 'mesh.test', namespace: 'shop', serviceAccount: 'cart' };

interface Instance {
  readonly running: RunningService;
  readonly stop: () => Promise<void>;
  readonly metrics: () => Promise<string>;
  /** Opens a log as a proxy of that identity does. */
  open(identity?: SpiffeId): RawStream;
}

async function start(t: TestContext, bus: Bus, options: TelemetryOptions = {}): Promise<Instance> {
  const controller = new AbortController();
  const metrics = new Registry();
  const running = await startTelemetry(
    {
      bus,
      log: pino({ level: 'silent' }),
      metrics,
      clock: { now: () => Date.now() },
      instanceId: 'telemetry-1',
      signal: controller.signal,
    },
    { flushEveryMs: 50, ...options },
  );
  const stop = async () => {
    controller.abort();
    await running.stop();
  };
  t.after(stop);
  const open = (identity: SpiffeId | undefined = CART): RawStream => {
    const mounted = running.node[0]?.methods.get(ACCESS_LOG_PATH);
    assert.ok(mounted?.type === 'raw');
    const [near, far] = memoryStreamPair();
    const call: CallContext = { caller: { identity, address: '' }, signal: far.signal, metadata: () => undefined };
    mounted.handler(far, call);
    return near;
  };
  return { running, stop, metrics: () => metrics.metrics(), open };
}

async function memoryBus(t: TestContext): Promise<Bus> {
  const bus = await openEmbeddedBus({ path: ':memory:' });
  t.after(() => bus.close());
  return bus;
}

function message(value: StreamAccessLogsMessage): Buffer {
  return encode('envoy.service.accesslog.v3.StreamAccessLogsMessage', value);
}

const HEAD = { identifier: { node: { id: 'shop/cart-1' }, log_name: 'outbound' } } as const;

function requests(count: number, code: number, cluster = 'outbound/shop/stock'): StreamAccessLogsMessage {
  const entry = {
    common_properties: { upstream_cluster: cluster, duration: '0.004s' },
    request: { request_body_bytes: 1 },
    response: { response_code: code, response_body_bytes: 2 },
  };
  return { http_logs: { log_entry: Array.from({ length: count }, () => entry) } };
}

async function edges(bus: Bus): Promise<readonly Edge[]> {
  return (await bus.call(calls.edges, { source: '', destination: '' })).edges;
}

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  const endAt = performance.now() + 15_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert.ok(performance.now() < endAt, 'not within 15 s');
    await delay(10);
  }
}

async function counted(bus: Bus, requestCount: number): Promise<Edge> {
  return eventually(async () => (await edges(bus)).find((edge) => edge.requests === requestCount));
}

test('requests are counted on their edge, told over the bus and as metrics', async (t) => {
  const bus = await memoryBus(t);
  const one = await start(t, bus);
  const stream = one.open();
  stream.send(message({ ...HEAD, ...requests(3, 200) }));
  stream.send(message(requests(1, 503)));
  const edge = await counted(bus, 4);
  assert.deepEqual([edge.source, edge.destination, edge.reporter], ['shop/cart', 'shop/stock', 'SOURCE']);
  assert.equal(edge.errors, 1);
  const page = await one.metrics();
  const labels = 'source="shop/cart",destination="shop/stock",protocol="http",reporter="source"';
  for (const line of [
    `weft_requests_total{${labels},response_code="200"} 3`,
    `weft_requests_total{${labels},response_code="503"} 1`,
    `weft_http_bytes_total{${labels},direction="received"} 8`,
    `weft_request_duration_milliseconds_bucket{le="5",${labels}} 4`,
    `weft_request_duration_milliseconds_bucket{le="2.5",${labels}} 0`,
    `weft_request_duration_milliseconds_bucket{le="+Inf",${labels}} 4`,
    `weft_request_duration_milliseconds_sum{${labels}} 16`,
    `weft_request_duration_milliseconds_count{${labels}} 4`,
    'weft_telemetry_streams 1',
  ]) {
    assert.ok(page.includes(`${line}\n`), `${line} is not in\n${page}`);
  }
});

test('TCP connections have metrics of their own', async (t) => {
  const bus = await memoryBus(t);
  const one = await start(t, bus);
  const entry = {
    common_properties: { upstream_cluster: 'outbound/shop/db' },
    connection_properties: { received_bytes: 5, sent_bytes: 50 },
  };
  one.open().send(message({ ...HEAD, tcp_logs: { log_entry: [entry] } }));
  await counted(bus, 1);
  const page = await one.metrics();
  const labels = 'source="shop/cart",destination="shop/db",protocol="tcp",reporter="source"';
  assert.ok(page.includes(`weft_tcp_connections_total{${labels},response_flags="-"} 1\n`), page);
  assert.ok(page.includes(`weft_tcp_bytes_total{${labels},direction="received"} 50\n`), page);
  assert.ok(!page.includes('weft_requests_total{'));
});

test('counts outlive the service', async (t) => {
  const bus = await memoryBus(t);
  const before = await start(t, bus);
  before.open().send(message({ ...HEAD, ...requests(5, 200) }));
  await counted(bus, 5);
  await before.stop();
  const after = await start(t, bus);
  await counted(bus, 5);
  after.open().send(message({ ...HEAD, ...requests(2, 200) }));
  await counted(bus, 7);
});

test('several instances count together, and each shows all', async (t) => {
  const bus = await memoryBus(t);
  const [one, two] = [await start(t, bus), await start(t, bus)];
  one.open().send(message({ ...HEAD, ...requests(3, 200) }));
  two.open().send(message({ ...HEAD, ...requests(4, 200) }));
  for (const instance of [one, two]) {
    await eventually(async () => (/weft_requests_total\{.*\} 7\n/.test(await instance.metrics()) ? true : undefined));
  }
});

test('a stream without a certificate is refused', async (t) => {
  const one = await start(t, await memoryBus(t));
  const mounted = one.running.node[0]?.methods.get(ACCESS_LOG_PATH);
  assert.ok(mounted?.type === 'raw');
  const [near, far] = memoryStreamPair();
  mounted.handler(far, { caller: { identity: undefined, address: '' }, signal: far.signal, metadata: () => undefined });
  await assert.rejects(
    async () => {
      for await (const _ of near.messages);
    },
    { code: 'UNAUTHENTICATED' },
  );
});

test('messages and entries that are none are counted and passed over', async (t) => {
  const bus = await memoryBus(t);
  const one = await start(t, bus);
  const stream = one.open();
  stream.send(message({ ...HEAD, ...requests(1, 200) }));
  stream.send(Buffer.from([0xff, 0xff, 0xff]));
  // http_logs with one entry of three bytes that are no message.
  stream.send(Buffer.from([0x12, 0x05, 0x0a, 0x03, 0xff, 0xff, 0xff]));
  stream.send(message(requests(1, 200)));
  await counted(bus, 2);
  assert.match(await one.metrics(), /weft_telemetry_refused_messages_total 2\n/);
});

test('a stream that ends is answered, as the method promises', async (t) => {
  const one = await start(t, await memoryBus(t));
  const stream = one.open();
  stream.send(message({ ...HEAD, ...requests(1, 200) }));
  stream.end();
  const answers: Buffer[] = [];
  for await (const bytes of stream.messages) answers.push(bytes);
  assert.deepEqual(answers, [Buffer.alloc(0)]);
});

test('a flood of entries of ever new edges grows neither edges nor memory', async (t) => {
  const bus = await memoryBus(t);
  const one = await start(t, bus, { maxEdges: 20, flushEveryMs: 60_000 });
  const stream = one.open();
  stream.send(message({ ...HEAD, ...requests(1, 200) }));
  const flood = async (from: number) => {
    for (let index = from; index < from + 20_000; index += 100) {
      const entries = Array.from({ length: 100 }, (_, step) => ({
        common_properties: { upstream_cluster: `outbound/shop/s${index + step}` },
        response: { response_code: 200 },
      }));
      if (!stream.send(message({ http_logs: { log_entry: entries } }))) await stream.drained();
    }
  };
  await flood(0);
  const total = async (expected: number) =>
    eventually(async () => {
      const sum = (await edges(bus)).reduce((all, edge) => all + edge.requests, 0);
      return sum === expected ? true : undefined;
    });
  await total(20_001);
  assert.ok((await edges(bus)).length <= 22);
  assert.match(await one.metrics(), /weft_telemetry_overflow_entries_total 19981\n/);
});
