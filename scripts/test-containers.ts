/** The tests in e2e/containers, counted as `N passed, N failed`. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { countTests } from './test.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const child = spawn(process.execPath, ['--test', '--test-reporter=spec', 'e2e/containers/*.test.ts'], {
  cwd: root,
  env: { ...process.env, TESTCONTAINERS_RYUK_DISABLED: 'true', FORCE_COLOR: '0' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
let output = '';
child.stdout.on('data', (chunk: Buffer) => {
  output += chunk.toString();
  process.stdout.write(chunk);
});
child.on('close', (code) => {
  const { passed, failed } = countTests(output, code ?? 1);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
});
