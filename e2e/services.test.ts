import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { startNats } from '@weft/bus/testing';
import { type Answer, ask, DATA_PLANES, freePort, type Mesh, openMesh, type Process, until } from './harness.ts';

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
  const processes = new Map<Service, Process>();
  const start = async (service: Service): Promise<void> => {
    const { node, http } = ports[service];
    const listen = service === 'api' ? ['--admin-listen', `127.0.0.1:${node}`] : ['--listen', `127.0.0.1:${node}`];
    const nats = natsUrls.flatMap((url) => ['--nats', url]);
    const own = ['service', service, ...nats, ...listen, '--http-listen', `127.0.0.1:${http}`];
    const flags = service === 'ca' ? ['--state', join(mesh.folder, 'ca'), '--join-token-file', tokenFile] : [];
    const started = mesh.start([...own, ...flags]);
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

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane}: each service alone on NATS is killed and started again while traffic flows, and no request fails`, async (t) => {
    const mesh = openMesh(t, dataPlane); // ends before the bus does
    const nats = await startNats();
    t.after(() => nats.close());
    const services = await startServices(mesh, nats.urls);
    const { env } = services;
    const web = await mesh.run('web', { calls: ['stock'], env });
    await mesh.run('stock', { env });
    const url = `http://127.0.0.1:${web.port}/`;
    await until(
      'a first answer',
      async () => {
        const answer = await ask(url).catch(() => undefined);
        return answer?.status === 200 ? true : undefined;
      },
      30_000,
      web.process.text,
    );

    const agent = new Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    const answers: Answer[] = [];
    let running = true;
    const lanes = Array.from({ length: 3 }, async () => {
      while (running) {
        answers.push(await ask(url, { agent }));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    });
    const further = (count: number) => {
      const goal = answers.length + count;
      return until(`${count} more answers`, () => (answers.length >= goal ? true : undefined));
    };
    for (const service of SERVICES) {
      await services.process(service).kill();
      await further(30);
      await services.start(service);
      await further(30);
    }
    // What is new arrives after all of that: registrations, routes, identities.
    const late = await mesh.run('late', { calls: ['stock'], env });
    await until(
      'an answer of a late workload',
      async () => {
        const answer = await ask(`http://127.0.0.1:${late.port}/`).catch(() => undefined);
        return answer?.status === 200 ? true : undefined;
      },
      30_000,
      late.process.text,
    );
    running = false;
    await Promise.all(lanes);
    assert.deepEqual(
      answers.filter(({ status }) => status !== 200),
      [],
    );

    const status = await mesh.start(['status'], { env }).ended;
    assert.match(status.out, /acknowledged by 3 of 3 proxies/);
    assert.equal(status.code, 0, status.err + status.out);
  });
}
