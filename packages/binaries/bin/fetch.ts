/**
 * Fetches programs into the cache, each as `resolveBinary` finds it: for builds that need nothing else of Weft.
 *
 *   node fetch.ts <program> …
 */
import { type BinaryName, resolveBinary } from '../src/index.ts';

const NAMES: readonly BinaryName[] = ['envoy', 'nats-server'];

for (const given of process.argv.slice(2)) {
  const name = NAMES.find((candidate) => candidate === given);
  if (!name) throw new Error(`expected ${NAMES.join(' or ')}, and not ${given}`);
  console.log((await resolveBinary(name, { download: true, onProgress: console.error })).path);
}
