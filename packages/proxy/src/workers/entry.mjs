// The entry of a worker is JavaScript, so that the compile cache is on before the first TypeScript is loaded: threads
// share it with the main thread only where each of them says so.
import { enableCompileCache } from 'node:module';
import { workerData } from 'node:worker_threads';

if (workerData.compileCache !== undefined) enableCompileCache(workerData.compileCache);
await import('./worker.ts');
