/** A client of the admin interface of a data plane, Weft's or Envoy; for tests. */
import { request } from 'node:http';

export interface AdminAnswer {
  readonly status: number;
  readonly body: string;
}

/** One request on a connection of its own; rejects where there is no answer within 10 s. */
export function askAdmin(port: number, path: string, method: 'GET' | 'POST' = 'GET'): Promise<AdminAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, agent: false, timeout: 10_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    asked.on('timeout', () => asked.destroy(new Error(`${path} of the admin interface gave no answer within 10 s`)));
    asked.on('error', reject);
    asked.end();
  });
}

/** A number of `/stats`; 0 where there is none of that name. */
export async function askStat(port: number, name: string): Promise<number> {
  const { body } = await askAdmin(port, `/stats?filter=${encodeURIComponent(`^${name.replaceAll('.', '\\.')}$`)}`);
  return Number(body.split('\n')[0]?.split(': ')[1] ?? 0);
}

interface Listeners {
  readonly listener_statuses?: readonly {
    readonly name: string;
    readonly local_address: { readonly socket_address?: { readonly port_value: number } };
  }[];
}

/** The ports of all listeners by their names, as bound; 0 for those at Unix sockets. */
export async function askPorts(port: number): Promise<ReadonlyMap<string, number>> {
  const { listener_statuses = [] } = JSON.parse((await askAdmin(port, '/listeners?format=json')).body) as Listeners;
  return new Map(listener_statuses.map((one) => [one.name, one.local_address.socket_address?.port_value ?? 0]));
}
