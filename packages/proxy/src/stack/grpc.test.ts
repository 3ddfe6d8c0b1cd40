import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead, ResponseHead } from '../http/message.ts';
import {
  grpcMessage,
  grpcOutcome,
  grpcStatusOfHttp,
  grpcTimeoutMs,
  grpcTimeoutText,
  isGrpcRequest,
  isGrpcType,
} from './grpc.ts';
import { streamDurationMs } from './stream-duration.ts';

test('gRPC is told by its content type alone, and gRPC-Web is not gRPC', () => {
  for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc+']) assert.ok(isGrpcType(type));
  for (const type of [undefined, '', 'application/grpc-web', 'application/grpcx', 'text/plain']) {
    assert.ok(!isGrpcType(type), String(type));
  }
});

test('a message is percent-encoded UTF-8, and what comes back is what was said', () => {
  assert.equal(grpcMessage('no healthy upstream'), 'no healthy upstream');
  assert.equal(grpcMessage('50% ~ ü\n'), '50%25 %7E %C3%BC%0A');
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const encoded = grpcMessage(text);
      assert.match(encoded, /^[ -}]*$/);
      assert.equal(decodeURIComponent(encoded), text);
    }),
  );
});

test('an HTTP status stands for the status that gRPC maps it to', () => {
  const mapped = [200, 400, 401, 403, 404, 429, 502, 503, 504, 500, 302, 408].map(grpcStatusOfHttp);
  assert.deepEqual(mapped, [2, 13, 16, 7, 12, 14, 14, 14, 14, 2, 2, 2]);
});

test('a call came to what the trailers say, else the head, else the HTTP status', () => {
  const head = new ResponseHead(200, new HeaderList(['grpc-status', '5']));
  assert.equal(grpcOutcome(head, new HeaderList(['grpc-status', '7'])), 7);
  assert.equal(grpcOutcome(head, undefined), 5);
  assert.equal(grpcOutcome(new ResponseHead(503), new HeaderList(['grpc-status', 'x'])), 14);
  assert.equal(grpcOutcome(undefined, undefined), undefined);
});

test('timeouts are read in every unit, rounded up, and written in eight digits at most', () => {
  const read = (text: string) => grpcTimeoutMs(new HeaderList(['grpc-timeout', text]));
  assert.deepEqual(['1H', '2M', '3S', '4m', '5u', '6n', '1500u'].map(read), [3_600_000, 120_000, 3000, 4, 1, 1, 2]);
  for (const wrong of ['', '1', 'm', '-1m', '123456789m', '1.5S', '1 m', '1x']) assert.equal(read(wrong), undefined);
  assert.equal(grpcTimeoutMs(new HeaderList()), undefined);
  assert.deepEqual([0, 1500, 99_999_999, 100_000_000].map(grpcTimeoutText), ['0m', '1500m', '99999999m', '100000S']);
});

interface Limits {
  readonly max?: number;
  readonly headerMax?: number;
  readonly offset?: number;
}

function durationOf(timeout: string | undefined, limits: Limits | undefined, managerMs = 0) {
  const headers = new HeaderList(['content-type', 'application/grpc']);
  if (timeout !== undefined) headers.add('grpc-timeout', timeout);
  const head = new RequestHead('POST', '/s/m', 'a', '', headers);
  assert.ok(isGrpcRequest(head));
  const config = limits && {
    max_stream_duration: limits.max,
    grpc_timeout_header_max: limits.headerMax,
    grpc_timeout_header_offset: limits.offset,
  };
  return [streamDurationMs(head, config, managerMs), head.headers.get('grpc-timeout')];
}

test('a stream may take what its route, its own deadline within the route, or the manager says', () => {
  assert.deepEqual(durationOf(undefined, undefined), [undefined, undefined]);
  assert.deepEqual(durationOf('1S', undefined, 500), [500, '1S']);
  assert.deepEqual(durationOf('1S', { max: 300 }, 500), [300, '300m']);
  assert.deepEqual(durationOf('1S', { max: 0 }, 500), [undefined, undefined]);
  assert.deepEqual(durationOf('1S', { headerMax: 0 }), [1000, '1000m']);
  assert.deepEqual(durationOf('1S', { headerMax: 400 }), [400, '400m']);
  assert.deepEqual(durationOf('1S', { headerMax: 0, offset: 100 }), [900, '900m']);
  assert.deepEqual(durationOf('50m', { headerMax: 0, offset: 100 }), [0, '0m']);
  assert.deepEqual(durationOf(undefined, { headerMax: 400, max: 200 }), [200, '200m']);
});
