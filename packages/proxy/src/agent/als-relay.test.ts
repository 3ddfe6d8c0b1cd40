import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { WeftError } from '@weft/contracts/error';
import { decode, encode } from '@weft/envoy-api';
import { type CallContext, memoryStreamPair, type RawStream } from '@weft/rpc';
import { alsRelay } from './als-relay.ts';
import { eventually } from './testing/eventually.ts';
import { recordingLog } from './testing/silent-log.ts';

const MESSAGE = 'envoy.service.accesslog.v3.StreamAccessLogsMessage';

function log(path: string, isFirst = false): Buffer {
  return encode(MESSAGE, {
    ...(isFirst ? { identifier: { node: { id: 'shop/cart-1' }, log_name: 'outbound' } } : {}),
    http_logs: { log_entry: [{ request: { path } }] },
  });
}

interface Telemetry {
  readonly paths: string[];
  readonly identifiers: string[];
  readonly stream: RawStream;
}

function telemetry(stream: RawStream): Telemetry {
  const paths: string[] = [];
  const identifiers: string[] = [];
  const read = async () => {
    for await (const bytes of stream.messages) {
      const message = decode(MESSAGE, bytes);
      if (message.identifier) identifiers.push(message.identifier.log_name ?? '');
      for (const entry of message.http_logs?.log_entry ?? []) paths.push(entry.request?.path ?? '');
    }
    stream.end();
  };
  read().catch(() => undefined);
  return { paths, identifiers, stream };
}

function fixture(maxHeldBytes = 1024 * 1024) {
  const instances: Telemetry[] = [];
  const lines = recordingLog();
  let isAway = false;
  const handler = alsRelay({
    open: () => {
      const [near, far] = memoryStreamPair();
      if (isAway) far.end(new WeftError('UNAVAILABLE', 'nothing listens there'));
      else instances.push(telemetry(far));
      return near;
    },
    onUnreachable: () => undefined,
    maxHeldBytes,
    log: lines,
  });
  const connect = (): RawStream => {
    const [stream, far] = memoryStreamPair();
    const caller = { identity: undefined, address: 'memory' };
    const call: CallContext = { caller, signal: far.signal, metadata: () => undefined };
    handler(far, call);
    return stream;
  };
  return {
    instances,
    lines: lines.lines,
    connect,
    setAway: (away: boolean) => {
      isAway = away;
    },
  };
}

test('logs are passed on', async () => {
  const { connect, instances } = fixture();
  const stream = connect();
  stream.send(log('/a', true));
  stream.send(log('/b'));
  await eventually(() => instances[0]?.paths.length === 2);
  assert.deepEqual(instances[0]?.paths, ['/a', '/b']);
  stream.end();
});

test('a stream to another telemetry instance begins with who sends, as the first did', async () => {
  const { connect, instances, setAway } = fixture();
  const stream = connect();
  stream.send(log('/a', true));
  await eventually(() => instances[0]?.paths.length === 1);
  setAway(true);
  instances[0]?.stream.end(new WeftError('UNAVAILABLE', 'the server is stopping'));
  stream.send(log('/b'));
  stream.send(log('/c'));
  setAway(false);
  await eventually(() => instances[1]?.paths.includes('/c'));
  assert.equal(instances[1]?.identifiers[0], 'outbound');
  stream.end();
});

test('what is held while telemetry is away is bounded, the oldest goes first, and it is told', async () => {
  const one = log('/0000');
  const { connect, instances, lines, setAway } = fixture(one.length * 10);
  setAway(true);
  const stream = connect();
  stream.send(log('/first', true));
  for (let index = 1; index <= 1000; index++) stream.send(log(`/${String(index).padStart(4, '0')}`));
  // In memory everything that was sent has been taken in by the next turn of the event loop.
  await nextTurn();
  setAway(false);
  await eventually(() => instances[0]?.paths.includes('/1000'));
  assert.ok((instances[0]?.paths.length ?? 0) <= 10);
  assert.equal(instances[0]?.identifiers[0], 'outbound');
  await eventually(() => lines.some((line) => /dropped while telemetry was away/.test(line)));
  stream.end();
});
