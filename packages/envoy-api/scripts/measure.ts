/**
 * Measures the codec beside protobufjs, each in a process of its own, in turn, as medians: the time until the first set of
 * resources went through, private memory once it did, and the time that each further set takes.
 *
 *   node packages/envoy-api/scripts/measure.ts [--rounds 5] [--services 50] [--json]
 *
 * Run it when nothing else runs on the machine.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Message, Root } from 'protobufjs';
import { ENVOY_VERSION } from '../src/version.ts';
import type { NamedMessage } from './typical.ts';

/** A codec as it is measured: ProtoJSON in and out. */
interface Subject {
  encode(message: NamedMessage): Uint8Array;
  decode(name: string, bytes: Uint8Array): unknown;
}

interface Figures {
  readonly firstSetMs: number;
  readonly privateMiB: number;
  readonly encodeMs: number;
  readonly decodeMs: number;
  readonly bytes: number;
}

async function tables(): Promise<Subject> {
  const { encodeUnknown, decode, isMessageName } = await import('../src/index.ts');
  return {
    encode: ({ name, value }) => encodeUnknown(name, value),
    decode: (name, bytes) => (isMessageName(name) ? decode(name, bytes) : undefined),
  };
}

/** protobufjs by reflection. */
async function loadRoot(): Promise<Root> {
  const { default: protobuf } = await import('protobufjs');
  await import('protobufjs/ext/descriptor.js');
  const { default: protojson } = await import('protobufjs/ext/protojson.js');
  const descriptors = new URL(`../descriptors/envoy-${ENVOY_VERSION}.binpb`, import.meta.url);
  const root = protobuf.Root.fromDescriptor(readFileSync(descriptors));
  protojson.install();
  root.resolveAll();
  return root;
}

/** With its ProtoJSON: the same values as the tables give. */
async function protobufjs(): Promise<Subject> {
  const root = await loadRoot();
  return {
    encode: ({ name, value }) => {
      const type = root.lookupType(name);
      return type.encode(type.fromJson(value)).finish();
    },
    decode: (name, bytes) => {
      const type = root.lookupType(name);
      return type.toJson(type.decode(bytes));
    },
  };
}

/** With its own objects, which nothing has checked, and in which what stands in an Any stays bytes. */
async function protobufjsObjects(): Promise<Subject> {
  const root = await loadRoot();
  const made = new Map<NamedMessage, Message>();
  return {
    encode: (message) => {
      const type = root.lookupType(message.name);
      const object = made.get(message) ?? type.fromJson(message.value);
      made.set(message, object);
      return type.encode(object).finish();
    },
    decode: (name, bytes) => root.lookupType(name).decode(bytes),
  };
}

const SUBJECTS = { tables, protobufjs, protobufjsObjects } as const;
type SubjectName = keyof typeof SUBJECTS;
const NAMES: readonly SubjectName[] = ['tables', 'protobufjs', 'protobufjsObjects'];

/** Private memory now, without what a collection frees; from /proc where there is one. */
function privateMiB(): number {
  globalThis.gc?.();
  const status = process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8') : '';
  const kib = /^RssAnon:\s+(\d+) kB/m.exec(status)?.[1];
  return kib === undefined ? process.memoryUsage.rss() / 2 ** 20 : Number(kib) / 1024;
}

/** The least that a run of `work` takes, out of as many as a second holds: what disturbs can only add. */
function fastestMs(work: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (const end = performance.now() + 1_000; performance.now() < end; ) {
    const start = performance.now();
    work();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

async function measure(name: SubjectName, services: number): Promise<Figures> {
  const { typicalSet } = await import('./typical.ts');
  const set = typicalSet(services);
  const before = privateMiB();
  const start = performance.now();
  const subject = await SUBJECTS[name]();
  let encoded = set.map((message) => subject.encode(message));
  for (const [index, bytes] of encoded.entries()) subject.decode(set[index]?.name ?? '', bytes);
  const firstSetMs = performance.now() - start;
  const memory = privateMiB() - before;
  const encodeMs = fastestMs(() => {
    encoded = set.map((message) => subject.encode(message));
  });
  const decodeMs = fastestMs(() => {
    for (const [index, bytes] of encoded.entries()) subject.decode(set[index]?.name ?? '', bytes);
  });
  return {
    firstSetMs,
    privateMiB: memory,
    encodeMs,
    decodeMs,
    bytes: encoded.reduce((sum, { length }) => sum + length, 0),
  };
}

const ROWS: Readonly<Record<keyof Figures, string>> = {
  firstSetMs: 'loaded, and the first set written and read, ms',
  privateMiB: 'private memory after that, MiB more',
  encodeMs: 'a further set written, ms',
  decodeMs: 'a further set read, ms',
  bytes: 'bytes of a set',
};

function median(all: readonly Figures[], key: keyof Figures): number {
  const values = all.map((figures) => figures[key]).toSorted((a, b) => a - b);
  return values[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** The figures of every round by subject; the subjects take turns. */
function compare(rounds: number, services: number): Readonly<Record<SubjectName, readonly Figures[]>> {
  const all: Record<SubjectName, Figures[]> = { tables: [], protobufjs: [], protobufjsObjects: [] };
  for (let round = 0; round < rounds; round++) {
    for (const name of NAMES) {
      const flags = ['--expose-gc', fileURLToPath(import.meta.url), '--subject', name, '--services', String(services)];
      all[name].push(JSON.parse(execFileSync(process.execPath, flags, { encoding: 'utf8' })) as Figures);
    }
  }
  return all;
}

const { values } = parseArgs({
  options: {
    subject: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    services: { type: 'string', default: '50' },
    json: { type: 'boolean', default: false },
  },
});
const services = Number(values.services);
const subject = NAMES.find((name) => name === values.subject);
if (subject) {
  console.log(JSON.stringify(await measure(subject, services)));
} else {
  const figures = compare(Number(values.rounds), services);
  console.log('| | tables | protobufjs, ProtoJSON | protobufjs, own objects |\n| --- | --- | --- | --- |');
  for (const [key, title] of Object.entries(ROWS) as [keyof Figures, string][]) {
    const cells = NAMES.map((name) => median(figures[name], key).toFixed(key === 'bytes' ? 0 : 1));
    console.log(`| ${title} | ${cells.join(' | ')} |`);
  }
  if (values.json) console.log(JSON.stringify({ case: 'codec', peer: 'protobufjs', services, ...figures }));
}
