/** Two sidecars on one processor with mutual TLS and HTTP/2 between them, as a mesh configures them. */
import type { Ground, Start } from '../ground.ts';
import type { Plane } from '../plane/plane.ts';

export interface Pair {
  /** Where the client's application speaks to its sidecar. */
  readonly port: number;
  readonly pids: readonly number[];
  /** Throws where the authorization or the access logs were not at work for `requests` requests. */
  check(requests: number): Promise<void>;
}

/** Starts both: `app` is the port of the application behind the server's sidecar, which speaks `codec`. */
export async function startPair(ground: Ground, start: Start, codec: 'http1' | 'http2', app: number): Promise<Pair> {
  const { port: logs } = await ground.upstream.run('sink', {});
  const { bytes: before } = await ground.upstream.run('sunk', {});
  const ports = { 10080: app, 10090: logs };
  const server = await start(`pair-server-${codec}`, { ports });
  const client = await start('pair-client', { ports: { ...ports, 10443: server.port('inbound') } });
  return {
    port: client.port('outbound'),
    pids: [server.pid, client.pid],
    async check(requests) {
      await checkAllowed(server, requests);
      const { bytes } = await ground.upstream.run('sunk', {});
      if (bytes === before) throw new Error('no access log came');
    },
  };
}

async function checkAllowed(server: Plane, requests: number): Promise<void> {
  const allowed = await server.stat('http.inbound.rbac.allowed');
  if (allowed < requests) throw new Error(`the authorization allowed ${allowed} requests of ${requests}`);
}
