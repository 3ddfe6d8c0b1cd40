/** What tests of this package share. */
import type { TestContext } from 'node:test';
import type { Bus } from '@weft/bus';
import { openEmbeddedBus } from '@weft/bus/embedded';
import type { Workload } from '@weft/contracts/bus';
import type { SpiffeId } from '@weft/identity';
import type { CallContext } from '@weft/rpc';
import type { ServiceContext } from '@weft/service';
import pino from 'pino';
import { Registry } from 'prom-client';

export const CART: SpiffeId = { trustDomain: 'mesh.test', namespace: 'shop', serviceAccount: 'cart' };

export function callBy(identity: SpiffeId | undefined): CallContext {
  return {
    caller: { identity, address: '127.0.0.1:1' },
    signal: new AbortController().signal,
    metadata: () => undefined,
  };
}

export function workload(change: Partial<Workload> = {}): Workload {
  return {
    id: 'cart-1',
    namespace: 'shop',
    service: 'cart',
    spiffeId: '',
    labels: {},
    address: '127.0.0.1',
    ports: [{ applicationPort: 8080, protocol: 'HTTP', inboundPort: 15_006 }],
    outboundPort: 15_001,
    upstreams: [],
    dataPlane: 'WEFT',
    health: 'STARTING',
    registeredAtMs: 0,
    incarnation: 'i1',
    host: 'laptop',
    ...change,
  };
}

/** A bus in memory, closed after the test. */
export async function memoryBus(t: TestContext): Promise<Bus> {
  const bus = await openEmbeddedBus({ path: ':memory:' });
  t.after(() => bus.close());
  return bus;
}

/** The context of a service, and how to stop it. */
export function serviceContext(bus: Bus, instanceId: string): { context: ServiceContext; stop: () => void } {
  const controller = new AbortController();
  const context: ServiceContext = {
    bus,
    log: pino({ level: 'silent' }),
    metrics: new Registry(),
    clock: { now: () => Date.now() },
    instanceId,
    signal: controller.signal,
  };
  return { context, stop: () => controller.abort() };
}
