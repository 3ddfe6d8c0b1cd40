/** The handlers of `weft.admin.v1.Admin`. */
import { X509Certificate } from 'node:crypto';
import type { Bus } from '@weft/bus';
import type {
  Admin,
  CreateTokenRequest,
  ListResourcesRequest,
  Service,
  Status,
  StoredChangeSet,
  StoredResource,
} from '@weft/contracts/admin';
import { calls, logs, type ProxyStatus } from '@weft/contracts/bus';
import { WeftError } from '@weft/contracts/error';
import { isLabel } from '@weft/identity';
import { hostName, type MeshService } from '@weft/model';
import type { Handlers } from '@weft/rpc';
import type { Applier } from './apply.ts';
import { isConnected, rolloutStatus, watchRollout } from './rollout.ts';
import type { MeshView } from './view.ts';

export interface AdminParts {
  readonly bus: Bus;
  readonly view: MeshView;
  readonly applier: Applier;
}

const DEFAULT_CHANGE_SETS = 50;
const MAX_CHANGE_SETS = 1000;

function byText<T>(text: (item: T) => string): (some: T, other: T) => number {
  return (some, other) => (text(some) < text(other) ? -1 : text(some) > text(other) ? 1 : 0);
}

function listResources(view: MeshView, { kind, namespace }: ListResourcesRequest): readonly StoredResource[] {
  const resources: StoredResource[] = [];
  for (const [text, { json, revision, author, atMs }] of [...view.stored].sort(byText(([key]) => key))) {
    const [itsKind = '', itsNamespace = '', name = ''] = text.split('/');
    if (kind !== '' && kind !== itsKind) continue;
    if (namespace !== '' && namespace !== itsNamespace) continue;
    resources.push({ key: { kind: itsKind, namespace: itsNamespace, name }, json, revision, author, atMs });
  }
  return resources;
}

/** The newest first. */
async function listChangeSets(bus: Bus, limit: number): Promise<readonly StoredChangeSet[]> {
  const count = Math.min(limit > 0 ? limit : DEFAULT_CHANGE_SETS, MAX_CHANGE_SETS);
  const log = bus.log(logs.config);
  const last = await log.last();
  if (last === 0) return [];
  const changeSets: StoredChangeSet[] = [];
  for await (const { sequence, value } of log.read({ from: Math.max(1, last - count + 1), to: last })) {
    changeSets.push({ revision: sequence, changeSet: value });
  }
  return changeSets.reverse();
}

function toService(service: MeshService): Service {
  return {
    namespace: service.namespace,
    name: service.name,
    hostName: hostName(service),
    protocols: [service.protocol === 'tcp' ? 'TCP' : 'HTTP'],
    ready: service.members.filter(({ health }) => health === 'READY').length,
    workloads: service.members.length,
    declared: service.declared !== undefined,
    identities: service.identities,
  };
}

/** Services that are there: what only a route or an upstream names is not. */
function servicesOf(view: MeshView): readonly MeshService[] {
  return view.mesh.services.filter(({ origin }) => origin !== 'referred');
}

function sortedProxies(view: MeshView): readonly ProxyStatus[] {
  return [...view.proxies].sort(byText(([key]) => key)).map(([, proxy]) => proxy);
}

function rootNotAfterMs(view: MeshView): number {
  const [newest] = view.trust?.roots ?? [];
  return newest === undefined ? 0 : new X509Certificate(newest).validToDate.getTime();
}

function statusOf({ bus, view }: AdminParts): Status {
  const { proxies, acknowledged, nacks } = rolloutStatus(view.proxies, view.revision);
  return {
    instances: [...view.instances()].sort(byText(({ service, id }) => `${service} ${id}`)),
    revision: view.revision,
    proxies,
    acknowledged,
    nacks,
    problems: view.problems(),
    services: servicesOf(view).length,
    workloads: view.world.workloads.size,
    trustDomain: view.trust?.trustDomain ?? '',
    rootNotAfterMs: rootNotAfterMs(view),
    bus: bus.kind,
    unconnected: unconnected(view),
  };
}

/** Registered workloads that no xds-server hears of. */
function unconnected(view: MeshView): readonly string[] {
  const connected = new Set([...view.proxies].filter(([, proxy]) => isConnected(proxy)).map(([key]) => key));
  return [...view.world.workloads.keys()].filter((id) => !connected.has(id)).sort();
}

function checkTokenRequest({ namespace, serviceAccounts, lifeMs }: CreateTokenRequest): void {
  const wrong: string[] = [];
  if (namespace !== '*' && !isLabel(namespace))
    wrong.push(`namespace ${JSON.stringify(namespace)}: expected a name or *`);
  if (serviceAccounts.length === 0) wrong.push('service_accounts: expected at least one, or *');
  for (const account of serviceAccounts) {
    if (account !== '*' && !isLabel(account)) {
      wrong.push(`service account ${JSON.stringify(account)}: expected a name or *`);
    }
  }
  if (lifeMs < 0) wrong.push(`life_ms ${lifeMs}: expected milliseconds, 0 for no end`);
  if (wrong.length > 0) throw new WeftError('INVALID_ARGUMENT', wrong.join('; '), { source: 'downstream' });
}

/** Waits until everything has been read from the bus. */
async function synced(view: MeshView, signal: AbortSignal): Promise<void> {
  await view.when(() => view.notSynced === undefined, signal);
}

export function adminHandlers(parts: AdminParts): Handlers<typeof Admin> {
  const { bus, view, applier } = parts;
  return {
    apply: (request, call) => applier.apply(request, call.signal),
    async *watchRollout({ revision }, call) {
      await synced(view, call.signal);
      const newest = Math.max(view.revision, await bus.log(logs.config).last());
      if (revision > newest) {
        throw new WeftError('OUT_OF_RANGE', `there is no revision ${revision}: the newest is ${newest}`, {
          source: 'downstream',
        });
      }
      yield* watchRollout(view, revision, call.signal);
    },
    listResources: async (request, call) => {
      await synced(view, call.signal);
      return { resources: listResources(view, request), revision: view.revision };
    },
    listChangeSets: async ({ limit }) => ({ changeSets: await listChangeSets(bus, limit) }),
    listServices: async ({ namespace }, call) => {
      await synced(view, call.signal);
      const services = servicesOf(view).filter((service) => namespace === '' || service.namespace === namespace);
      return { services: services.map(toService) };
    },
    listWorkloads: async ({ namespace, service }, call) => {
      await synced(view, call.signal);
      const workloads = [...view.world.workloads]
        .sort(byText(([key]) => key))
        .map(([, workload]) => workload)
        .filter((workload) => namespace === '' || workload.namespace === namespace)
        .filter((workload) => service === '' || workload.service === service);
      return { workloads };
    },
    listProxies: async (_request, call) => {
      await synced(view, call.signal);
      return { proxies: sortedProxies(view), revision: view.revision };
    },
    listEdges: (request, call) => bus.call(calls.edges, request, { signal: call.signal }),
    getStatus: async (_request, call) => {
      await synced(view, call.signal);
      return statusOf(parts);
    },
    createToken: async (request, call) => {
      checkTokenRequest(request);
      const asked = { ...request, createdBy: call.caller.address };
      const { token, kept } = await bus.call(calls.createToken, asked, { signal: call.signal });
      return { token, id: kept?.id ?? '' };
    },
  };
}
