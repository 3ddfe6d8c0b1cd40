/** Compares the committed descriptors, which come from a Go module, with those that the real Envoy binary carries. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findBinary } from '@weft/binaries';
import { type FileDescriptorSet, fileDescriptorSet } from '@weft/protobuf/descriptor';
import { carveDescriptors } from './testing/carve.ts';
import { NEWER_IN_MODULE, NOT_IN_BINARY, NOT_IN_MODULE } from './testing/difference.ts';
import { factsOf } from './testing/facts.ts';
import { ENVOY_VERSION } from './version.ts';

const envoy = await findBinary('envoy');

/** Why the binary cannot be compared; false where it can. */
function skipReason(): string | false {
  if (!envoy) return 'there is no Envoy on this machine: weft binaries fetch envoy';
  if (process.platform !== 'linux') return 'descriptors are carved out of ELF files alone';
  return envoy.version === ENVOY_VERSION
    ? false
    : `the Envoy on this machine is ${envoy.version}, not ${ENVOY_VERSION}`;
}

const skip = skipReason();

function committed(): FileDescriptorSet {
  return fileDescriptorSet.decode(
    readFileSync(new URL(`../descriptors/envoy-${ENVOY_VERSION}.binpb`, import.meta.url)),
  );
}

function fileNames(set: FileDescriptorSet): Set<string> {
  return new Set(set.file.map(({ name }) => name));
}

function only(set: FileDescriptorSet, names: Set<string>): FileDescriptorSet {
  return { file: set.file.filter(({ name }) => names.has(name)) };
}

function minus(some: Iterable<string>, others: { has(name: string): boolean }): readonly string[] {
  return [...some].filter((name) => !others.has(name)).sort();
}

function listed(reasons: Readonly<Record<string, readonly string[]>>): readonly string[] {
  return Object.values(reasons).flat().sort();
}

test('the files that the binary or the Go module lacks are those with a reason', { skip }, async (t) => {
  const carved = await carveDescriptors(envoy?.path ?? '');
  const [theirs, ours] = [fileNames(carved), fileNames(committed())];
  assert.equal(theirs.size, carved.file.length, 'each file is in the binary once');
  assert.deepEqual(minus(ours, theirs), listed(NOT_IN_BINARY), 'in the descriptors, not in the binary');
  assert.deepEqual(minus(theirs, ours), listed(NOT_IN_MODULE), 'in the binary, not in the descriptors');
  t.diagnostic(`${theirs.size} files in the binary, ${ours.size} in the descriptors`);
});

test('every message, field, enum value and method is what the binary has', { skip }, async (t) => {
  const carved = await carveDescriptors(envoy?.path ?? '');
  const descriptors = committed();
  const inBoth = fileNames(carved).intersection(fileNames(descriptors));
  const theirs = factsOf(only(carved, inBoth));
  const ours = factsOf(only(descriptors, inBoth));
  const different = [...theirs]
    .filter(([name, fact]) => ours.has(name) && ours.get(name) !== fact)
    .map(([name, fact]) => `${name}: Envoy has ${fact}; the descriptors have ${ours.get(name)}`);
  assert.deepEqual(different, []);
  assert.deepEqual(minus(theirs.keys(), ours), [], 'in the binary, not in the descriptors');
  assert.deepEqual(minus(ours.keys(), theirs), listed(NEWER_IN_MODULE), 'in the descriptors, not in the binary');
  assert.ok(theirs.size > 8_000, `only ${theirs.size} names were compared`);
  t.diagnostic(`${theirs.size} names compared, of ${inBoth.size} files`);
});

