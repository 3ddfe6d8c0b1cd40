/**
 * The tests in e2e/containers, counted as `N passed, N failed`. Whatever becomes of them, no container, network or volume
 * of theirs is left. Needs a running engine and the images `weft` and `weft-envoy`: `.ci/containers` sees to both.
 */
import { execFileSync, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { countTests } from './test.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
// In the names of all that this run makes.
const project = `weft-e2e-${process.pid}`;

function docker(...args: string[]): readonly string[] {
  return execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
    .split('\n')
    .filter((line) => line !== '');
}

/** The ids of what this run made and did not remove. */
function leftOver(list: readonly string[], id: string): readonly string[] {
  const format = `{{${id}}} {{.Label "com.docker.compose.project"}}`;
  const all = docker(...list, '--filter', 'label=com.docker.compose.project', '--format', format);
  return all.flatMap((line) => {
    const [found = '', ofProject = ''] = line.split(' ');
    return ofProject.startsWith(`${project}-`) ? [found] : [];
  });
}

function sweep(): void {
  const containers = leftOver(['ps', '--all'], '.ID');
  if (containers.length > 0) docker('rm', '--force', '--volumes', ...containers);
  const networks = leftOver(['network', 'ls'], '.ID');
  if (networks.length > 0) docker('network', 'rm', ...networks);
  const volumes = leftOver(['volume', 'ls'], '.Name');
  if (volumes.length > 0) docker('volume', 'rm', '--force', ...volumes);
}

const child = spawn(process.execPath, ['--test', '--test-reporter=spec', 'e2e/containers/*.test.ts'], {
  cwd: root,
  env: { ...process.env, WEFT_E2E_PROJECT: project, FORCE_COLOR: '0' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill('SIGTERM'));
let output = '';
child.stdout.on('data', (chunk: Buffer) => {
  output += chunk.toString();
  process.stdout.write(chunk);
});
child.on('close', (code) => {
  const { passed, failed } = countTests(output, code ?? 1);
  try {
    sweep();
  } finally {
    console.log(`${passed} passed, ${failed} failed`);
    process.exitCode = failed === 0 ? 0 : 1;
  }
});
