import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STATUS_CODES, toWeftError, WeftError } from './error.ts';

test('codes have the numbers that gRPC gives them, each once', () => {
  const numbers = Object.values(STATUS_CODES);
  assert.deepEqual(
    numbers,
    Array.from({ length: 16 }, (_, index) => index + 1),
  );
  const { INVALID_ARGUMENT, NOT_FOUND, UNAVAILABLE, UNAUTHENTICATED } = STATUS_CODES;
  assert.deepEqual([INVALID_ARGUMENT, NOT_FOUND, UNAVAILABLE, UNAUTHENTICATED], [3, 5, 14, 16]);
});

test('an error is retryable only where nothing was done, unless it says otherwise', () => {
  assert.equal(new WeftError('UNAVAILABLE', 'x').retryable, true);
  for (const code of ['UNKNOWN', 'DEADLINE_EXCEEDED', 'ABORTED', 'INTERNAL', 'RESOURCE_EXHAUSTED'] as const) {
    assert.equal(new WeftError(code, 'x').retryable, false, code);
    assert.equal(new WeftError(code, 'x', { retryable: true }).retryable, true, code);
  }
  assert.equal(new WeftError('UNAVAILABLE', 'x', { retryable: false }).retryable, false);
});

test('an error is its own fault and has no metadata, unless it says otherwise', () => {
  const plain = new WeftError('NOT_FOUND', 'no such service');
  assert.deepEqual(
    [plain.source, plain.metadata, plain.name, plain.message],
    ['self', {}, 'WeftError', 'no such service'],
  );
  assert.equal('cause' in plain, false);
  const cause = new Error('below');
  const full = new WeftError('ABORTED', 'lost', {
    source: 'control-plane',
    cause,
    metadata: { 'a-bin': Buffer.of(1) },
  });
  assert.deepEqual([full.source, full.cause, full.metadata], ['control-plane', cause, { 'a-bin': Buffer.of(1) }]);
});

test('whatever is thrown becomes one error, and one that is one stays', () => {
  const error = new WeftError('NOT_FOUND', 'x');
  assert.equal(toWeftError(error), error);
  for (const [thrown, message] of [
    [new TypeError('not a function'), 'not a function'],
    ['text', 'text'],
    [undefined, 'undefined'],
    [null, 'null'],
    [Object.create(null, { toString: { value: () => 'odd' } }), 'odd'],
  ] as const) {
    const made = toWeftError(thrown);
    assert.deepEqual([made.code, made.message, made.cause, made.retryable], ['INTERNAL', message, thrown, false]);
  }
});
