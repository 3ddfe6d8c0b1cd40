/** Real nats-servers for tests: one, or a cluster, on free loopback ports with stores of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { resolveBinary } from '@weft/binaries';

export interface NatsOptions {
  /** How many servers form a cluster; 1, the default, is a server alone. */
  readonly cluster?: number;
  /** Default true. */
  readonly jetstream?: boolean;
  /** Default 8 MiB. */
  readonly maxPayloadBytes?: number;
  /** Lines that are added to each server's configuration, such as authorization. */
  readonly config?: string;
}

/** One server, which can be stopped in several ways and started again with its port and its store. */
export interface NatsNode {
  /** `n1`, `n2`, … */
  readonly name: string;
  /** `nats://127.0.0.1:<port>`. */
  readonly url: string;
  readonly isRunning: boolean;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM. */
  stop(): Promise<void>;
  /** Starts it again after either. */
  start(): Promise<void>;
  /** What it said on its log, for tests that failed. */
  readonly log: readonly string[];
}

export interface NatsServers {
  readonly nodes: readonly NatsNode[];
  readonly urls: readonly string[];
  /** Kills what runs and removes the stores. */
  close(): Promise<void>;
}

const READY_MS = 30_000;
const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;

/** Ports that were free a moment ago; each differs from the others. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((server) => once(server.listen(0, '127.0.0.1'), 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

interface Place {
  readonly name: string;
  readonly port: number;
  readonly routePort: number;
}

function configOf(place: Place, all: readonly Place[], folder: string, options: NatsOptions): string {
  const { jetstream = true, maxPayloadBytes = MAX_PAYLOAD_BYTES, config = '' } = options;
  const lines = [
    `server_name: ${place.name}`,
    `listen: "127.0.0.1:${place.port}"`,
    `max_payload: ${maxPayloadBytes}`,
    `max_pending: ${Math.max(64 * 1024 * 1024, 2 * maxPayloadBytes)}`,
  ];
  if (jetstream)
    lines.push(`jetstream { store_dir: ${JSON.stringify(join(folder, place.name))}, max_mem: 256MB, max_file: 4GB }`);
  if (all.length > 1) {
    const routes = all.map(({ routePort }) => `"nats://127.0.0.1:${routePort}"`);
    lines.push(`cluster { name: weft-test, listen: "127.0.0.1:${place.routePort}", routes: [${routes.join(', ')}] }`);
  }
  return [...lines, config].join('\n');
}

/** How many servers of its cluster a server tells its clients of; 0 when it cannot be reached. */
async function knownServers(port: number): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  try {
    const [chunk] = (await once(socket, 'data', { signal: AbortSignal.timeout(2_000) })) as [Buffer];
    const info = JSON.parse(
      chunk
        .toString()
        .replace(/^INFO /, '')
        .split('\r\n')[0] ?? '{}',
    ) as { connect_urls?: string[] };
    return Math.max(1, info.connect_urls?.length ?? 0);
  } catch {
    return 0;
  } finally {
    socket.destroy();
  }
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + READY_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} within ${READY_MS} ms`);
    await delay(20);
  }
}

function startNode(binary: string, place: Place, configPath: string): NatsNode {
  const log: string[] = [];
  let child: ChildProcess | undefined;
  const killNow = (): void => {
    child?.kill('SIGKILL');
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const running = child;
    if (!running) return;
    const exited = running.exitCode === null && running.signalCode === null ? once(running, 'exit') : undefined;
    running.kill(signal);
    await exited;
    child = undefined;
    process.off('exit', killNow);
  };
  return {
    name: place.name,
    url: `nats://127.0.0.1:${place.port}`,
    log,
    get isRunning() {
      return child !== undefined;
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    async start() {
      const started = spawn(binary, ['-c', configPath], { stdio: ['ignore', 'ignore', 'pipe'] });
      child = started;
      process.on('exit', killNow);
      createInterface({ input: started.stderr }).on('line', (line) => log.push(line));
      await until(`nats-server ${place.name} does not answer (${configPath})`, async () => {
        if (started.exitCode !== null) throw new Error(`nats-server ended: ${log.slice(-3).join(' | ')}`);
        return (await knownServers(place.port)) > 0;
      });
    },
  };
}

/** Starts servers and waits until clients can connect, and the servers of a cluster know one another. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServers> {
  const { path } = await resolveBinary('nats-server', { download: true });
  const count = options.cluster ?? 1;
  const folder = mkdtempSync(join(tmpdir(), 'weft-nats-'));
  const ports = await freePorts(2 * count);
  const places = Array.from({ length: count }, (_, index) => {
    return { name: `n${index + 1}`, port: ports[2 * index] as number, routePort: ports[2 * index + 1] as number };
  });
  const nodes = places.map((place) => {
    const configPath = join(folder, `${place.name}.conf`);
    mkdirSync(join(folder, place.name));
    writeFileSync(configPath, configOf(place, places, folder, options));
    return startNode(path, place, configPath);
  });
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.kill()));
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await Promise.all(nodes.map((node) => node.start()));
    const meet = (port: number): Promise<void> =>
      until('the nats-servers do not meet', async () => (await knownServers(port)) === count);
    await Promise.all(places.map(({ port }) => meet(port)));
  } catch (thrown) {
    await close();
    throw thrown;
  }
  return { nodes, urls: nodes.map(({ url }) => url), close };
}
