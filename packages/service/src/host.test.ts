import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Bus } from '@weft/bus';
import { states } from '@weft/contracts/bus';
import { Identity } from '@weft/contracts/node';
import { type Channel, connect, fixedTls } from '@weft/rpc';
import { Counter } from 'prom-client';
import { type Host, type HostedService, type HostOptions, openHost } from './host.ts';
import { createLogger } from './log.ts';
import { ANSWER, eventually, type FakeCa, fakeService, openBus, runFakeCa } from './testing.ts';

let bus: Bus;
const hosts: Host[] = [];
const channels: Channel[] = [];

beforeEach(async () => {
  bus = await openBus();
});
afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close();
  for (const host of hosts.splice(0)) await host.stop();
  await bus.close();
});

async function open(services: HostOptions['services'], more: Partial<HostOptions> = {}): Promise<Host> {
  const host = await openHost({
    bus,
    log: createLogger({ name: 'test', level: 'silent' }),
    services,
    nodeListen: '127.0.0.1:0',
    adminListen: '127.0.0.1:0',
    httpListen: '127.0.0.1:0',
    version: '1.2.3',
    ...more,
  });
  host.listening.catch(() => undefined);
  hosts.push(host);
  return host;
}

function client(host: Host, ca: FakeCa) {
  const source = fixedTls({ chainPem: '', keyPem: '', rootsPem: [ca.rootPem] });
  const channel = connect({ addresses: [host.nodeAddress() ?? ''], tls: { source, expect: () => true } });
  channels.push(channel);
  return channel.client(Identity);
}

const JOIN = { token: '', namespace: '', serviceAccount: '', csr: Buffer.alloc(0), nowMs: 0 };

async function get(host: Host, path: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`http://${host.httpAddress()}${path}`);
  return { status: response.status, text: await response.text() };
}

