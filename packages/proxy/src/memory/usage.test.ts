import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryUsage, residentBytes } from './usage.ts';

test('memory is that which Node tells', () => {
  const { rss, heapUsed, heapTotal, external } = memoryUsage();
  const told = process.memoryUsage();
  for (const [own, other] of [
    [rss, told.rss],
    [heapUsed, told.heapUsed],
    [heapTotal, told.heapTotal],
    [external, told.external],
  ] as const) {
    assert.ok(Math.abs(own - other) < 16 * 1024 * 1024, `${own} ${other}`);
  }
});

test('where it cannot be read, the most that it ever was is told', (t) => {
  t.mock.method(process.memoryUsage, 'rss', () => {
    throw Object.assign(new Error('EMFILE: too many open files, uv_resident_set_memory'), { code: 'EMFILE' });
  });
  assert.ok(residentBytes() > 16 * 1024 * 1024);
  assert.ok(memoryUsage().rss > 16 * 1024 * 1024);
});
