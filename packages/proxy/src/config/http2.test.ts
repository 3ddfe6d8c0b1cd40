import assert from 'node:assert/strict';
import { test } from 'node:test';
import { protocolOptions } from '../http2/options.ts';
import { http2Options } from './core.ts';
import { Place } from './schema.ts';

function parse(given: object): {
  readonly options: ReturnType<typeof protocolOptions>;
  readonly issues: readonly string[];
} {
  const place = new Place();
  const config = http2Options.parse(given, place);
  return { options: protocolOptions(config), issues: place.issues.map(({ path }) => path) };
}

test('what is not set is as in Envoy 1.40', () => {
  const { options, issues } = parse({});
  assert.deepEqual(issues, []);
  assert.deepEqual(options, protocolOptions(undefined));
  assert.deepEqual(
    [options.maxConcurrentStreams, options.streamWindowBytes, options.connectionWindowBytes, options.hpackTableBytes],
    [1024, 16_777_216, 25_165_824, 4096],
  );
  assert.deepEqual(options.limits, {
    maxOutboundFrames: 10_000,
    maxOutboundControlFrames: 1000,
    maxConsecutiveEmptyFrames: 1,
    maxPriorityFramesPerStream: 100,
    maxWindowUpdatesPerDataFrame: 10,
  });
});

test('every option is taken', () => {
  const { options, issues } = parse({
    hpack_table_size: 0,
    max_concurrent_streams: 7,
    initial_stream_window_size: 65_535,
    initial_connection_window_size: 100_000,
    allow_connect: true,
    max_consecutive_inbound_frames_with_empty_payload: 0,
    override_stream_error_on_invalid_http_message: true,
    connection_keepalive: { interval: '30s', timeout: '5s' },
  });
  assert.deepEqual(issues, []);
  const { hpackTableBytes, maxConcurrentStreams, allowsConnect, invalidMessageEndsStream } = options;
  assert.deepEqual(
    [hpackTableBytes, maxConcurrentStreams, allowsConnect, invalidMessageEndsStream],
    [0, 7, true, true],
  );
  assert.deepEqual(options.keepalive, { intervalMs: 30_000, jitterMs: 4500, timeoutMs: 5000 });
});

const refused: Readonly<Record<string, object>> = {
  initial_stream_window_size: { initial_stream_window_size: 65_534 },
  initial_connection_window_size: { initial_connection_window_size: 2 ** 31 },
  max_concurrent_streams: { max_concurrent_streams: 0 },
  max_outbound_frames: { max_outbound_frames: 0 },
  'connection_keepalive.timeout': { connection_keepalive: { interval: '1s' } },
  'connection_keepalive.interval': { connection_keepalive: { interval: '0s', timeout: '1s' } },
  'connection_keepalive.connection_idle_interval': {
    connection_keepalive: { timeout: '1s', connection_idle_interval: '1s' },
  },
  custom_settings_parameters: { custom_settings_parameters: [{ identifier: 1, value: 1 }] },
  allow_metadata: { allow_metadata: true },
};

for (const [path, given] of Object.entries(refused)) {
  test(`${path} is refused where it cannot be honoured`, () => {
    assert.deepEqual(parse(given).issues, [path]);
  });
}
