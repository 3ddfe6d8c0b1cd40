/** For the tests of this package: a bus in memory, a CA that only issues, and a service that only answers. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Bus } from '@weft/bus';
import { openEmbeddedBus } from '@weft/bus/embedded';
import { calls, states } from '@weft/contracts/bus';
import { Identity, type JoinResponse } from '@weft/contracts/node';
import {
  createRoot,
  derToPem,
  generateKey,
  type Issuer,
  issueCertificate,
  parseCertificate,
  parseCsr,
} from '@weft/identity';
import { type Handlers, typedService } from '@weft/rpc';
import type { HostedService } from './host.ts';
import type { RunningService, ServiceContext, ServiceName } from './types.ts';

export const ANSWER: JoinResponse = { chain: [], notBeforeMs: 1, notAfterMs: 2, nowMs: 3 };

export function openBus(): Promise<Bus> {
  return openEmbeddedBus({ path: ':memory:' });
}

export interface FakeCa {
  readonly root: Issuer;
  readonly rootPem: string;
  /** Certificates issued so far. */
  issued(): number;
  stop(): void;
}

/** Publishes a root and issues certificates of it to services, until it is stopped. */
export async function runFakeCa(bus: Bus, lifeMs = 60_000): Promise<FakeCa> {
  const privateKey = generateKey();
  const certificate = createRoot({ trustDomain: 'weft.local', privateKey, nowMs: Date.now(), lifeMs: 86_400_000 });
  const root = { certificate, privateKey };
  const rootPem = derToPem(certificate.der);
  const over = new AbortController();
  let issued = 0;
  const before = await bus.state(states.trust).get('bundle');
  const roots = [rootPem, ...(before?.value.roots ?? [])];
  await bus.serve(
    calls.issueServiceCertificate,
    async ({ service, csr }) => {
      issued += 1;
      const id = { trustDomain: 'weft.local', namespace: 'weft-system', serviceAccount: service };
      const der = issueCertificate({ issuer: root, id, spki: parseCsr(csr), nowMs: Date.now(), lifeMs });
      return { chain: [der], notAfterMs: parseCertificate(der).notAfterMs };
    },
    over.signal,
  );
  await bus.state(states.trust).put('bundle', { trustDomain: 'weft.local', roots });
  return { root, rootPem, issued: () => issued, stop: () => over.abort() };
}

export interface FakeService {
  readonly hosted: HostedService;
  /** What the service was started with, once for each start. */
  readonly contexts: ServiceContext[];
  notReady: string | undefined;
  stops: number;
}

/** A service with one method that needs no certificate (`join`) and others that do. */
export function fakeService(name: ServiceName, handlers: Partial<Handlers<typeof Identity>> = {}): FakeService {
  const contexts: ServiceContext[] = [];
  const fake: FakeService = {
    contexts,
    notReady: undefined,
    stops: 0,
    hosted: {
      name,
      async start(context): Promise<RunningService> {
        contexts.push(context);
        const answer = async (): Promise<JoinResponse> => ANSWER;
        const watchMesh = (): AsyncIterable<never> => ReadableStream.from<never>([]);
        const all = { join: answer, renew: answer, watchMesh, ...handlers };
        return {
          name,
          node: [typedService(Identity, all)],
          anonymousMethods: [Identity.join.path],
          admin: [],
          notReadyBecause: () => fake.notReady,
          async stop() {
            fake.stops += 1;
          },
        };
      },
    },
  };
  return fake;
}

/** Waits until something holds, for at most 20 s. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within 20 s: ${what}`);
    await delay(10);
  }
}
