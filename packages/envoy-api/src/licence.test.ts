/** Holds the notice beside the descriptors against what they hold and where they come from. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileDescriptorSet } from '@weft/protobuf/descriptor';
import { ENVOY_VERSION } from './version.ts';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const notice = read('../descriptors/NOTICE');

test('the notice covers every file of the descriptors, and tells how many there are', () => {
  const bytes = readFileSync(new URL(`../descriptors/envoy-${ENVOY_VERSION}.binpb`, import.meta.url));
  const names = fileDescriptorSet.decode(bytes).file.map(({ name }) => name ?? '');
  const covered = [...notice.matchAll(/(?<=^|, )([a-z]+\/[a-z/.]*)(\*\*)?(?=[, ])/gm)].map(([, prefix = '']) => prefix);
  assert.deepEqual(
    names.filter((name) => !covered.some((prefix) => name.startsWith(prefix))),
    [],
  );
  assert.match(
    notice,
    new RegExp(`envoy-${ENVOY_VERSION.replaceAll('.', '\\.')}\\.binpb holds .* ${names.length} \\.proto`),
  );
});

test('the modules that the notice names are those that the descriptors are made from, in the same versions', () => {
  const pinned = read('../scripts/dump-descriptors/go.mod');
  const modules = [...notice.matchAll(/Module (\S+) (v\S+)\./g)];
  assert.ok(modules.length >= 9, `only ${modules.length} modules are named`);
  for (const [, module, version] of modules) assert.ok(pinned.includes(`${module} ${version}`), `${module} ${version}`);
});

test('the licence is the Apache License 2.0', () => {
  assert.match(read('../descriptors/LICENSE'), /Apache License\s+Version 2\.0, January 2004/);
});
