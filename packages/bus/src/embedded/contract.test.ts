import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busContractSuite } from '../contract-suite.ts';
import { openEmbeddedBus } from './index.ts';
import { LIMIT_BYTES } from './limit.ts';

busContractSuite('embedded', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bus-'));
  const path = join(folder, 'state', 'bus.db');
  let bus = await openEmbeddedBus({ path });
  return {
    bus,
    other: async () => bus,
    async reopen() {
      await bus.close();
      bus = await openEmbeddedBus({ path });
      return bus;
    },
    limitBytes: LIMIT_BYTES,
    async close() {
      await bus.close();
      rmSync(folder, { recursive: true });
    },
  };
});
