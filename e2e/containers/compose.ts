/** The mesh of docker-compose.yml, brought up through testcontainers: its containers, its shops, its admin API. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Agent } from 'node:http';
import { fileURLToPath } from 'node:url';
import { DockerComposeEnvironment, type StartedDockerComposeEnvironment, type WaitStrategy } from 'testcontainers';
import { type Answer, ask, freePort, until } from '../harness.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ENTRY = fileURLToPath(new URL('../../packages/cli/bin/weft.mjs', import.meta.url));
const UP_TIMEOUT_MS = 120_000;

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a program to its end; a code other than 0 is no error here. */
function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program, args, { env, cwd: ROOT, timeout: 120_000, maxBuffer: 16 << 20 }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, out, err: err || (error?.message ?? '') });
    });
  });
}

/** A docker command that must succeed; gives what it printed. */
export async function docker(...args: string[]): Promise<string> {
  const { code, out, err } = await run('docker', args);
  if (code !== 0) throw new Error(`docker ${args.join(' ')} ended with ${code}: ${err.trim()}`);
  return out.trim();
}

/** Compose as docker's plugin or, where docker has none, as the program docker-compose. */
async function executable(): Promise<{ readonly standalone: true } | { readonly executablePath: string }> {
  const { code } = await run('docker', ['compose', 'version']);
  return code === 0 ? { executablePath: 'docker' } : { standalone: true };
}

export interface Options {
  readonly profiles?: readonly string[];
  /** Groups of services, each started once the one before it was, without what they depend on. Default: as compose does. */
  readonly order?: readonly (readonly string[])[];
}

export type DataPlane = 'weft' | 'envoy';

export interface Compose {
  /** What compose calls the project; containers, networks and volumes carry it as label. */
  readonly project: string;
  /** A request to the shop's `web`. */
  ask(dataPlane: DataPlane, agent?: Agent): Promise<Answer>;
  /** The ids of the containers of a service, stopped ones as well; of all without a name. */
  containers(service?: string): Promise<readonly string[]>;
  /** The container of a service. */
  container(service: string): Promise<string>;
  /** The command `weft` of this checkout, through the published admin port. */
  weft(...args: string[]): Promise<Ended>;
  /** What the containers logged last. */
  logs(): Promise<string>;
  /** Ends everything and removes it, volumes too. */
  down(): Promise<void>;
}

interface Ports {
  readonly weft: number;
  readonly envoy: number;
  readonly admin: number;
  readonly metrics: number;
}

async function freePorts(): Promise<Ports> {
  const [weft = 0, envoy = 0, admin = 0, metrics = 0] = await Promise.all(Array.from({ length: 4 }, freePort));
  return { weft, envoy, admin, metrics };
}

/** The tests say themselves what they wait for. */
class NoWait implements WaitStrategy {
  waitUntilReady(): Promise<void> {
    return Promise.resolve();
  }
  withStartupTimeout(): this {
    return this;
  }
  isStartupTimeoutSet(): boolean {
    return true;
  }
  getStartupTimeout(): number {
    return UP_TIMEOUT_MS;
  }
}

/** Brings up docker-compose.yml as a project with ports of its own, so that it is in nobody's way. */
export async function composeUp({ profiles = [], order }: Options = {}): Promise<Compose> {
  // Its helper image that removes what is left over cannot be pulled everywhere; `down` removes it.
  process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true';
  const project = `${process.env.WEFT_E2E_PROJECT ?? 'weft-e2e'}-${randomBytes(4).toString('hex')}`;
  const ports = await freePorts();
  const token = randomBytes(24).toString('base64url');
  const environment = new DockerComposeEnvironment(ROOT, 'docker-compose.yml')
    .withProjectName(project)
    .withDefaultWaitStrategy(new NoWait())
    .withClientOptions({ executable: await executable(), commandOptions: order ? ['--no-deps'] : [] })
    .withProfiles(...profiles)
    .withEnvironment({
      WEFT_SHOP_PORT: String(ports.weft),
      WEFT_SHOP_ENVOY_PORT: String(ports.envoy),
      WEFT_ADMIN_PORT: String(ports.admin),
      WEFT_METRICS_PORT: String(ports.metrics),
      WEFT_ADMIN_LISTEN: '0.0.0.0:7445',
      WEFT_ADMIN_TOKEN: token,
    });
  const [first, ...others] = order ?? [undefined];
  let started = await environment.up(first && [...first]);
  for (const services of others) started = await environment.up(services && [...services]);
  const cliEnv = { ...process.env, WEFT_API: `127.0.0.1:${ports.admin}`, WEFT_ADMIN_TOKEN: token };
  return composeOf(project, ports, cliEnv, started);
}

