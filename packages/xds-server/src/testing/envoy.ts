/** A real Envoy that hangs on an xds-server, for tests. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { findBinary } from '@weft/binaries';
import type { Bootstrap } from '@weft/envoy-api';
import { eventually } from './ground.ts';

export interface EnvoyOptions {
  /** `<namespace>/<workload id>`. */
  readonly id: string;
  readonly cluster: string;
  /** The xds-server, which serves secrets and takes logs too. */
  readonly server: string;
  readonly variant: 'DELTA_GRPC' | 'GRPC';
}

export interface RunningEnvoy {
  /** Reads a path of the admin interface. */
  admin(path: string): Promise<string>;
  /** The value of a counter or gauge; 0 when it is not there. */
  stat(name: string): Promise<number>;
  /** What it logged. */
  log(): string;
  stop(): Promise<void>;
}

/** The path of Envoy, or undefined where there is none and tests of it are to be skipped. */
export async function envoyPath(): Promise<string | undefined> {
  return (await findBinary('envoy'))?.path;
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

function bootstrap({ id, cluster, server, variant }: EnvoyOptions): Bootstrap {
  const [address = '', port = '0'] = server.split(':');
  const loopback = (portValue: number, host = '127.0.0.1') => ({
    socket_address: { address: host, port_value: portValue },
  });
  const ads = { ads: {}, resource_api_version: 'V3' } as const;
  const http2 = { explicit_http_config: { http2_protocol_options: {} } };
  const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return {
    node: { id, cluster },
    admin: { address: loopback(0) },
    dynamic_resources: {
      ads_config: {
        api_type: variant,
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'weft-agent' } }],
      },
      lds_config: ads,
      cds_config: ads,
    },
    static_resources: {
      clusters: [
        {
          name: 'weft-agent',
          type: 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: { [options]: { '@type': `type.googleapis.com/${options}`, ...http2 } },
          load_assignment: {
            cluster_name: 'weft-agent',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(Number(port), address) } }] }],
          },
        },
      ],
    },
  };
}

/** Starts Envoy and waits until its admin interface answers; it ends with the test. */
export async function startEnvoy(t: TestContext, path: string, options: EnvoyOptions): Promise<RunningEnvoy> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-envoy-'));
  const adminPath = join(folder, 'admin');
  await writeFile(join(folder, 'envoy.json'), JSON.stringify(bootstrap(options)));
  const flags = [
    '-c',
    'envoy.json',
    '--concurrency',
    '1',
    '--use-dynamic-base-id',
    '-l',
    'warn',
    '--drain-time-s',
    '1',
  ];
  const child = spawn(path, [...flags, '--admin-address-path', adminPath], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  t.after(stop);
  const address = await eventually(`Envoy's admin address (${log})`, () =>
    readFile(adminPath, 'utf8').catch(() => undefined),
  );
  const read = async (at: string) => (await fetch(`http://${address}${at}`)).text();
  await eventually('Envoy to answer', () => read('/server_info').catch(() => undefined));
  return {
    admin: read,
    async stat(name) {
      const text = await read(`/stats?usedonly&filter=^${name.replaceAll('.', '\\.')}$`);
      return Number(/: (\d+)/.exec(text)?.[1] ?? 0);
    },
    log: () => log,
    stop,
  };
}
