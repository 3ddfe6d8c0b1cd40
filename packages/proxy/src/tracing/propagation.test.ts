import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderList } from '../http/header-list.ts';
import { readB3, writeB3 } from './b3.ts';
import { reasonOf, shareOf, withReason } from './request-id.ts';
import { readTraceparent, writeTraceparent } from './w3c.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const headers = (fields: Readonly<Record<string, string>>): HeaderList => new HeaderList(Object.entries(fields).flat());

test('a traceparent is read as it is written', () => {
  const given = headers({ traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'a=b,c=d' });
  const context = readTraceparent(given);
  assert.deepEqual(
    [context?.traceId, context?.spanId, context?.isSampled, context?.state],
    [TRACE, SPAN, true, 'a=b,c=d'],
  );
  const written = new HeaderList();
  assert.ok(context);
  writeTraceparent(written, context);
  assert.deepEqual(written.flat, given.flat);
});

test('what is no traceparent begins a new trace', () => {
  for (const text of [
    '',
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01,00-${TRACE}-${SPAN}-01`,
  ]) {
    assert.equal(readTraceparent(headers({ traceparent: text })), undefined, text);
  }
  fc.assert(fc.property(fc.string(), (text) => readTraceparent(headers({ traceparent: text })) === undefined));
});

test('a later version is read as far as it is alike, and its flags by their last bit', () => {
  const context = readTraceparent(headers({ traceparent: `cc-${TRACE}-${SPAN}-02-more` }));
  assert.deepEqual([context?.traceId, context?.isSampled], [TRACE, false]);
});

test('B3 is read from one header or several, and written as it came', () => {
  for (const fields of [
    { b3: `${TRACE}-${SPAN}-1` },
    { 'x-b3-traceid': TRACE, 'x-b3-spanid': SPAN, 'x-b3-sampled': '0' },
    { 'x-b3-traceid': SPAN, 'x-b3-spanid': SPAN, 'x-b3-parentspanid': 'b7ad6b7169203332', 'x-b3-sampled': '1' },
  ]) {
    const { context, isSingle } = readB3(headers(fields), false);
    assert.ok(context);
    const written = new HeaderList();
    writeB3(written, context, isSingle);
    assert.deepEqual(Object.fromEntries(pairs(written)), fields);
  }
});

function* pairs({ flat }: HeaderList): Generator<readonly [string, string]> {
  for (let i = 0; i < flat.length; i += 2) yield [flat[i] as string, flat[i + 1] as string];
}

test('of B3 the decision may come alone, and debug is a yes', () => {
  assert.deepEqual(readB3(headers({ b3: '0' }), true), { isSingle: true, isSampled: false, context: undefined });
  assert.equal(readB3(headers({ 'x-b3-sampled': '1' }), false).isSampled, true);
  assert.equal(readB3(headers({ 'x-b3-flags': '1', 'x-b3-sampled': '0' }), false).isSampled, true);
  assert.equal(readB3(headers({ b3: `${TRACE}-${SPAN}-d` }), false).context?.isSampled, true);
  assert.equal(readB3(headers({ b3: `${TRACE}-${SPAN}` }), true).context?.isSampled, true);
  assert.equal(readB3(headers({ 'x-b3-traceid': 'nonsense', 'x-b3-spanid': SPAN }), true).context, undefined);
});

test('a request id carries its share and why it is traced', () => {
  const id = '0af76519-16cd-4fdd-8448-eb211c80319c';
  assert.equal(shareOf(id), 0x0af76519 % 10_000);
  assert.equal(shareOf('x'), undefined);
  assert.equal(shareOf('zzzzzzzz-16cd-4fdd-8448-eb211c80319c'), undefined);
  assert.equal(reasonOf(id), 'not-traceable');
  for (const reason of ['sampling', 'service-forced', 'client-forced', 'not-traceable'] as const) {
    const marked = withReason(id, reason);
    assert.equal(reasonOf(marked), reason);
    assert.equal(marked.length, id.length);
  }
});
