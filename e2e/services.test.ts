import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { startNats } from '@weft/bus/testing';
import { ask, DATA_PLANES, freePort, type Mesh, openMesh, type Process, until } from './harness.ts';
import { firstAnswer, startTraffic } from './traffic.ts';

const SERVICES = ['ca', 'discovery', 'xds-server', 'telemetry', 'api'] as const;
type Service = (typeof SERVICES)[number];

interface ControlPlane {
  readonly env: Readonly<Record<string, string>>;
  start(service: Service): Promise<void>;
  process(service: Service): Process;
}

/** The five services as five processes on one NATS. */
async function startServices(mesh: Mesh, natsUrls: readonly string[]): Promise<ControlPlane> {
  const ports = Object.fromEntries(
    await Promise.all(
      SERVICES.map(async (service) => [service, { node: await freePort(), http: await freePort() }] as const),
    ),
  ) as Record<Service, { readonly node: number; readonly http: number }>;
  const tokenFile = join(mesh.folder, 'join-token');
  const own = (service: Service): readonly string[] => {
    if (service === 'ca') return ['--state', join(mesh.folder, 'ca'), '--join-token-file', tokenFile];
    return service === 'discovery' ? ['--expires-after', '6s'] : [];
  };
  const processes = new Map<Service, Process>();
  const start = async (service: Service): Promise<void> => {
    const { node, http } = ports[service];
    const listen = service === 'api' ? ['--admin-listen', `127.0.0.1:${node}`] : ['--listen', `127.0.0.1:${node}`];
    const nats = natsUrls.flatMap((url) => ['--nats', url]);
    const common = ['service', service, ...nats, ...listen, '--http-listen', `127.0.0.1:${http}`];
    const started = mesh.start([...common, ...own(service)]);
    processes.set(service, started);
    const isReady = async () => {
      const answer = await ask(`http://127.0.0.1:${http}/ready`).catch(() => undefined);
      return answer?.status === 200 ? true : undefined;
    };
    await until(`${service} ready`, isReady, 30_000, started.text);
  };
  await Promise.all(SERVICES.map(start));
  return {
    env: {
      WEFT_JOIN: `127.0.0.1:${ports.ca.node}`,
      WEFT_JOIN_TOKEN_FILE: tokenFile,
      WEFT_API: `127.0.0.1:${ports.api.node}`,
    },
    start,
    process(service) {
      const found = processes.get(service);
      assert.ok(found);
      return found;
    },
  };
}

/** Runs a command to its end until it succeeds, and gives what it printed. */
function succeed(mesh: Mesh, env: ControlPlane['env'], ...args: string[]): Promise<string> {
  let last = '';
  const attempt = async () => {
    const { code, out, err } = await mesh.start(args, { env }).ended;
    last = out + err;
    return code === 0 ? out : undefined;
  };
  return until(`weft ${args.join(' ')}`, attempt, 30_000, () => last);
}

const CANARY = join(import.meta.dirname, '../examples/shop/canary.yaml');

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane}: each service alone on NATS is killed and started again while traffic flows, and no request fails`, async (t) => {
    const mesh = openMesh(t, dataPlane); // ends before the bus does
    const nats = await startNats();
    t.after(() => nats.close());
    const services = await startServices(mesh, nats.urls);
    const { env } = services;
    const web = await mesh.run('web', { calls: ['stock'], env });
    await Promise.all([mesh.run('stock', { env }), mesh.run('stock', { version: 'v2', env })]);
    await firstAnswer(web);
    await succeed(mesh, env, 'apply', '-f', CANARY);

    const traffic = startTraffic(t, `http://127.0.0.1:${web.port}/`);
    for (const service of SERVICES) {
      await services.process(service).kill();
      await traffic.further(30);
      await services.start(service);
      await traffic.further(30);
    }
    await nats.nodes[0]?.kill();
    await traffic.further(30);
    await nats.nodes[0]?.start();
    await traffic.further(30);
    // Nothing was lost, and what is new arrives after all of that: registrations, routes, identities.
    await firstAnswer(await mesh.run('late', { calls: ['stock'], env }));
    const routes = await succeed(mesh, env, 'get', 'routes');
    assert.match(routes, /HTTPRoute\/stock-canary +1 /);
    const deleted = await succeed(mesh, env, 'delete', 'HTTPRoute/stock-canary');
    assert.match(deleted, /revision 2; acknowledged by 4 of 4 proxies/);
    assert.deepEqual(await traffic.failures(), []);
    assert.match(await succeed(mesh, env, 'status'), /revision +2; acknowledged by 4 of 4 proxies/);
  });

  test(`${dataPlane}: an instance drained while ca, discovery or xds-server is away loses no request, and is not served after`, async (t) => {
    const mesh = openMesh(t, dataPlane);
    const nats = await startNats();
    t.after(() => nats.close());
    const services = await startServices(mesh, nats.urls);
    const { env } = services;
    const web = await mesh.run('web', { calls: ['stock'], env });
    const [, ...leaving] = await Promise.all(
      ['stays', 'ca', 'discovery', 'xds-server'].map((version) => mesh.run('stock', { version, env })),
    );
    await firstAnswer(web);
    const readyStocks = async (count: number) => {
      const workloads: unknown[] = JSON.parse(await succeed(mesh, env, 'get', 'workloads', '-o', 'json'));
      const ready = workloads.filter((one) => /"service":"stock".*"health":"READY"/.test(JSON.stringify(one)));
      return ready.length === count ? true : undefined;
    };
    await until('four instances of stock', () => readyStocks(4));

    const traffic = startTraffic(t, `http://127.0.0.1:${web.port}/`);
    await traffic.further(30);
    for (const [index, service] of (['ca', 'discovery', 'xds-server'] as const).entries()) {
      await services.process(service).kill();
      assert.equal((await leaving[index]?.process.stop())?.code, 0);
      await traffic.further(30);
      await services.start(service);
      await until(`${service}: its instance is gone`, () => readyStocks(3 - index));
      await traffic.further(30);
    }
    assert.deepEqual(await traffic.failures(), []);
  });
}
