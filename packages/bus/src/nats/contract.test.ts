import { after, before } from 'node:test';
import { busContractSuite, type Ground } from '../contract-suite.ts';
import type { Bus } from '../index.ts';
import { type NatsServers, startNats } from '../testing/nats-fixture.ts';
import { openNatsBus } from './index.ts';

const LIMIT_BYTES = 8 * 1024 * 1024;
let servers: NatsServers | undefined;
before(async () => {
  servers = await startNats({ maxPayloadBytes: LIMIT_BYTES });
});
after(() => servers?.close());

async function open(): Promise<Ground> {
  const urls = servers?.urls ?? [];
  const opened: Bus[] = [];
  const another = async (): Promise<Bus> => {
    const bus = await openNatsBus({ servers: urls, name: 'contract-suite' });
    opened.push(bus);
    return bus;
  };
  const bus = await another();
  return {
    bus,
    other: another,
    async reopen() {
      await bus.close();
      return another();
    },
    limitBytes: LIMIT_BYTES,
    async close() {
      await Promise.all(opened.map((one) => one.close()));
    },
  };
}

busContractSuite('one nats-server', open);
