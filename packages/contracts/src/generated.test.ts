import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { generate } from '../scripts/generate.ts';
import { adminDescriptors } from './admin.ts';
import { calls, events, logs, states } from './bus.ts';

const folder = new URL('../gen/', import.meta.url);

test('the generated code is that of the .proto files: else run `npm run generate` in packages/contracts', () => {
  const files = generate();
  assert.deepEqual(readdirSync(folder).sort(), [...files.keys()].sort());
  for (const [name, content] of files) {
    const committed = readFileSync(new URL(name, folder));
    assert.ok(committed.equals(Buffer.from(content)), `gen/${name} is not what proto/ gives`);
  }
});

test('each contract has a name of its own and messages that can be read empty', () => {
  const all = { ...logs, ...states, ...calls, ...events };
  const names = Object.values(all).map(({ name }) => name);
  assert.deepEqual(names, [...new Set(names)]);
  for (const name of names)
    assert.match(name, /^[a-z]+(-[a-z]+)*(\.[a-z]+(-[a-z]+)*)?$/, 'subjects and streams are made of it');
  for (const contract of Object.values(all)) {
    const types: readonly { decode(bytes: Uint8Array): object }[] =
      'value' in contract ? [contract.value] : [contract.request, contract.response];
    for (const type of types) assert.equal(typeof type.decode(Buffer.alloc(0)), 'object');
  }
});

test('the descriptors for reflection hold the admin API and what it imports', () => {
  const text = adminDescriptors().toString('latin1');
  for (const file of ['weft/admin/v1/admin.proto', 'weft/bus/v1/bus.proto']) assert.ok(text.includes(file), file);
});