describe('a process of the control plane', () => {
  test('opens its node port with a certificate that ca issued', async () => {
    const ca = await runFakeCa(bus);
    const host = await open([fakeService('discovery').hosted]);
    await host.listening;
    assert.deepEqual(await client(host, ca).join(JOIN), ANSWER);
    await assert.rejects(client(host, ca).renew({ csr: Buffer.alloc(0), nowMs: 0 }), { code: 'UNAUTHENTICATED' });
  });

  test('waits for ca, says so, and becomes ready by itself', async () => {
    const host = await open([fakeService('discovery').hosted]);
    assert.deepEqual(await get(host, '/live'), { status: 200, text: 'live\n' });
    await eventually('the reason', () => host.notReadyBecause().some((reason) => /certificate from ca/.test(reason)));
    const { status, text } = await get(host, '/ready');
    assert.equal(status, 503);
    assert.match(text, /^the node port is not open yet: it waits for a certificate from ca\n$/);
    await runFakeCa(bus);
    await host.listening;
    assert.deepEqual(await get(host, '/ready'), { status: 200, text: 'ready\n' });
  });

  test('tells each reason of each service on a line', async () => {
    await runFakeCa(bus);
    const [some, other] = [fakeService('discovery'), fakeService('telemetry')];
    const start: HostedService['start'] = async (context) => {
      const running = await other.hosted.start(context);
      return { ...running, node: [], notReadyBecause: () => running.notReadyBecause() };
    };
    const quiet = { name: 'telemetry', start } as const;
    const host = await open([some.hosted, quiet]);
    await host.listening;
    some.notReady = 'it reads the registry';
    other.notReady = 'the disk is full';
    const { status, text } = await get(host, '/ready');
    assert.equal(status, 503);
    assert.equal(text, 'discovery: it reads the registry\ntelemetry: the disk is full\n');
  });

  test('is told of on the bus while it runs, and not after that', async () => {
    await runFakeCa(bus);
    const fake = fakeService('discovery');
    const host = await open([fake.hosted], { advertise: 'discovery.example:7442' });
    await host.listening;
    const instances = bus.state(states.instances);
    await eventually('the entry', async () => (await instances.list()).length === 1);
    const [entry] = await instances.list();
    assert.equal(entry?.key, `discovery/${fake.contexts[0]?.instanceId}`);
    assert.equal(entry.value.address, 'discovery.example:7442');
    assert.equal(entry.value.version, '1.2.3');
    assert.equal(entry.value.notReadyBecause, '');
    fake.notReady = 'busy';
    await eventually('the change', async () => (await instances.list())[0]?.value.notReadyBecause === 'busy');
    await host.stop();
    assert.deepEqual(await instances.list(), []);
  });

  test('clears away what a killed process left on a bus of one process', async () => {
    const left = {
      id: 'x',
      service: 'ca',
      address: 'old:1',
      startedAtMs: 0,
      seenAtMs: Date.now(),
      notReadyBecause: '',
      version: '',
    };
    await bus.state(states.instances).put('ca/x', left);
    await runFakeCa(bus);
    const host = await open([fakeService('discovery').hosted]);
    await host.listening;
    await eventually('it to be gone', async () => !(await bus.state(states.instances).get('ca/x')));
  });

  test('shows the metrics of the process and of its services', async () => {
    await runFakeCa(bus);
    const fake = fakeService('discovery');
    const host = await open([fake.hosted]);
    await host.listening;
    const registers = fake.contexts[0] ? [fake.contexts[0].metrics] : [];
    new Counter({ name: 'weft_discovery_things_total', help: 'Things.', registers }).inc(3);
    const { text } = await get(host, '/metrics');
    assert.match(text, /weft_discovery_things_total 3/);
    assert.match(text, /process_cpu_seconds_total/);
    assert.equal((await get(host, '/other')).status, 404);
    assert.equal((await fetch(`http://${host.httpAddress()}/ready`, { method: 'POST' })).status, 405);
  });

  test('restarts one service: calls that run are ended, the next go to the new one', async () => {
    const ca = await runFakeCa(bus);
    const began = Promise.withResolvers<void>();
    let calls = 0;
    const fake = fakeService('discovery', {
      join: async () => {
        calls += 1;
        if (calls > 1) return ANSWER;
        began.resolve();
        return new Promise(() => undefined);
      },
    });
    const host = await open([fake.hosted]);
    await host.listening;
    const running = assert.rejects(client(host, ca).join(JOIN), { code: 'UNAVAILABLE', message: /restarting/ });
    await began.promise;
    await host.restart('discovery');
    await running;
    assert.deepEqual(await client(host, ca).join(JOIN), ANSWER);
    assert.equal(fake.contexts.length, 2);
    assert.equal(fake.contexts[0]?.signal.aborted, true);
    assert.notEqual(fake.contexts[0]?.instanceId, fake.contexts[1]?.instanceId);
    await assert.rejects(host.restart('nobody'), { code: 'NOT_FOUND' });
  });

  test('stops its services as it stops, even while it still waits for ca', async () => {
    const fake = fakeService('discovery');
    const host = await open([fake.hosted]);
    await eventually('the start', () => fake.contexts.length === 1);
    await host.stop();
    assert.equal(fake.stops, 1);
    await assert.rejects(host.listening, { code: 'CANCELLED' });
  });

  test('tells a port that is in use', async () => {
    await runFakeCa(bus);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const bound = other.address();
    assert.ok(typeof bound === 'object' && bound);
    const taken = `127.0.0.1:${bound.port}`;
    await assert.rejects(open([fakeService('discovery').hosted], { httpListen: taken }), {
      code: 'FAILED_PRECONDITION',
      message: new RegExp(`^${taken} is in use`),
    });
    const host = await open([fakeService('discovery').hosted], { nodeListen: taken });
    await assert.rejects(host.listening, { code: 'FAILED_PRECONDITION', message: new RegExp(`^${taken} is in use`) });
    await new Promise((resolve) => other.close(resolve));
  });

  test('tells that a service cannot start', async () => {
    const broken = { name: 'ca' as const, start: () => Promise.reject(new Error('no disk')) };
    const host = await open([broken]);
    await assert.rejects(host.listening, { message: 'no disk' });
    assert.match((await get(host, '/ready')).text, /^no disk\n/);
  });
});
