/** A client before a scripted server, with all that it needs, for tests. */
import type { XdsService } from '../../config/config-source.ts';
import { StatsRegistry } from '../../stats/registry.ts';
import { XdsClient } from '../client.ts';
import { ManualClock } from './manual-clock.ts';
import { recordingLog } from './recorders.ts';
import { ScriptedServer } from './scripted-server.ts';

export class ClientGround {
  readonly clock = new ManualClock();
  readonly server = new ScriptedServer();
  readonly stats = new StatsRegistry();
  readonly log = recordingLog();
  readonly client: XdsClient;

  constructor(ads: XdsService = { cluster: 'control', variant: 'delta', saysNodeOnce: true }) {
    this.client = new XdsClient({
      streams: this.server.streams,
      ads,
      node: { id: 'shop/web-1', cluster: 'web' },
      stats: this.stats,
      clock: this.clock,
      // The longest waits.
      random: () => 1,
      log: this.log,
    });
  }

  /** The value of a statistic. */
  stat(name: string): number | undefined {
    const line = this.stats
      .text()
      .split('\n')
      .find((candidate) => candidate.startsWith(`${name}: `));
    return line === undefined ? undefined : Number(line.slice(name.length + 2));
  }
}

/** Lets everything that is under way in memory come to rest. */
export async function rest(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}
