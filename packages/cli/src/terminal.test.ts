import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';

const TERMINAL = new URL('./terminal.ts', import.meta.url).href;

/** Tells something every now and then, by the terminal and past it, and ends when its input does. */
const PROGRAM = `
  const { processTerminal } = await import(${JSON.stringify(TERMINAL)});
  const terminal = processTerminal();
  const tell = () => {
    terminal.out('told');
    terminal.err('told');
    process.stderr.write('told');
  };
  const timer = setInterval(tell, 1);
  process.stdin.on('end', () => {
    clearInterval(timer);
    process.exitCode = 7;
  }).on('data', () => terminal.out('served')).resume();
`;

for (const gone of ['stdout', 'stderr'] as const) {
  test(`a process goes on when whoever read its ${gone} is gone`, async () => {
    const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', PROGRAM];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const ended = once(child, 'exit');
    const kept = gone === 'stdout' ? child.stderr : child.stdout;
    await Promise.all([once(child.stdout, 'data'), once(child.stderr, 'data')]);
    child[gone].destroy();
    for (let more = 0; more < 20; more++) await once(kept, 'data');
    child.stdin.end();
    kept.resume();
    assert.deepEqual(await ended, [7, null]);
  });
}