test('a difference of any kind is seen', () => {
  const cluster = committed().file.find(({ name }) => name === 'envoy/config/cluster/v3/cluster.proto');
  assert.ok(cluster);
  const facts = factsOf({ file: [cluster] });
  const [first] = cluster.messageType;
  const fields = first?.field ?? [];
  const withField = (change: object): FileDescriptorSet =>
    ({
      file: [{ ...cluster, messageType: [{ ...first, field: [{ ...fields[0], ...change }, ...fields.slice(1)] }] }],
    }) as FileDescriptorSet;
  const name = `${cluster.package}.${first?.name}.${fields[0]?.name}`;
  assert.equal(factsOf(withField({})).get(name), facts.get(name));
  for (const change of [
    { number: 77 },
    { label: 2 },
    { type: 4 },
    { typeName: '.other' },
    { jsonName: 'other' },
    { oneofIndex: 0 },
    { proto3Optional: true },
    { options: { deprecated: true } },
  ]) {
    assert.notEqual(factsOf(withField(change)).get(name), facts.get(name), JSON.stringify(change));
  }
  assert.equal(facts.get('envoy.config.cluster.v3.Cluster.DiscoveryType.EDS'), '= 3');
});

function temporaryFile(t: TestContext, content: Buffer): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-carve-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'binary');
  writeFileSync(path, content);
  return path;
}

/** The smallest ELF file with these sections: header, contents, names, table. */
function elf(sections: Readonly<Record<string, Buffer>>): Buffer {
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01', 'latin1');
  const bodies = { ...sections, '.shstrtab': Buffer.from(`${[...Object.keys(sections), '.shstrtab'].join('\0')}\0`) };
  const names = Object.keys(bodies);
  const table = Buffer.alloc(64 * names.length);
  const contents = Object.values(bodies);
  let [nameAt, position] = [0, header.length];
  for (const [index, body] of contents.entries()) {
    table.writeUInt32LE(nameAt, 64 * index);
    table.writeBigUInt64LE(BigInt(position), 64 * index + 24);
    table.writeBigUInt64LE(BigInt(body.length), 64 * index + 32);
    position += body.length;
    nameAt += (names[index]?.length ?? 0) + 1;
  }
  header.writeBigUInt64LE(BigInt(position), 40);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(names.length, 60);
  header.writeUInt16LE(names.length - 1, 62);
  return Buffer.concat([header, ...contents, table]);
}

/** A descriptor of a file of that name and package, with an import of `import.proto`. */
function descriptor(name: string): Buffer {
  const part = (tag: number, text: string): Buffer => Buffer.from([tag, text.length, ...Buffer.from(text)]);
  return Buffer.concat([part(0x0a, name), part(0x12, 'p'), part(0x1a, 'import.proto'), part(0x62, 'proto3')]);
}

test('descriptors are told apart from tables of offsets and from one another', async (t) => {
  const offsets = Buffer.from(Uint32Array.of(10, 16, 0, 0x0a08, 0xffff_ffff).buffer);
  const section = Buffer.concat([
    offsets,
    descriptor('a.proto'),
    Buffer.alloc(9),
    offsets,
    descriptor('b/c.proto'),
    descriptor('d.proto'),
  ]);
  const decoy = Buffer.concat([Buffer.alloc(4), descriptor('a.proto'), descriptor('decoy.proto')]);
  const set = await carveDescriptors(temporaryFile(t, elf({ '.rodata': decoy, protodesc_cold: section })));
  assert.deepEqual(
    set.file.map((file) => [file.name, file.package, file.dependency, file.syntax]),
    ['a.proto', 'b/c.proto', 'd.proto'].map((name) => [name, 'p', ['import.proto'], 'proto3']),
  );
});

test('what is no such binary is refused with a sentence', async (t) => {
  for (const [content, expected] of [
    [Buffer.from('#!/bin/sh\nexec envoy "$@"\n'.padEnd(80)), /is no 64-bit little-endian ELF file$/],
    [Buffer.from('short'), /ends before byte 64$/],
    [elf({ '.text': Buffer.alloc(8) }), /has no section protodesc_cold$/],
    [elf({ protodesc_cold: descriptor('a.proto').subarray(0, -3) }), /no field of a file's descriptor at byte 26$/],
    [elf({ protodesc_cold: descriptor('a.proto') }).subarray(0, -70), /ends before byte \d+$/],
  ] as const) {
    await assert.rejects(carveDescriptors(temporaryFile(t, content)), expected);
  }
});
