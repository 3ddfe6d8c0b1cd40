#!/usr/bin/env node
// The entry is JavaScript, so that the compile cache is on before the first TypeScript is loaded: with a warm cache
// Node never loads its type stripper.
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

enableCompileCache(fileURLToPath(new URL('../../../node_modules/.cache/weft-compile', import.meta.url)));
const { main } = await import('../src/main.ts');
process.exitCode = await main(process.argv.slice(2));
