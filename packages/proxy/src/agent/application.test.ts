import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Application, applicationEnvironment } from './application.ts';
import { eventually } from './testing/eventually.ts';
import { temporaryFolder } from './testing/temporary.ts';
import { Watchdog } from './watchdog.ts';

function watchdog(t: TestContext): Watchdog {
  const dog = new Watchdog();
  t.after(() => dog.close());
  return dog;
}

function start(t: TestContext, ...command: readonly string[]): Promise<Application> {
  return Application.start({ command, env: process.env, watchdog: watchdog(t) });
}

function isAlive(pid: number): boolean {
  try {
    // A process that has ended and that nobody has waited for is still listed, as a zombie.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test("the exit code is the program's own, or 128 and the signal that ended it", async (t) => {
  assert.equal(await (await start(t, 'sh', '-c', 'exit 7')).ended, 7);
  const sleeping = await start(t, 'sleep', '60');
  sleeping.kill('SIGTERM');
  assert.equal(await sleeping.ended, 143);
});

test('a program that is not there, or cannot be run, is told by name', async (t) => {
  await assert.rejects(start(t, 'no-such-program'), {
    code: 'NOT_FOUND',
    message: /there is no program no-such-program/,
  });
  await assert.rejects(start(t, '/etc/passwd'), { code: 'PERMISSION_DENIED', message: /\/etc\/passwd cannot be run/ });
});

test('what the program started does not outlive it', { skip: process.platform !== 'linux' }, async (t) => {
  const file = join(temporaryFolder(t), 'pid');
  const script = `sleep 300 & echo $! > ${file}; exit 3`;
  const application = await start(t, 'sh', '-c', script);
  assert.equal(await application.ended, 3);
  const pid = Number(readFileSync(file, 'utf8'));
  await eventually(() => !isAlive(pid));
});

test('the environment leads calls through the mesh, but not those to the machine itself', () => {
  const told = { outboundPort: 15_001, workloadId: 'cart-1', service: 'cart', namespace: 'shop' };
  const env = applicationEnvironment({ PATH: '/bin', HTTP_PROXY: 'http://other' }, told);
  assert.equal(env.HTTP_PROXY, 'http://127.0.0.1:15001');
  assert.equal(env.http_proxy, env.HTTP_PROXY);
  assert.equal(env.NO_PROXY, 'localhost,127.0.0.1,::1');
  assert.equal(env.NODE_USE_ENV_PROXY, '1');
  assert.equal(env.WEFT_WORKLOAD, 'cart-1');
  assert.equal(env.PATH, '/bin');
});

test('when the agent is killed, its application ends too', { skip: process.platform !== 'linux' }, async (t) => {
  const script = `
    import { Application } from ${JSON.stringify(import.meta.resolve('./application.ts'))};
    import { Watchdog } from ${JSON.stringify(import.meta.resolve('./watchdog.ts'))};
    await Application.start({ command: ['sh', '-c', 'echo $$; exec sleep 300'], env: process.env, watchdog: new Watchdog() });
    console.log('started');
  `;
  const agent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => agent.kill('SIGKILL'));
  // The application may speak before the agent has told the watchdog of it.
  const said: string[] = [];
  createInterface({ input: agent.stdout }).on('line', (line) => said.push(line));
  await eventually(() => said.length === 2);
  const pid = Number(said.find((line) => line !== 'started'));
  assert.ok(isAlive(pid));
  agent.kill('SIGKILL');
  await eventually(() => !isAlive(pid));
});
