import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StreamTable } from './stream-table.ts';

test('streams are found by their numbers, as in a map, however they come and go', () => {
  const table = new StreamTable<{ id: number }>();
  const known = new Map<number, { id: number }>();
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff;
    return (seed >>> 8) % below;
  };
  for (let step = 0, id = 1; step < 20_000; step++) {
    if (random(100) < (step % 4000 < 2000 ? 60 : 45)) {
      const stream = { id };
      table.add(stream);
      known.set(id, stream);
      id += 2;
    } else if (known.size > 0) {
      const gone = [...known.keys()][random(known.size)] as number;
      table.delete(gone);
      known.delete(gone);
    }
    const asked = 1 + 2 * random(id);
    assert.equal(table.get(asked), known.get(asked));
    assert.equal(table.size, known.size);
  }
  assert.deepEqual(new Set(table.all()), new Set(known.values()));
});

test('a stream that stays is found behind any number of others', () => {
  const table = new StreamTable<{ id: number }>();
  const stays = { id: 2 };
  table.add(stays);
  for (let id = 4; id < 10_000; id += 2) {
    table.add({ id });
    table.delete(id);
    assert.equal(table.get(2), stays);
  }
  table.delete(3);
  assert.deepEqual(table.all(), [stays]);
});
