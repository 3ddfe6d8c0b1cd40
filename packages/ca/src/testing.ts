/** For the tests of this package: a CA on a bus in memory, with a server that agents can call. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bus } from '@weft/bus';
import { openEmbeddedBus } from '@weft/bus/embedded';
import { calls, states } from '@weft/contracts/bus';
import { Identity } from '@weft/contracts/node';
import { chainToPem, createCsr, createSvid, generateKey, keyToPem, type Svid } from '@weft/identity';
import { type Channel, type Client, connect, fixedTls, type GrpcServer, listen } from '@weft/rpc';
import { createLogger, type RunningService, type ServiceContext } from '@weft/service';
import { Registry } from 'prom-client';
import { type CaOptions, startCa } from './index.ts';

export interface Ground {
  readonly bus: Bus;
  readonly folder: string;
  readonly clock: { nowMs: number };
  /** Undone by `close`, the newest first. */
  readonly cleanup: (() => unknown)[];
  close(): Promise<void>;
}

export async function createGround(): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-ca-'));
  const bus = await openEmbeddedBus({ path: ':memory:' });
  const cleanup: (() => unknown)[] = [() => rmSync(folder, { recursive: true }), () => bus.close()];
  return {
    bus,
    folder,
    clock: { nowMs: Date.now() },
    cleanup,
    async close() {
      for (const clean of cleanup.splice(0).reverse()) await clean();
    },
  };
}

export interface TestCa {
  readonly service: RunningService;
  readonly metrics: Registry;
  stop(): Promise<void>;
}

export async function runCa(ground: Ground, options: Partial<CaOptions> = {}): Promise<TestCa> {
  const over = new AbortController();
  const metrics = new Registry();
  const context: ServiceContext = {
    bus: ground.bus,
    log: createLogger({ name: 'test', level: 'silent' }),
    metrics,
    clock: { now: () => ground.clock.nowMs },
    instanceId: 'one',
    signal: over.signal,
  };
  const service = await startCa(context, { dir: join(ground.folder, 'ca'), trustDomain: 'weft.local', ...options });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    over.abort();
    stopped ??= service.stop();
    return stopped;
  };
  ground.cleanup.push(stop);
  return { service, metrics, stop };
}

/** Waits until something holds, for at most 20 s. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within 20 s: ${what}`);
    await delay(10);
  }
}

export async function readyCa(ground: Ground, options: Partial<CaOptions> = {}): Promise<TestCa> {
  const ca = await runCa(ground, options);
  await eventually('the CA to be ready', () => ca.service.notReadyBecause() === undefined);
  return ca;
}

export async function bundleOf(bus: Bus): Promise<readonly string[]> {
  return (await bus.state(states.trust).get('bundle'))?.value.roots ?? [];
}

export interface NodePort {
  readonly server: GrpcServer;
  /** A client of the CA that presents `svid`, or nothing. */
  client(svid?: Svid): Client<typeof Identity>;
}

/** Serves the CA to agents with a certificate that it has issued itself. */
export async function openNodePort(ground: Ground, { service }: TestCa): Promise<NodePort> {
  const key = generateKey();
  const request = { service: 'ca', csr: createCsr(key) };
  const { chain } = await ground.bus.call(calls.issueServiceCertificate, request);
  const rootsPem = await bundleOf(ground.bus);
  const server = await listen({
    address: '127.0.0.1:0',
    tls: fixedTls({ chainPem: chainToPem(chain), keyPem: keyToPem(key), rootsPem }),
    services: service.node,
    anonymousMethods: service.anonymousMethods,
    now: () => ground.clock.nowMs,
  });
  const channels: Channel[] = [];
  ground.cleanup.push(async () => {
    for (const channel of channels) channel.close();
    await server.close();
  });
  return {
    server,
    client(svid) {
      const own = svid ? { chainPem: svid.chainPem, keyPem: svid.keyPem } : { chainPem: '', keyPem: '' };
      const source = fixedTls({ ...own, rootsPem });
      const expect = (id: { readonly serviceAccount: string }): boolean => id.serviceAccount === 'ca';
      const channel = connect({ addresses: [server.address], tls: { source, expect } });
      channels.push(channel);
      return channel.client(Identity);
    },
  };
}

/** Joins, and gives the identity with its key. */
export async function joinAs(
  client: Client<typeof Identity>,
  request: {
    readonly token: string;
    readonly namespace: string;
    readonly serviceAccount: string;
    readonly nowMs?: number;
  },
): Promise<Svid> {
  const key = generateKey();
  const { chain } = await client.join({ nowMs: Date.now(), ...request, csr: createCsr(key) });
  return createSvid(chain, keyToPem(key));
}
