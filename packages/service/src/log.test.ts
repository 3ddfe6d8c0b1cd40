import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { test } from 'node:test';

const LOG = new URL('./log.ts', import.meta.url).href;

/** Logs far more than may wait. */
const PROGRAM = `
  const { createLogger } = await import(${JSON.stringify(LOG)});
  const log = createLogger({ name: 'test', pretty: false });
  for (let line = 0; line < 3000; line++) log.info({ line }, 'x'.repeat(1000));
  process.stdout.write('served');
`;

/** What a program tells, and how it ends, whose log goes to `stderr`. */
async function run(stderr: number | 'pipe'): Promise<readonly [string, number | null]> {
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', PROGRAM];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', stderr] });
  child.stderr?.destroy();
  let told = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    told += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return [told, code];
}

test('a log on a full disk costs its lines, not the service', async (t) => {
  const full = openSync('/dev/full', 'a');
  t.after(() => closeSync(full));
  assert.deepEqual(await run(full), ['served', 0]);
});

test('a log whose reader is gone costs its lines, not the service', async () => {
  assert.deepEqual(await run('pipe'), ['served', 0]);
});
