import { SERVICE_NAMES, type ServiceName } from '@weft/service';
import type { Command } from '../command.ts';
import { CONTROL_PLANE_FLAGS, controlPlaneSettings, requireNats, runControlPlane } from '../control-plane.ts';
import { type Flags, parseAddress, usageError } from '../flags.ts';
import { makeStateFolder, stateFolder } from '../state-folder.ts';

/** The default ports of each service that runs alone: for agents, and for /ready and /metrics. */
const PORTS: { readonly [K in ServiceName]: { readonly node: number; readonly http: number } } = {
  ca: { node: 7441, http: 7451 },
  discovery: { node: 7442, http: 7452 },
  'xds-server': { node: 7443, http: 7453 },
  telemetry: { node: 7444, http: 7454 },
  api: { node: 7445, http: 7455 },
};

const FLAGS = {
  listen: {
    type: 'string',
    value: '<host:port>',
    help: 'where agents connect; default 0.0.0.0 and the port of the service',
  },
  'http-listen': {
    type: 'string',
    value: '<host:port>',
    help: '/ready and /metrics; default 0.0.0.0, port of the service',
  },
  ...CONTROL_PLANE_FLAGS,
} as const satisfies Flags;

export const command: Command<typeof FLAGS> = {
  usage: `${SERVICE_NAMES.join('|')} --nats <url>`,
  description:
    'Runs one service of the control plane alone; it meets the others on NATS. Default ports: ' +
    `${SERVICE_NAMES.map((name) => `${name} ${PORTS[name].node} and ${PORTS[name].http}`).join(', ')}.\n` +
    'Only ca keeps state of its own (the root and its key), in the state folder.',
  flags: FLAGS,
  positionals: SERVICE_NAMES,
  async run({ flags, positionals, env, terminal }) {
    const name = SERVICE_NAMES.find((candidate) => candidate === positionals[0]);
    if (!name) throw usageError(`expected one of ${SERVICE_NAMES.join(', ')}`);
    const folder = stateFolder(flags.state ?? env.WEFT_STATE ?? '.weft');
    const settings = controlPlaneSettings(flags, env, {
      services: [name],
      folder,
      nodeListen: parseAddress('listen', flags.listen ?? `0.0.0.0:${PORTS[name].node}`),
      httpListen: parseAddress('http-listen', flags['http-listen'] ?? `0.0.0.0:${PORTS[name].http}`),
    });
    requireNats(settings);
    if (name === 'ca') makeStateFolder(folder);
    await runControlPlane(settings, (host) => {
      const address = host.nodeAddress() ?? host.adminAddress();
      terminal.out(`${name} is up at ${address}, http://${host.httpAddress()}/ready`);
    });
    return 0;
  },
};
