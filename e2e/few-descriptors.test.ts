/** More clients than the process may have descriptors: it goes on, and serves again once there is room. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { Agent, createServer } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { httpListener, localAddress, routes, staticCluster } from '@weft/proxy/testing';
import { ask, freePort, listen, until } from './harness.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';

const ENTRY = fileURLToPath(new URL('../packages/cli/bin/weft.mjs', import.meta.url));
const CLIENTS = 400;
const MOST = 200;

interface Ground {
  readonly port: number;
  readonly adminPort: number;
  readonly ended: Promise<number | null>;
  readonly text: () => string;
  readonly stop: () => void;
}

async function prepare(t: TestContext, threads: number): Promise<Ground> {
  const folder = temporaryFolder(t);
  const [port, adminPort] = [await freePort(), await freePort()];
  const upstreamPort = await listen(
    t,
    createServer((_request, response) => response.end('here')),
  );
  const listener = httpListener(port, { route_config: routes({ match: { prefix: '/' }, route: { cluster: 'up' } }) });
  const file = join(folder, 'bootstrap.json');
  const admin = { address: localAddress(adminPort) };
  const static_resources = { listeners: [listener], clusters: [staticCluster('up', upstreamPort)] };
  writeFileSync(file, JSON.stringify({ admin, static_resources }));
  const limited = ['-c', `ulimit -n ${MOST}; exec "$0" "$@"`, process.execPath, ENTRY];
  const args = ['proxy', '-c', file, '--concurrency', String(threads), '--disable-hot-restart', '--drain-time-s', '5'];
  const child = spawn('sh', [...limited, ...args], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const isReady = async (): Promise<true | undefined> => {
    const answer = await ask(`http://127.0.0.1:${adminPort}/ready`).catch(() => undefined);
    return answer?.status === 200 ? true : undefined;
  };
  await until('the proxy', isReady, 30_000, () => text);
  return { port, adminPort, ended, text: () => text, stop: () => void child.kill('SIGTERM') };
}

for (const threads of [1, 2]) {
  test(`a process with ${threads} threads survives more connections than it may have, and serves again`, async (t) => {
    const { port, adminPort, ended, text, stop } = await prepare(t, threads);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    const stats = async (): Promise<number> => (await ask(`http://127.0.0.1:${adminPort}/stats`, { agent })).status;
    assert.equal(await stats(), 200);
    let [settled, connected] = [0, 0];
    const clients: Socket[] = Array.from({ length: CLIENTS }, () => {
      const socket = createConnection(port, '127.0.0.1', () => {
        connected++;
        socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      });
      let isSettled = false;
      const settle = (): void => {
        if (!isSettled) settled++;
        isSettled = true;
      };
      socket.on('data', settle);
      socket.on('error', settle);
      socket.on('close', settle);
      return socket;
    });
    t.after(() => {
      for (const socket of clients) socket.destroy();
    });
    // With several threads, as in Envoy, some may be left waiting until there is room.
    const isFull = (): true | undefined => (connected === CLIENTS && settled >= MOST / 2 - 20 ? true : undefined);
    await until('as many answers and ends as there is room for', isFull, 60_000, text);
    assert.equal(await stats(), 200, 'on a connection that it has already');
    for (const socket of clients) socket.destroy();
    const isServed = async (): Promise<true | undefined> => {
      const answer = await ask(`http://127.0.0.1:${port}/`).catch(() => undefined);
      return answer?.status === 200 ? true : undefined;
    };
    await until('service', isServed, 30_000, text);
    stop();
    assert.equal(await ended, 0, text());
  });
}
