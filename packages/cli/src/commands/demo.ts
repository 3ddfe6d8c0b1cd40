import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBinary } from '@weft/binaries';
import type { Command } from '../command.ts';
import { type Findings, play } from '../demo/scenario.ts';
import { type DataPlane, openShop, type Shop } from '../demo/shop.ts';
import { type Flags, usageError } from '../flags.ts';
import type { Terminal } from '../terminal.ts';

const FLAGS = {
  once: { type: 'boolean', help: 'end after the scenario instead of leaving the shop running' },
  json: { type: 'boolean', help: 'print what was found as one JSON object, as the last line' },
  'data-plane': { type: 'string', value: 'weft|envoy', help: 'only this data plane; else every one that is there' },
} as const satisfies Flags;

async function dataPlanes(given: string | undefined): Promise<readonly DataPlane[]> {
  if (given !== undefined && given !== 'weft' && given !== 'envoy') {
    throw usageError(`--data-plane ${given}: expected weft or envoy`);
  }
  if (given) return [given];
  return (await findBinary('envoy')) ? ['weft', 'envoy'] : ['weft'];
}

/** Whether everything that the demo promises held. */
function held(findings: Findings): boolean {
  return findings.failed === 0 && findings.acknowledged === findings.proxies && findings.peerIdentities.length > 1;
}

/** The last line: what held, or what did not. */
function verdict(findings: readonly Findings[]): string {
  const sum = (of: (one: Findings) => number) => findings.reduce((total, one) => total + of(one), 0);
  if (findings.every(held)) {
    const lost = sum(({ lostWithInstance }) => lostWithInstance);
    return `everything held: no request failed${lost === 0 ? '' : `, but for ${lost} in flight on an instance as it was killed`}`;
  }
  const failed = sum(({ failed: some }) => some);
  const why = [
    ...(failed > 0 ? [`${failed} requests failed`] : []),
    ...(findings.some((one) => one.acknowledged !== one.proxies) ? ['not every proxy has the newest revision'] : []),
    ...(findings.some((one) => one.peerIdentities.length < 2) ? ['not every caller was known by its certificate'] : []),
  ];
  return `something did not hold: ${why.join('; ')}; see above`;
}

function report(found: ReadonlyMap<DataPlane, Findings>): object {
  const planes = [...found].map(([name, findings]) => {
    const { first200Ms, requests, failed, lostWithInstance, canaryAppliedMs, peerIdentities } = findings;
    return [name, { first200Ms, requests, failed, lostWithInstance, canaryAppliedMs, peerIdentities }] as const;
  });
  const first = found.get('weft') ?? [...found.values()][0];
  const last = [...found.values()].at(-1);
  return {
    dataPlanes: Object.fromEntries(planes),
    memoryMiB: first?.memoryMiB ?? null,
    revision: last?.revision ?? 0,
    acknowledged: [...found.values()].every((findings) => findings.acknowledged === findings.proxies),
  };
}

interface Stage {
  readonly shops: Shop[];
  readonly folders: string[];
}

async function strike(stage: Stage): Promise<void> {
  await Promise.all(stage.shops.splice(0).map((shop) => shop.stop()));
  for (const folder of stage.folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** Resolves when the user presses ctrl-C or the process is asked to end. */
function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}

async function playAll(planes: readonly DataPlane[], once: boolean, stage: Stage, tell: (text: string) => void) {
  const found = new Map<DataPlane, Findings>();
  for (const plane of planes) {
    tell(`${plane === 'weft' ? "Weft's own proxy" : 'Envoy'} as data plane`);
    const folder = mkdtempSync(join(tmpdir(), 'weft-demo-'));
    const shop = openShop(folder, plane);
    stage.folders.push(folder);
    stage.shops.push(shop);
    // The first start is measured from the command itself.
    found.set(plane, await play(shop, found.size === 0 ? 0 : performance.now(), tell));
    if (once || plane !== planes.at(-1)) await strike(stage);
  }
  return found;
}

function closing(shop: Shop | undefined, terminal: Terminal): void {
  if (!shop) return;
  terminal.err(`the shop goes on; look at it from another terminal, ctrl-C ends it:
  weft status --state ${shop.folder.path}
  weft get edges --state ${shop.folder.path}`);
}

export const command: Command<typeof FLAGS> = {
  usage: '',
  description:
    'Starts a mesh and a sample shop on this machine, sends traffic, changes routes, drains and kills instances,\n' +
    'restarts the control plane, and tells what happened: with each data plane that is there. Exit code 0 only if no\n' +
    'request failed. Everything lives in a temporary folder and ends with the command.',
  flags: FLAGS,
  async run({ flags, terminal }) {
    const planes = await dataPlanes(flags['data-plane']);
    const stage: Stage = { shops: [], folders: [] };
    const stopped = interrupted();
    const tell = flags.json ? terminal.err : terminal.out;
    if (planes.length === 1 && !flags['data-plane']) {
      tell("Envoy is not on this machine: Weft's own proxy alone (weft binaries fetch envoy gets it)");
    }
    try {
      const found = await Promise.race([playAll(planes, flags.once, stage, tell), stopped]);
      if (!found) return 130;
      const good = [...found.values()].every(held);
      tell(verdict([...found.values()]));
      if (flags.json) terminal.out(JSON.stringify(report(found)));
      if (!flags.once) {
        closing(stage.shops[0], terminal);
        await stopped;
      }
      return good ? 0 : 1;
    } finally {
      await strike(stage);
    }
  },
};
