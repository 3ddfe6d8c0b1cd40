import type { Status } from '@weft/contracts/admin';
import { ADMIN_FLAGS, withAdmin } from '../admin.ts';
import type { Command } from '../command.ts';
import { type Flags, isJson } from '../flags.ts';
import { age, table } from '../terminal.ts';

const FLAGS = {
  output: { type: 'string', short: 'o', value: 'json', help: 'print JSON' },
  ...ADMIN_FLAGS,
} as const satisfies Flags;

/** Names in one line. */
const SHOWN_WORKLOADS = 5;
const SERVICES = ['ca', 'discovery', 'xds-server', 'telemetry', 'api'];

/** Undefined when all is well, else what is not, a line each. */
function troubles(status: Status): readonly string[] {
  const found: string[] = [];
  for (const service of SERVICES) {
    const instances = status.instances.filter((instance) => instance.service === service);
    if (instances.length === 0) found.push(`${service} is not running`);
    for (const { id, notReadyBecause } of instances) {
      if (notReadyBecause !== '') found.push(`${service} (${id}) is not ready: ${notReadyBecause}`);
    }
  }
  const { unconnected } = status;
  if (unconnected.length > 0) {
    const some = unconnected.slice(0, SHOWN_WORKLOADS).join(', ');
    const more = unconnected.length > SHOWN_WORKLOADS ? ` and ${unconnected.length - SHOWN_WORKLOADS} more` : '';
    found.push(`not connected to an xds-server, so that changes do not reach them: ${some}${more}`);
  }
  for (const { proxyId, nack } of status.nacks) found.push(`${proxyId} refused ${nack?.typeUrl}: ${nack?.message}`);
  for (const { key, message } of status.problems) found.push(`${key?.kind}/${key?.name} is kept out: ${message}`);
  return found;
}

function print(status: Status, nowMs: number): string {
  const rows = status.instances.map((instance) => [
    instance.service,
    instance.notReadyBecause === '' ? 'ready' : 'not ready',
    instance.address,
    age(instance.startedAtMs, nowMs),
    instance.version,
  ]);
  const trust = new Date(status.rootNotAfterMs).toISOString().slice(0, 10);
  return [
    table(['SERVICE', 'STATE', 'ADDRESS', 'UP', 'VERSION'], rows),
    '',
    `bus            ${status.bus}`,
    `trust domain   ${status.trustDomain}, root until ${trust}`,
    `mesh           ${status.services} services, ${status.workloads} workloads`,
    `revision       ${status.revision}; acknowledged by ${status.acknowledged} of ${status.proxies} proxies`,
  ].join('\n');
}

export const command: Command<typeof FLAGS> = {
  usage: '',
  description:
    'Tells whether all control-plane services are up, and which revision the proxies have acknowledged.\n' +
    'Exit code 1 when something is not as it should be.',
  flags: FLAGS,
  async run(context) {
    const json = isJson(context.flags.output);
    const status = await withAdmin(context, (client) => client.getStatus({}));
    const found = troubles(status);
    if (json) {
      context.terminal.out(JSON.stringify({ ...status, troubles: found }, undefined, 2));
    } else {
      context.terminal.out(print(status, Date.now()));
      for (const trouble of found) context.terminal.err(`! ${trouble}`);
    }
    return found.length === 0 ? 0 : 1;
  },
};
