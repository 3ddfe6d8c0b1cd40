/** For tests of the admin interface: one bootstrap, Weft's proxy on it, and real Envoy on it where there is one. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBinary } from '@weft/binaries';
import type { Bootstrap } from '@weft/envoy-api';
import { createTestMesh } from '@weft/identity/testing';
import { eventually } from '../../agent/testing/eventually.ts';
import { SILENT } from '../../agent/testing/silent-log.ts';
import { type ProxyOptions, type RunningProxy, startProxy } from '../../server.ts';
import { bootstrapOf, httpManager, localAddress, routes } from '../../testing/bootstrap.ts';

const TYPE = 'type.googleapis.com/envoy.extensions';
const ADDRESS = localAddress(0);
const mesh = createTestMesh();
const svid = mesh.issue('shop', 'cart');
/** A part of the key's text that stands in no certificate. */
export const KEY_TEXT: string = svid.keyPem.split('\n')[1] ?? '';

const secrets = [
  {
    name: 'own',
    tls_certificate: {
      certificate_chain: { inline_string: svid.chainPem + svid.keyPem },
      private_key: { inline_string: svid.keyPem },
    },
  },
  { name: 'trust', validation_context: { trusted_ca: { inline_string: mesh.rootPem } } },
];

const manager = httpManager({
  stat_prefix: 'web:a',
  route_config: { name: 'rr', ...routes({ match: { prefix: '/' }, direct_response: { status: 200 } }) },
});

const tcpProxy = {
  name: 'tcp',
  typed_config: {
    '@type': `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: 'tt',
    cluster: 'plain',
  },
};

const serverTls = {
  name: 'tls',
  typed_config: {
    '@type': `${TYPE}.transport_sockets.tls.v3.DownstreamTlsContext`,
    common_tls_context: {
      tls_certificate_sds_secret_configs: [{ name: 'own' }],
      validation_context_sds_secret_config: { name: 'trust' },
    },
  },
};

const clientTls = {
  name: 'tls',
  typed_config: {
    '@type': `${TYPE}.transport_sockets.tls.v3.UpstreamTlsContext`,
    common_tls_context: {
      tls_certificates: [
        {
          certificate_chain: { inline_bytes: Buffer.from(svid.chainPem).toString('base64') },
          private_key: { inline_bytes: Buffer.from(svid.keyPem).toString('base64') },
        },
      ],
      validation_context: { trusted_ca: { inline_string: mesh.rootPem } },
    },
  },
};

function cluster(name: string, extra: object = {}): object {
  const endpoint = { hostname: 'there', address: { socket_address: { address: '127.0.0.1', port_value: 9 } } };
  const assignment = {
    cluster_name: name,
    endpoints: [{ locality: { region: 'r', zone: 'z' }, lb_endpoints: [{ endpoint }] }],
  };
  return { name, connect_timeout: '1s', load_assignment: assignment, ...extra };
}

export const BOOTSTRAP: Bootstrap = bootstrapOf({
  node: { id: 'n1', cluster: 'c1' },
  admin: { address: ADDRESS },
  static_resources: {
    secrets,
    listeners: [
      { name: 'web', address: ADDRESS, filter_chains: [{ filters: [manager], transport_socket: serverTls }] },
      { name: 'tcp', address: ADDRESS, filter_chains: [{ filters: [tcpProxy] }] },
    ],
    clusters: [cluster('plain'), cluster('up:1', { transport_socket: clientTls })],
  },
});

export interface Reply {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: string;
}

/** Sends one request on a connection of its own. */
export function ask(
  address: string,
  path: string,
  { method = 'GET', headers = {} }: { readonly method?: string; readonly headers?: Record<string, string> } = {},
): Promise<Reply> {
  const colon = address.lastIndexOf(':');
  const options = {
    host: address.slice(0, colon),
    port: address.slice(colon + 1),
    path,
    method,
    headers,
    agent: false,
  };
  return new Promise((resolve, reject) => {
    const asked = request(options, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'], body });
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

/** Runs `use` with the proxy on the bootstrap above, and its admin address. */
export async function withProxy(
  use: (address: string, proxy: RunningProxy) => Promise<void>,
  options: Partial<ProxyOptions> = {},
): Promise<void> {
  const streams = (): never => {
    throw new Error('there is no control plane here');
  };
  const proxy = await startProxy({ bootstrap: BOOTSTRAP, streams, log: SILENT, ...options });
  try {
    await proxy.ready();
    await use(proxy.adminAddress ?? '', proxy);
  } finally {
    await proxy.close();
  }
}

/** The path of real Envoy; undefined where it is not on this machine. */
export async function envoyPath(): Promise<string | undefined> {
  return (await findBinary('envoy'))?.path;
}

/** Runs `use` with real Envoy on the same bootstrap, and its admin address. */
export async function withEnvoy(path: string, use: (address: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-admin-'));
  const config = join(folder, 'envoy.json');
  const addressFile = join(folder, 'address');
  await writeFile(config, JSON.stringify(BOOTSTRAP), { mode: 0o600 });
  const options = ['--concurrency', '1', '--use-dynamic-base-id', '-l', 'off', '--admin-address-path', addressFile];
  const envoy = spawn(path, ['-c', config, ...options], { stdio: 'ignore' });
  const exited = new Promise((resolve) => envoy.once('close', resolve));
  try {
    const address = await eventually(async () => {
      const found = await readFile(addressFile, 'utf8');
      return (await ask(found, '/ready')).status === 200 && found;
    });
    await use(address);
  } finally {
    envoy.kill('SIGKILL');
    await exited;
    await rm(folder, { recursive: true });
  }
}
