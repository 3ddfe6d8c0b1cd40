/** The mesh and the sample shop as processes of this machine. */
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Admin } from '@weft/contracts/admin';
import { type Channel, type Client, connect } from '@weft/rpc';
import { readControlPlaneFile, type StateFolder, stateFolder } from '../state-folder.ts';
import { type Started, startWeft, until } from './process.ts';

const SERVICE = fileURLToPath(new URL('../../../../examples/shop/service.mjs', import.meta.url));

export type DataPlane = 'weft' | 'envoy';

export interface Workload {
  readonly service: string;
  readonly version: string;
  readonly port: number;
  readonly process: Started;
}

export interface Shop {
  readonly dataPlane: DataPlane;
  readonly folder: StateFolder;
  controlPlane(): Started;
  admin(): Client<typeof Admin>;
  startControlPlane(): Promise<void>;
  /** Starts a workload of the shop; resolves once its process runs, not once it is ready. */
  startWorkload(service: string, version: string, calls: readonly string[]): Promise<Workload>;
  /** Ends everything, workloads first. */
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

/** A shop that keeps all its state in `path`. */
export function openShop(path: string, dataPlane: DataPlane): Shop {
  const folder = stateFolder(join(path, '.weft'));
  const workloads: Workload[] = [];
  let controlPlane: Started | undefined;
  let channel: Channel | undefined;

  const startControlPlane = async (): Promise<void> => {
    channel?.close();
    const earlier = readControlPlaneFile(folder);
    const listen = (name: string, address: string | undefined): string[] => [name, address ?? '127.0.0.1:0'];
    const args = [
      ...listen('--node-listen', earlier?.node),
      ...listen('--admin-listen', earlier?.admin),
      ...listen('--http-listen', earlier?.http),
    ];
    const started = startWeft('control plane', ['up', '--state', folder.path, ...args], { cwd: path });
    controlPlane = started;
    const file = await until('the start of the control plane', 20_000, [started], () => {
      const written = readControlPlaneFile(folder);
      return written?.pid === started.pid ? written : undefined;
    });
    channel = connect({ addresses: [file.admin] });
  };

  return {
    dataPlane,
    folder,
    controlPlane() {
      if (!controlPlane) throw new Error('the control plane was not started');
      return controlPlane;
    },
    admin() {
      if (!channel) throw new Error('the control plane was not started');
      return channel.client(Admin);
    },
    startControlPlane,
    async startWorkload(service, version, calls) {
      const port = await freePort();
      const args = ['run', '--state', folder.path, '--service', service, '--port', String(port), '--version', version];
      const process = startWeft(
        `${service} ${version}`,
        [...args, '--data-plane', dataPlane, '--', globalThis.process.execPath, SERVICE],
        { cwd: path, env: { SERVICE: service, VERSION: version, CALLS: calls.join(','), PORT: String(port) } },
      );
      const workload = { service, version, port, process };
      workloads.push(workload);
      return workload;
    },
    async stop() {
      await Promise.all(workloads.map((workload) => workload.process.stop()));
      channel?.close();
      await controlPlane?.stop();
    },
  };
}
