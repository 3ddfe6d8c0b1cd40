import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { decode, type StreamAccessLogsMessage } from '@weft/envoy-api';
import { memoryStreamPair, type RawStream } from '@weft/rpc';
import { eventually } from '../agent/testing/eventually.ts';
import { systemClock } from '../clock.ts';
import type { GrpcAccessLogConfig } from '../config/access-log.ts';
import { GrpcAccessLogStats } from '../stats/groups.ts';
import { GrpcLog } from './grpc.ts';
import { someRequest } from './testing/some-request.ts';

const MESSAGE = 'envoy.service.accesslog.v3.StreamAccessLogsMessage';
const LISTED = { request: ['x-listed'], response: [], trailers: [] };

/** A log with a far side that takes what it is told to take. */
class FarSide {
  readonly stats = new GrpcAccessLogStats();
  readonly streams: RawStream[] = [];
  /** What ends each stream at once. */
  readonly signals: AbortSignal[] = [];
  readonly messages: StreamAccessLogsMessage[] = [];
  /** Whether what comes is read. */
  reads = true;
  readonly log: GrpcLog;

  constructor(config: Partial<GrpcAccessLogConfig> = {}) {
    const whole: GrpcAccessLogConfig = {
      log_name: 'inbound',
      grpc_service: 'agent',
      transport_api_version: 'V3',
      buffer_flush_interval: 20,
      buffer_size_bytes: 16_384,
      ...config,
    };
    this.log = new GrpcLog(whole, 'http', LISTED, {
      streams: (_cluster, _path, signal) => this.#open(signal),
      node: { id: 'shop/cart-1' },
      clock: systemClock,
      stats: this.stats,
    });
  }

  get entries(): number {
    return this.messages.reduce((total, { http_logs }) => total + (http_logs?.log_entry?.length ?? 0), 0);
  }

  #open(signal: AbortSignal): RawStream {
    const [client, server] = memoryStreamPair();
    this.streams.push(server);
    this.signals.push(signal);
    if (this.reads) void this.#read(server);
    return client;
  }

  async #read(stream: RawStream): Promise<void> {
    try {
      for await (const bytes of stream.messages) this.messages.push(decode(MESSAGE, bytes));
      stream.end();
    } catch {
      // The test broke the stream.
    }
  }
}

let open: FarSide[] = [];
function farSide(config: Partial<GrpcAccessLogConfig> = {}): FarSide {
  const made = new FarSide(config);
  open.push(made);
  return made;
}
afterEach(async () => {
  await Promise.all(open.map(({ log }) => log.close()));
  open = [];
});

test('the first message of a stream says who sends; entries go when the interval is over', async () => {
  const far = farSide();
  for (let i = 0; i < 3; i++) far.log.write(someRequest());
  assert.equal(far.streams.length, 0);
  await eventually(() => far.entries === 3);
  assert.deepEqual(far.messages[0]?.identifier, { node: { id: 'shop/cart-1' }, log_name: 'inbound' });
  far.log.write(someRequest());
  await eventually(() => far.entries === 4);
  assert.equal(far.messages.at(-1)?.identifier, undefined);
  assert.deepEqual([far.streams.length, far.stats.logs_written, far.stats.logs_dropped], [1, 4, 0]);
});

test('a full buffer is sent at once, in messages of about its size', async () => {
  const far = farSide({ buffer_flush_interval: 600_000, buffer_size_bytes: 6000 });
  for (let i = 0; i < 200; i++) far.log.write(someRequest());
  await eventually(() => far.entries === 200);
  assert.ok(far.messages.length > 5, `${far.messages.length} messages`);
});

test('an entry larger than the buffer is sent alone', async () => {
  const far = farSide({ buffer_size_bytes: 1000 });
  for (let i = 0; i < 3; i++) far.log.write(someRequest({ 'user-agent': 'x'.repeat(60_000) }));
  await eventually(() => far.entries === 3);
  assert.equal(far.messages.length, 3);
});

test('a stream that breaks is opened again, and says again who sends', async () => {
  const far = farSide();
  far.log.write(someRequest());
  await eventually(() => far.entries === 1);
  far.streams[0]?.end(new Error('gone'));
  await eventually(() => far.streams[0]?.signal.aborted);
  far.log.write(someRequest());
  await eventually(() => far.entries === 2);
  assert.equal(far.streams.length, 2);
  assert.equal(far.messages[1]?.identifier?.log_name, 'inbound');
});

test('a far side that reads nothing costs a bounded amount of memory, and what is lost is counted', async () => {
  const far = farSide({ buffer_flush_interval: 5 });
  far.reads = false;
  const large = () => someRequest({ 'user-agent': 'x'.repeat(50_000) });
  let written = 0;
  await eventually(() => {
    for (let i = 0; i < 100; i++) far.log.write(large());
    written += 100;
    return far.stats.logs_dropped > 0;
  });
  assert.ok(written < 1000, `${written} entries of 50,000 bytes were taken`);
  assert.equal(far.streams.length, 1);
});

test('no more is put aside in one turn than can be', () => {
  const far = farSide();
  for (let i = 0; i < 10_500; i++) far.log.write(someRequest());
  assert.equal(far.stats.logs_dropped, 500);
});

test('closing sends what is left, and waits until it was taken', async () => {
  const far = farSide({ buffer_flush_interval: 600_000 });
  for (let i = 0; i < 5; i++) far.log.write(someRequest());
  await far.log.close();
  assert.deepEqual([far.entries, far.stats.logs_dropped], [5, 0]);
  far.log.write(someRequest());
  assert.equal(far.stats.logs_dropped, 1);
});

test('closing does not wait for ever for a far side that takes nothing', async () => {
  const far = farSide({ buffer_flush_interval: 600_000 });
  far.reads = false;
  far.log.write(someRequest());
  await far.log.close();
  assert.ok(far.signals[0]?.aborted);
});
