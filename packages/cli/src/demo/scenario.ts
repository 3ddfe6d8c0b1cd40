/** What the demo does to a mesh under traffic, and what it measures. */
import { Agent } from 'node:http';
import type { RolloutStatus } from '@weft/contracts/admin';
import { WeftError } from '@weft/contracts/error';
import { memoryOf, type Started, until } from './process.ts';
import type { Shop, Workload } from './shop.ts';
import { type Answer, ask, startTraffic, type Traffic, versionsIn } from './traffic.ts';

export interface Findings {
  readonly first200Ms: number;
  readonly requests: number;
  /** Requests without a 200, but for those in flight on an instance as it was killed. */
  readonly failed: number;
  /** Requests that were in flight as an instance was killed, and failed. */
  readonly lostWithInstance: number;
  readonly canaryAppliedMs: number;
  readonly peerIdentities: readonly string[];
  readonly revision: number;
  readonly acknowledged: number;
  readonly proxies: number;
  readonly memoryMiB: Memory | undefined;
}

export interface Memory {
  readonly controlPlane: number;
  readonly sidecar: number;
  readonly sidecarPrivate: number;
}

export type Tell = (text: string) => void;

const SERVICES = ['ca', 'discovery', 'xds-server', 'telemetry', 'api'];

function route(weights: Readonly<Record<'v1' | 'v2', number>>): readonly object[] {
  const version = (name: 'v1' | 'v2'): object => ({
    apiVersion: 'weft.mesh/v1',
    kind: 'Service',
    metadata: { name: `stock-${name}` },
    spec: { selector: { service: 'stock', version: name } },
  });
  const backendRefs = (['v1', 'v2'] as const).map((name) => ({ name: `stock-${name}`, weight: weights[name] }));
  return [
    version('v1'),
    version('v2'),
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'stock-canary' },
      spec: { parentRefs: [{ group: '', kind: 'Service', name: 'stock' }], rules: [{ backendRefs }] },
    },
  ];
}

/** Applies resources and resolves when every proxy has acknowledged them. */
async function apply(shop: Shop, resources: readonly object[], reason: string): Promise<RolloutStatus> {
  const documents = resources.map((resource, index) => ({ source: `demo#${index}`, json: JSON.stringify(resource) }));
  const request = { documents, deletions: [], author: 'weft demo', reason, dryRun: false };
  const { violations, revision } = await shop.admin().apply(request);
  if (violations.length > 0)
    throw new WeftError('INTERNAL', `the demo's resources were refused: ${violations[0]?.message}`);
  let newest: RolloutStatus | undefined;
  for await (const status of shop.admin().watchRollout({ revision }, { timeoutMs: 10_000 })) newest = status;
  if (!newest) throw new WeftError('INTERNAL', 'nobody told how far the proxies are');
  return newest;
}

async function readyWorkloads(shop: Shop, service: string, count: number, needed: readonly Started[]): Promise<void> {
  await until(`${count} ready workloads of ${service}`, 30_000, needed, async () => {
    const { workloads } = await shop.admin().listWorkloads({ namespace: 'default', service });
    const ready = workloads.filter(({ health }) => health === 'READY').length;
    return ready === count ? true : undefined;
  });
}

