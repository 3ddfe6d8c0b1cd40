/** How near Envoy's handshakes anything can come that has its TLS from Node. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { BenchCase } from '../bench.ts';
import { measureHandshakes, measurePlane, type Shaking, tlsHandshake } from '../cases/tls-handshake.ts';
import { Ground } from '../ground.ts';
import { pinned } from '../plane/cpus.ts';

const SERVER = fileURLToPath(new URL('node-tls-server.ts', import.meta.url));

async function withNodeServer<T>(ground: Ground, work: (server: Shaking) => Promise<T>): Promise<T> {
  // The young generation that Weft's proxy has.
  const args = ['--max-semi-space-size=4', SERVER, ground.certificates.folder];
  const [command, pinnedArgs] = pinned(ground.cpus.proxy, process.execPath, args);
  const child = spawn(command, pinnedArgs, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  try {
    const told = createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
    const first = await Promise.race([told, ended.then(() => Promise.reject(new Error('the server of Node ended')))]);
    const ports = JSON.parse(String(first.value)) as Readonly<Record<string, number>>;
    return await work({ pid: child.pid ?? 0, port: (listener) => ports[listener] ?? 0 });
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

export const tlsHandshakeBound: BenchCase = {
  ...tlsHandshake,
  name: 'tls-handshake-bound',
  title: 'the same with, in place of Weft, a TLS server of Node that does nothing else',
  async open(settings) {
    const ground = new Ground();
    return {
      measure: (side) =>
        side === 'envoy'
          ? measurePlane(ground, settings, side)
          : withNodeServer(ground, (server) => measureHandshakes(ground, settings, server)),
      [Symbol.asyncDispose]: () => ground[Symbol.asyncDispose](),
    };
  },
};
