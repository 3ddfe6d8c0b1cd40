#!/usr/bin/env node
// The entry is JavaScript, so that the compile cache is on before the first TypeScript is loaded: with a warm cache
// Node never loads its type stripper.
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// A data plane makes its objects for one request each, most of them gone with it: V8 lets the room for young objects
// grow to three times 16 MiB under load and keeps it, 4 MiB each cost as little time. V8 reads this once, before any
// program runs; so the process starts again in place, as the same one, where it was not started with it.
const YOUNG = '--max-semi-space-size';
const isDataPlane = process.argv[2] === 'proxy' || process.argv[2] === 'run';
const given = [...process.execArgv, process.env.NODE_OPTIONS ?? ''];
if (isDataPlane && process.execve && !process.channel && !given.some((flag) => flag.includes(YOUNG))) {
  const [node, ...rest] = process.argv;
  const flags = [`${YOUNG}=4`, '--disable-warning=ExperimentalWarning', ...process.execArgv];
  process.execve(node, [node, ...flags, ...rest]);
}

enableCompileCache(fileURLToPath(new URL('../../../node_modules/.cache/weft-compile', import.meta.url)));
const { main } = await import('../src/main.ts');
process.exitCode = await main(process.argv.slice(2));
// All that a proxy had is closed by now; whatever else may still be open keeps no process that was told to end.
if (process.argv[2] === 'proxy') process.exit();
