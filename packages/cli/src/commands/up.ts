import { SERVICE_NAMES } from '@weft/service';
import type { Command } from '../command.ts';
import { CONTROL_PLANE_FLAGS, controlPlaneSettings, runControlPlane } from '../control-plane.ts';
import { type Flags, parseAddress } from '../flags.ts';
import { makeStateFolder, removeControlPlaneFile, stateFolder, writeControlPlaneFile } from '../state-folder.ts';

const FLAGS = {
  'node-listen': { type: 'string', value: '<host:port>', default: '127.0.0.1:7440', help: 'where agents connect' },
  'http-listen': { type: 'string', value: '<host:port>', default: '127.0.0.1:7450', help: '/ready and /metrics' },
  ...CONTROL_PLANE_FLAGS,
} as const satisfies Flags;

export const command: Command<typeof FLAGS> = {
  usage: '',
  description:
    'Starts the control plane in this process: ca, discovery, xds-server, telemetry and api. Its state is kept in a\n' +
    'folder between runs; with --nats on NATS instead, but for the key of the CA. Ctrl-C ends it; proxies go on.',
  flags: FLAGS,
  async run({ flags, env, terminal }) {
    const folder = stateFolder(flags.state ?? env.WEFT_STATE ?? '.weft');
    makeStateFolder(folder);
    const settings = controlPlaneSettings(flags, env, {
      services: SERVICE_NAMES,
      folder,
      nodeListen: parseAddress('node-listen', flags['node-listen'] ?? '127.0.0.1:7440'),
      httpListen: parseAddress('http-listen', flags['http-listen'] ?? '127.0.0.1:7450'),
    });
    const joinTokenFile = settings.joinTokenFile ?? folder.joinTokenFile;
    await runControlPlane({ ...settings, joinTokenFile }, (host) => {
      const node = host.nodeAddress() ?? '';
      const admin = host.adminAddress() ?? '';
      const http = host.httpAddress();
      writeControlPlaneFile(folder, { pid: process.pid, node: settings.advertise ?? node, admin, http });
      terminal.out(`weft is up: agents join at ${node}, the admin API is at ${admin}, http://${http}/ready`);
      terminal.out(`state is in ${folder.path}, the join token in ${joinTokenFile}`);
    });
    removeControlPlaneFile(folder);
    return 0;
  },
};
