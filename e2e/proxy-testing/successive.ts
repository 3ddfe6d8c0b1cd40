/** Processes of `weft proxy` that serve at the same addresses, one after the other. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { localAddress } from '@weft/proxy/testing';
import { ask, freePort, type Process, weftProcess } from '../harness.ts';
import { temporaryFolder } from './pair.ts';

export interface Successive {
  readonly folder: string;
  /** A port for listeners. */
  readonly port: number;
  /** Starts a process on a bootstrap, to which the admin interface is added; it is ended with the test. */
  start(name: string, bootstrap: object, ...flags: readonly string[]): Process;
  /** What the admin interface answers; '' where it does not. */
  admin(path: string): Promise<string>;
  /** A number of `/stats`; 0 where there is none of that name. */
  stat(name: string): Promise<number>;
}

export async function openSuccessive(test: TestContext): Promise<Successive> {
  const [port, adminPort] = [await freePort(), await freePort()];
  const processes: Process[] = [];
  test.after(async () => {
    for (const process of processes) await process.kill();
  });
  const folder = temporaryFolder(test);
  const admin = async (path: string): Promise<string> => {
    const answer = await ask(`http://127.0.0.1:${adminPort}${path}`).catch(() => undefined);
    return answer?.body ?? '';
  };
  return {
    folder,
    port,
    admin,
    start(name, bootstrap, ...flags) {
      const path = join(folder, `${name}.yaml`);
      writeFileSync(path, JSON.stringify({ admin: { address: localAddress(adminPort) }, ...bootstrap }));
      // A folder of its own keeps the base IDs of this test apart from those of others.
      const process = weftProcess(['proxy', '-c', path, ...flags], { env: { TMPDIR: folder } });
      processes.push(process);
      return process;
    },
    async stat(name) {
      const text = await admin('/stats');
      if (text === '') throw new Error('the admin interface does not answer');
      const line = text.split('\n').find((one) => one.startsWith(`${name}: `));
      return Number(line?.slice(name.length + 2) ?? 0);
    },
  };
}
