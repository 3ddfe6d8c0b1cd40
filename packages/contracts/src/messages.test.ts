/** Holds every message of the contracts against protoc: what Weft writes, protoc reads, and the other way round. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createNativeCodec, type MessageType } from '@weft/protobuf';
import { type FieldDescriptor, fileDescriptorSet } from '@weft/protobuf/descriptor';
import { bare, type Collected, collect, mapEntry } from '@weft/protobuf/generate';
import * as admin from './admin.ts';
import * as bus from './bus.ts';
import * as node from './node.ts';

const PROTO = fileURLToPath(new URL('../proto', import.meta.url));
const FILES = ['weft/bus/v1/bus.proto', 'weft/node/v1/node.proto', 'weft/admin/v1/admin.proto'];
const MESSAGE = 11;
const ENUM = 14;

function protoc(flags: readonly string[], input?: Buffer): Buffer {
  const script = createRequire(import.meta.url).resolve('protoc/protoc.cjs');
  return execFileSync(process.execPath, [script, `--proto_path=${PROTO}`, ...flags], { ...(input && { input }) });
}

function inFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'weft-contracts-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function isMessageType(value: unknown): value is MessageType<unknown> {
  return typeof value === 'object' && value !== null && 'typeName' in value;
}

const TYPES = [
  ...new Set([bus, node, admin].flatMap((module) => Object.values<unknown>(module)).filter(isMessageType)),
];

function descriptors(): Collected {
  return inFolder((folder) => {
    const out = join(folder, 'all.binpb');
    protoc(['--include_imports', `--descriptor_set_out=${out}`, ...FILES]);
    return collect(fileDescriptorSet.decode(readFileSync(out)));
  });
}

/** Values with every field set, none to its default. */
class Full {
  readonly #all: Collected;
  #count = 0;

  constructor(all: Collected) {
    this.#all = all;
  }

  message(name: string, depth: number): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    for (const field of this.#all.messages.get(name)?.descriptor.field ?? []) {
      const content = this.#field(field, depth);
      if (content !== undefined) value[field.jsonName] = content;
    }
    return value;
  }

  #field(field: FieldDescriptor, depth: number): unknown {
    const entry = mapEntry(field, this.#all)?.field[1];
    if (entry) return { ä: this.#single(entry, depth), '': this.#single(entry, depth) };
    if (field.label === 3)
      return field.type === MESSAGE && depth === 0 ? [] : [this.#single(field, depth), this.#single(field, depth)];
    return field.type === MESSAGE && depth === 0 ? undefined : this.#single(field, depth);
  }

  #single(field: FieldDescriptor, depth: number): unknown {
    this.#count++;
    if (field.type === MESSAGE) return this.message(bare(field.typeName), depth - 1);
    if (field.type === ENUM) return this.#all.enums.get(bare(field.typeName))?.descriptor.value.at(-1)?.name;
    if (field.type === 8) return true;
    if (field.type === 9) return `text ${this.#count} "€"`;
    if (field.type === 12) return Buffer.from([0, 255, this.#count & 0xff]);
    return field.type <= 2 ? this.#count + 0.5 : this.#count;
  }
}

test('protoc reads what Weft writes of every message, with no field unknown, and writes what Weft reads', () => {
  const all = descriptors();
  const full = new Full(all);
  const declared = [...all.messages]
    .filter(([, { descriptor }]) => !descriptor.options?.mapEntry)
    .map(([name]) => name);
  assert.deepEqual(TYPES.map(({ typeName }) => typeName).sort(), declared.sort(), 'each has its generated type');
  const values = TYPES.map(({ typeName }) => full.message(typeName, 4));
  const fields = TYPES.map(({ typeName }, index) => `optional .${typeName} m${index} = ${index + 1};`);
  const imports = FILES.map((file) => `import "${file}";`);
  const table = TYPES.map((_, index) => `${index + 1} m${index} ?B`).join(';');
  const wrapper = createNativeCodec({ messages: { All: table }, enums: {} });
  const encoded = TYPES.map((type, index) => [`m${index}`, type.encode(values[index])]);
  const [text, back] = inFolder((folder) => {
    writeFileSync(
      join(folder, 'all.proto'),
      ['syntax = "proto3";', ...imports, 'message All {', ...fields, '}'].join('\n'),
    );
    const flags = [`--proto_path=${folder}`, 'all.proto'];
    const read = protoc(['--decode=All', ...flags], wrapper.encode('All', Object.fromEntries(encoded)));
    return [read.toString(), protoc(['--encode=All', ...flags], read)];
  });
  assert.doesNotMatch(text, /^\s*\d+[: ]/m, 'fields that protoc does not know stand as numbers');
  const read = wrapper.decode('All', back) as Readonly<Record<string, Buffer>>;
  for (const [index, type] of TYPES.entries()) {
    assert.deepEqual(type.decode(read[`m${index}`] ?? Buffer.of()), values[index], type.typeName);
  }
});

test('a message that is empty on the wire has every field that its type promises', () => {
  const all = descriptors();
  for (const type of TYPES) {
    const empty = type.decode(Buffer.of()) as Record<string, unknown>;
    assert.equal(type.encode(empty).length, 0, type.typeName);
    const promised = (all.messages.get(type.typeName)?.descriptor.field ?? []).filter(
      (field) => !field.proto3Optional && (field.type !== MESSAGE || field.label === 3),
    );
    assert.deepEqual(Object.keys(empty).sort(), promised.map(({ jsonName }) => jsonName).sort(), type.typeName);
  }
});