/** Resolves with the first 200 that came through `web`. */
async function first200(url: string, needed: readonly Started[]): Promise<Answer> {
  const agent = new Agent({ keepAlive: false });
  return until('a first answer through the mesh', 30_000, needed, async () => {
    const answer = await ask(url, agent);
    return answer.status === 200 ? answer : undefined;
  });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Scene {
  readonly shop: Shop;
  readonly tell: Tell;
  readonly traffic: Traffic;
}

/** From now on, how many requests ended, and how many of those without a 200. */
function tally({ traffic }: Scene, from: number): { readonly requests: number; readonly failed: readonly Answer[] } {
  const since = traffic.answers.slice(from);
  return { requests: since.length, failed: since.filter(({ status }) => status !== 200) };
}

async function step(scene: Scene, what: string, act: () => Promise<void>): Promise<void> {
  const from = scene.traffic.answers.length;
  const start = performance.now();
  await act();
  await pause(300); // what the step upset shows in the requests after it
  const { requests, failed } = tally(scene, from);
  const took = `${Math.round(performance.now() - start)} ms`;
  scene.tell(`  ${what.padEnd(48)} ${took.padStart(8)}  ${requests} requests, ${failed.length} failed`);
  for (const { status, body } of failed.slice(0, 3)) scene.tell(`    ${status} ${body.slice(0, 200).trim()}`);
}

/** Applies the canary and resolves with how long it took until it was everywhere and version 2 answered. */
async function canary(scene: Scene): Promise<number> {
  const start = performance.now();
  const from = scene.traffic.answers.length;
  const rollout = apply(scene.shop, route({ v1: 90, v2: 10 }), 'one of ten to version 2');
  await until(
    'an answer of version 2',
    10_000,
    [],
    () => scene.traffic.answers.slice(from).some(({ body }) => versionsIn(body, 'stock').includes('v2')) || undefined,
  );
  await rollout;
  return Math.round(performance.now() - start);
}

function share(scene: Scene, from: number): string {
  const versions = scene.traffic.answers.slice(from).flatMap(({ body }) => versionsIn(body, 'stock'));
  const second = versions.filter((version) => version === 'v2').length;
  return versions.length === 0 ? 'none' : `${Math.round((100 * second) / versions.length)} %`;
}

async function identities(shop: Shop): Promise<readonly string[]> {
  const { edges } = await shop.admin().listEdges({ source: '', destination: '' });
  const found = edges.flatMap((edge) => [...edge.sourceIdentities, ...edge.destinationIdentities]);
  return [...new Set(found)].sort();
}

function measureMemory(shop: Shop, sidecar: Workload): Memory | undefined {
  const controlPlane = memoryOf(shop.controlPlane().pid);
  const beside = memoryOf(sidecar.process.pid);
  if (!controlPlane || !beside) return undefined;
  const round = (value: number): number => Math.round(value * 10) / 10;
  return {
    controlPlane: round(controlPlane.resident),
    sidecar: round(beside.resident),
    sidecarPrivate: round(beside.private),
  };
}

/** Starts the shop in `shop`, plays the scenario and gives the findings; the caller stops the shop. */
export async function play(shop: Shop, startedAt: number, tell: Tell): Promise<Findings> {
  await shop.startControlPlane();
  const [web, stock] = await Promise.all([
    shop.startWorkload('web', 'v1', ['stock']),
    shop.startWorkload('stock', 'v1', []),
  ]);
  const url = `http://127.0.0.1:${web.port}/`;
  const needed = [shop.controlPlane(), web.process, stock.process];
  const first = await first200(url, needed);
  const first200Ms = Math.round(first.endedAt - startedAt);
  tell(`  first 200 through mutual TLS after ${first200Ms} ms`);

  await apply(shop, route({ v1: 100, v2: 0 }), 'all to version 1');
  const second = await shop.startWorkload('stock', 'v1', []);
  const next = await shop.startWorkload('stock', 'v2', []);
  await readyWorkloads(shop, 'stock', 3, [stock.process, second.process, next.process]);
  await pause(1500);
  const memoryMiB = measureMemory(shop, next);

  const scene: Scene = { shop, tell, traffic: startTraffic(url, 6, 20) };
  let canaryAppliedMs = 0;
  const death = { fromMs: 0, toMs: 0 };
  await step(scene, 'traffic', () => pause(1000));
  await step(scene, 'canary by apply: 10 % to version 2', async () => {
    canaryAppliedMs = await canary(scene);
  });
  const from = scene.traffic.answers.length;
  await step(scene, 'traffic over the canary', () => pause(2000));
  tell(`    version 2 answered ${share(scene, from)}; the change was everywhere after ${canaryAppliedMs} ms`);
  await step(scene, 'one instance of stock drained (SIGTERM)', async () => {
    await second.process.stop();
  });
  await shop.startWorkload('stock', 'v1', []);
  await readyWorkloads(shop, 'stock', 3, []);
  await step(scene, 'one instance of stock killed (SIGKILL)', async () => {
    death.fromMs = performance.now();
    await stock.process.kill();
    death.toMs = performance.now();
    await pause(1000);
  });
  for (const service of SERVICES) {
    await step(scene, `${service} restarted`, () => shop.controlPlane().request(`restart ${service}`));
  }
  await step(scene, 'the whole control plane killed and started', async () => {
    await shop.controlPlane().kill();
    await pause(300);
    await shop.startControlPlane();
  });
  await scene.traffic.stop();
  return conclude(shop, scene, { first200Ms, canaryAppliedMs, memoryMiB, death });
}

interface Measured {
  readonly first200Ms: number;
  readonly canaryAppliedMs: number;
  readonly memoryMiB: Memory | undefined;
  /** From the kill of an instance until nothing of it was left. */
  readonly death: { readonly fromMs: number; readonly toMs: number };
}

async function conclude(shop: Shop, { traffic }: Scene, measured: Measured): Promise<Findings> {
  const rollout = await until('the acknowledgement by all proxies', 15_000, [shop.controlPlane()], async () => {
    const status = await shop.admin().getStatus({});
    return status.proxies >= 3 && status.acknowledged === status.proxies ? status : undefined;
  });
  const bad = traffic.answers.filter(({ status }) => status !== 200);
  const inFlight = bad.filter(
    ({ startedAt, endedAt }) => startedAt <= measured.death.toMs && endedAt >= measured.death.fromMs,
  );
  return {
    first200Ms: measured.first200Ms,
    requests: traffic.answers.length,
    failed: bad.length - inFlight.length,
    lostWithInstance: inFlight.length,
    canaryAppliedMs: measured.canaryAppliedMs,
    peerIdentities: await identities(shop),
    revision: rollout.revision,
    acknowledged: rollout.acknowledged,
    proxies: rollout.proxies,
    memoryMiB: measured.memoryMiB,
  };
}
