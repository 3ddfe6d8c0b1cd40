import type { Admin } from '@weft/contracts/admin';
import type { Client } from '@weft/rpc';
import { ADMIN_FLAGS, withAdmin } from '../admin.ts';
import type { Command } from '../command.ts';
import { type Flags, isJson, usageError } from '../flags.ts';
import { age, table } from '../terminal.ts';

const FLAGS = {
  namespace: { type: 'string', short: 'n', value: '<namespace>', help: 'only of this namespace' },
  output: { type: 'string', short: 'o', value: 'json', help: 'print JSON instead of a table' },
  ...ADMIN_FLAGS,
} as const satisfies Flags;

interface Listing {
  readonly items: readonly unknown[];
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

type List = (client: Client<typeof Admin>, namespace: string) => Promise<Listing>;

async function services(client: Client<typeof Admin>, namespace: string): Promise<Listing> {
  const { services: items } = await client.listServices({ namespace });
  const rows = items.map((service) => [
    service.namespace,
    service.name,
    service.hostName,
    service.protocols.join(',').toLowerCase(),
    `${service.ready}/${service.workloads}`,
    service.identities.join(' '),
  ]);
  return { items, headings: ['NAMESPACE', 'SERVICE', 'HOST', 'PROTOCOL', 'READY', 'IDENTITY'], rows };
}

async function workloads(client: Client<typeof Admin>, namespace: string): Promise<Listing> {
  const { workloads: items } = await client.listWorkloads({ namespace, service: '' });
  const rows = items.map((workload) => [
    workload.namespace,
    workload.id,
    workload.service,
    workload.labels.version ?? '-',
    workload.health.toLowerCase(),
    workload.ports.map((port) => `${workload.address}:${port.inboundPort}`).join(',') || '-',
    workload.dataPlane.toLowerCase(),
    age(workload.registeredAtMs, Date.now()),
  ]);
  const headings = ['NAMESPACE', 'WORKLOAD', 'SERVICE', 'VERSION', 'HEALTH', 'ADDRESS', 'DATA PLANE', 'AGE'];
  return { items, headings, rows };
}

/** Resources whose kind the predicate takes. */
function resources(takes: (kind: string) => boolean): List {
  return async (client, namespace) => {
    const all = await client.listResources({ kind: '', namespace });
    const items = all.resources.filter(({ key }) => takes(key?.kind ?? ''));
    const rows = items.map(({ key, revision, author, atMs }) => [
      key?.namespace ?? '',
      `${key?.kind}/${key?.name}`,
      String(revision),
      age(atMs, Date.now()),
      author,
    ]);
    return { items, headings: ['NAMESPACE', 'RESOURCE', 'REVISION', 'AGE', 'AUTHOR'], rows };
  };
}

async function proxies(client: Client<typeof Admin>): Promise<Listing> {
  const { proxies: items, revision } = await client.listProxies({});
  const rows = items.map((proxy) => [
    proxy.id,
    proxy.userAgent,
    proxy.xdsInstance === '' ? 'no' : 'yes',
    `${proxy.acknowledgedRevision}/${revision}`,
    proxy.nacks.length === 0 ? '-' : proxy.nacks.map(({ message }) => message).join('; '),
  ]);
  return { items, headings: ['PROXY', 'DATA PLANE', 'CONNECTED', 'REVISION', 'REFUSED'], rows };
}

async function edges(client: Client<typeof Admin>): Promise<Listing> {
  const { edges: items } = await client.listEdges({ source: '', destination: '' });
  const rows = items.map((edge) => [
    edge.source,
    edge.destination,
    edge.protocol,
    edge.reporter.toLowerCase(),
    String(edge.requests),
    String(edge.errors),
    edge.requests === 0 ? '-' : `${(edge.durationMsSum / edge.requests).toFixed(1)} ms`,
  ]);
  const headings = ['SOURCE', 'DESTINATION', 'PROTOCOL', 'TOLD BY', 'REQUESTS', 'ERRORS', 'MEAN'];
  return { items, headings, rows };
}

async function changes(client: Client<typeof Admin>): Promise<Listing> {
  const { changeSets: items } = await client.listChangeSets({ limit: 50 });
  const rows = items.map(({ revision, changeSet }) => [
    String(revision),
    age(changeSet?.atMs ?? 0, Date.now()),
    changeSet?.author ?? '',
    (changeSet?.operations ?? [])
      .map(({ action, key }) => `${action === 'DELETE' ? '-' : ''}${key?.kind}/${key?.name}`)
      .join(' '),
    changeSet?.reason ?? '',
  ]);
  return { items, headings: ['REVISION', 'AGE', 'AUTHOR', 'RESOURCES', 'REASON'], rows };
}

const LISTS: Readonly<Record<string, List>> = {
  services,
  workloads,
  routes: resources((kind) => kind.endsWith('Route')),
  resources: resources(() => true),
  proxies,
  edges,
  changes,
};

export const command: Command<typeof FLAGS> = {
  usage: `${Object.keys(LISTS).join('|')}`,
  description: 'Lists what is in the mesh.',
  flags: FLAGS,
  positionals: Object.keys(LISTS),
  async run(context) {
    const [what = ''] = context.positionals;
    const json = isJson(context.flags.output);
    const list = LISTS[what];
    if (!list) throw usageError('name what to list, such as weft get services');
    const listing = await withAdmin(context, (client) => list(client, context.flags.namespace ?? ''));
    if (json) context.terminal.out(JSON.stringify(listing.items, undefined, 2));
    else if (listing.rows.length === 0) context.terminal.err(`no ${what}`);
    else context.terminal.out(table(listing.headings, listing.rows));
    return 0;
  },
};
