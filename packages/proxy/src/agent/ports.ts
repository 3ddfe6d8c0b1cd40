/** The ports of a workload's proxy: picked from 15000 … 19999, the same after a restart where they are free. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WeftError } from '@weft/contracts/error';
import { type AgentFolder, isRunning, ownRecord } from './folder.ts';
import { byOwner } from './port-owner.ts';

export interface ProxyPorts {
  /** Where other proxies connect; of a workload without an application port nothing listens there. */
  readonly inbound: number;
  /** HTTP_PROXY, at 127.0.0.1. */
  readonly outbound: number;
  /** The data plane's admin endpoint, at 127.0.0.1. */
  readonly admin: number;
}

const FIRST = 15_000;
const COUNT = 5000;
const FILE = 'ports.json';

/** Whether something could listen on the port now, on `host`. */
function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * Ports of the machine that agents have picked and their data planes do not listen on yet: files of the port's number with
 * the agent's process in them, in a folder that all agents of a user share.
 */
class Reservations {
  readonly #folder = join(tmpdir(), `weft-ports-${process.getuid?.() ?? 0}`);
  readonly #own = new Set<number>();

  reserve(port: number): boolean {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const path = join(this.#folder, String(port));
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        writeFileSync(path, ownRecord(), { flag: 'wx', mode: 0o600 });
        this.#own.add(port);
        return true;
      } catch {
        if (this.#isHeld(path)) return false;
        rmSync(path, { force: true });
      }
    }
    return false;
  }

  #isHeld(path: string): boolean {
    try {
      return isRunning(readFileSync(path, 'utf8'));
    } catch {
      // It was given up between the two looks at it.
      return false;
    }
  }

  release(): void {
    for (const port of this.#own) rmSync(join(this.#folder, String(port)), { force: true });
    this.#own.clear();
  }
}

export interface PickedPorts {
  readonly ports: ProxyPorts;
  /** Gives the ports up for other agents of this machine. */
  release(): void;
}

function parsePorts(content: Buffer | undefined): readonly number[] {
  if (!content) return [];
  let kept: Partial<ProxyPorts>;
  try {
    kept = (JSON.parse(content.toString()) as Partial<ProxyPorts> | null) ?? {};
  } catch {
    // Damaged: others are picked.
    return [];
  }
  const ports = [kept.inbound, kept.outbound, kept.admin];
  return ports.filter((port) => port !== undefined && port >= FIRST && port < FIRST + COUNT) as readonly number[];
}

/** How long the processes of an agent that was killed may take to end. */
const FORMER_MS = 5000;

/** Waits until nothing of a former run listens any more: on the ports that its proxy had, nor where its application was. */
export async function awaitFormer(folder: AgentFolder, port: number | undefined): Promise<void> {
  const ports = [...parsePorts(folder.read(FILE)), ...(port === undefined ? [] : [port])];
  const endAt = performance.now() + FORMER_MS;
  for (const former of ports) {
    while (performance.now() < endAt && !(await isFree(former, '0.0.0.0'))) await delay(50);
  }
}

/** Picks three free ports, beginning with those of the last run and else with a hash of the workload's name. */
export async function pickPorts(folder: AgentFolder, name: string, taken: readonly number[]): Promise<PickedPorts> {
  const reservations = new Reservations();
  const start = createHash('sha256').update(name).digest().readUInt32BE(0) % COUNT;
  const candidates = [...parsePorts(folder.read(FILE))];
  for (let step = 0; step < COUNT; step++) candidates.push(FIRST + ((start + step) % COUNT));
  const found: number[] = [];
  for (const port of candidates) {
    if (found.length === 3) break;
    if (found.includes(port) || taken.includes(port) || !(await isFree(port, '0.0.0.0'))) continue;
    if (reservations.reserve(port)) found.push(port);
  }
  const [inbound, outbound, admin] = found;
  if (inbound === undefined || outbound === undefined || admin === undefined) {
    reservations.release();
    throw new WeftError(
      'RESOURCE_EXHAUSTED',
      `no three ports of ${FIRST} to ${FIRST + COUNT - 1} are free for a proxy`,
    );
  }
  const ports: ProxyPorts = { inbound, outbound, admin };
  folder.write(FILE, `${JSON.stringify(ports)}\n`);
  return { ports, release: () => reservations.release() };
}

/** Whether something accepts connections at 127.0.0.1. */
export function accepts(port: number, timeoutMs = 1000): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(timeoutMs, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

/** Throws `WeftError` ALREADY_EXISTS when the port of an upstream is in use. */
export async function checkUpstreamPort(service: string, port: number): Promise<void> {
  if (await isFree(port, '127.0.0.1')) return;
  throw new WeftError(
    'ALREADY_EXISTS',
    `port ${port} of 127.0.0.1, which upstream ${service} was to have, is in use${byOwner(port)}: ` +
      `give the upstream another port, --upstream ${service}:<port>`,
  );
}

/** Throws `WeftError` ALREADY_EXISTS when something listens where the application is going to. */
export async function checkApplicationPort(port: number): Promise<void> {
  if (!(await accepts(port))) return;
  throw new WeftError(
    'ALREADY_EXISTS',
    `port ${port}, which the application was to have, is in use${byOwner(port)}: stop that, or let the application ` +
      'listen elsewhere and name its port with --port',
  );
}
