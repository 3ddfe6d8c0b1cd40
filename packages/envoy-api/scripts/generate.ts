/**
 * Generates `gen/tables.json` (what the codec reads at run time) and `gen/types.ts` (what the compiler reads) from the
 * committed descriptors. Needs nothing but Node; `./weft` runs it when it installs.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileDescriptorSet } from '@weft/protobuf/descriptor';
import { closure, collect, jsonTypesOf, tablesOf } from '@weft/protobuf/generate';
import { ENVOY_VERSION } from '../src/version.ts';

const descriptors = new URL(`../descriptors/envoy-${ENVOY_VERSION}.binpb`, import.meta.url);
const gen = new URL('../gen/', import.meta.url);

const set = fileDescriptorSet.decode(readFileSync(descriptors));
const all = collect(set);
const roots = [...all.messages.keys()].filter((name) => /^(envoy|xds|udpa|opentelemetry)\./.test(name));
const wellKnown = [...all.messages.keys()].filter((name) => name.startsWith('google.protobuf.'));
const only = closure(all, [...roots, ...wellKnown.filter((name) => !name.includes('Descriptor'))]);

mkdirSync(gen, { recursive: true });
writeFileSync(new URL('tables.json', gen), JSON.stringify(tablesOf(set, only)));
writeFileSync(new URL('types.ts', gen), jsonTypesOf(set, only));