function composeOf(
  project: string,
  ports: Ports,
  cliEnv: NodeJS.ProcessEnv,
  started: StartedDockerComposeEnvironment,
): Compose {
  const containers = async (service?: string): Promise<readonly string[]> => {
    const labels = [`project=${project}`, ...(service === undefined ? [] : [`service=${service}`])];
    const filters = labels.flatMap((label) => ['--filter', `label=com.docker.compose.${label}`]);
    return (await docker('ps', '--all', '--quiet', '--no-trunc', ...filters)).split('\n').filter(Boolean);
  };
  return {
    project,
    containers,
    ask: (dataPlane, agent) => ask(`http://127.0.0.1:${ports[dataPlane]}/`, agent ? { agent } : {}),
    async container(service) {
      const [id, ...more] = await containers(service);
      if (id === undefined || more.length > 0) throw new Error(`${service} has ${more.length} containers beside ${id}`);
      return id;
    },
    weft: (...args) => run(process.execPath, ['--disable-warning=ExperimentalWarning', ENTRY, ...args], cliEnv),
    async logs() {
      const all = (await containers()).map(async (id) => {
        const name = await docker('inspect', '--format', '{{.Name}} {{.State.Status}} {{.State.ExitCode}}', id);
        const { out, err } = await run('docker', ['logs', '--tail', '30', id]);
        return `--- ${name}\n${out}${err}`;
      });
      return (await Promise.all(all)).join('\n');
    },
    async down() {
      await started.down({ timeout: 60_000, removeVolumes: true });
    },
  };
}

/** Resolves when the shop of each data plane answers 200. */
export async function shopIsOpen(compose: Compose, dataPlanes: readonly DataPlane[]): Promise<void> {
  const deadline = AbortSignal.timeout(UP_TIMEOUT_MS);
  for (const dataPlane of dataPlanes) {
    for (;;) {
      const answer = await compose.ask(dataPlane).catch(() => undefined);
      if (answer?.status === 200) break;
      if (deadline.aborted) {
        const last = answer ? `${answer.status} ${answer.body}` : 'nothing';
        throw new Error(`the shop with ${dataPlane} does not open; it answers ${last}\n${await compose.logs()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** Runs `weft <args>` until it succeeds, and gives what it printed. */
export async function succeed(compose: Compose, ...args: string[]): Promise<string> {
  let last: Ended = { code: 0, out: '', err: '' };
  const attempt = async () => {
    last = await compose.weft(...args);
    return last.code === 0 ? last.out : undefined;
  };
  return until(`weft ${args.join(' ')}`, attempt, 60_000, () => `it says: ${last.out}${last.err}`);
}

/** Resolves when so many workloads are ready, each with a proxy that is up to date, and nothing is amiss. */
export async function settled(compose: Compose, count: number): Promise<void> {
  const look = async () => {
    const status = await succeed(compose, 'status');
    const workloads = JSON.parse(await succeed(compose, 'get', 'workloads', '-o', 'json')) as { health: string }[];
    const ready = workloads.filter(({ health }) => health === 'READY').length;
    return ready === count && status.includes(`acknowledged by ${count} of ${count} proxies`) ? true : undefined;
  };
  await until(`a mesh of ${count} workloads that is up to date`, look, 60_000);
}

export interface Traffic {
  /** Resolves when so many more answers have come from each shop. */
  further(count: number): Promise<void>;
  /** Stops it and gives what failed: answers other than 200, and requests without one. */
  failures(): Promise<readonly string[]>;
}

/** Clients that ask each shop one request after another, until they are stopped. */
export function startTraffic(compose: Compose, dataPlanes: readonly DataPlane[]): Traffic {
  const agent = new Agent({ keepAlive: true });
  const counts = new Map<DataPlane, number>(dataPlanes.map((dataPlane) => [dataPlane, 0]));
  const failed: string[] = [];
  let running = true;
  const one = async (dataPlane: DataPlane): Promise<void> => {
    const at = new Date().toISOString().slice(11, 23);
    try {
      const { status, body } = await compose.ask(dataPlane, agent);
      if (status !== 200) failed.push(`${at} ${dataPlane}: ${status} ${body.trim()}`);
    } catch (thrown) {
      failed.push(`${at} ${dataPlane}: ${thrown}`);
    }
    counts.set(dataPlane, (counts.get(dataPlane) ?? 0) + 1);
  };
  const lanes = [...dataPlanes, ...dataPlanes].map(async (dataPlane) => {
    while (running) {
      await one(dataPlane);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  });
  return {
    async further(count) {
      const goals = new Map([...counts].map(([dataPlane, done]) => [dataPlane, done + count]));
      const isReached = () => [...goals].every(([dataPlane, goal]) => (counts.get(dataPlane) ?? 0) >= goal);
      await until(
        `${count} more answers`,
        () => (isReached() ? true : undefined),
        60_000,
        () => failed.join('\n'),
      );
    },
    async failures() {
      running = false;
      await Promise.all(lanes);
      agent.destroy();
      return failed;
    },
  };
}
