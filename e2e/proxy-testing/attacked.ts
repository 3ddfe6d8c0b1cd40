/** Weft's proxy, or Envoy beside it, between a side that a test plays and upstreams that it starts. */
import type { TestContext } from 'node:test';
import { type DataPlane, freePort } from '../harness.ts';
import { makeCredentials, writeCertificates } from './certificates.ts';
import { temporaryFolder } from './pair.ts';
import { type Plane, startPlane } from './plane.ts';

type Edit = (text: string) => string;
const asItIs: Edit = (text) => text;

/** On `http-routing.yaml`: one upstream behind all routes. */
export async function startRouting(test: TestContext, upstream: number, edit = asItIs): Promise<Plane> {
  const ports = { 10081: upstream, 10082: upstream, 10089: await freePort() };
  const folder = temporaryFolder(test);
  return startPlane(test, { dataPlane: 'weft', bootstrap: 'http-routing.yaml', folder, ports, edit });
}

/** Ports of upstreams; nobody listens where one is left out. */
export interface TranslationUpstreams {
  readonly http1?: number;
  readonly http2?: number;
}

/** On `http2-translation.yaml`: clients of both versions, behind paths that begin with that of the upstream. */
export async function startTranslation(
  test: TestContext,
  { http1, http2 }: TranslationUpstreams,
  edit = asItIs,
  dataPlane: DataPlane = 'weft',
): Promise<Plane> {
  const folder = temporaryFolder(test);
  writeCertificates(folder, makeCredentials());
  const dead = await freePort();
  const ports = { 10081: http1 ?? dead, 10082: http2 ?? dead, 10083: dead, 10089: dead };
  return startPlane(test, { dataPlane, bootstrap: 'http2-translation.yaml', folder, ports, edit });
}

const TCP = `    - name: tcp
      address: { socket_address: { address: 127.0.0.1, port_value: 10002 } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.tcp_proxy
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                stat_prefix: tcp
                cluster: h1
  clusters:
`;

/** An edit of that bootstrap: one more listener, `tcp`, passes bytes to the upstream of HTTP/1.1. */
export const withTcp: Edit = (text) => text.replace('  clusters:\n', TCP);
