/**
 * The mesh's services, derived from the world: who their members are, where they are reached and which routes are
 * attached to them. What did not change from one mesh to the next keeps its identity.
 */
import type { Protocol, Workload } from '@weft/contracts/bus';
import { formatSpiffeId } from '@weft/identity';
import { scopedName } from './key.ts';
import type { ServiceProtocol, ServiceReference } from './kinds.ts';
import type { Resource, ResourceOf } from './resource.ts';
import type { World } from './world.ts';

/** Where an instance takes requests of other proxies. */
export interface Endpoint {
  readonly workloadId: string;
  /** An IP address. */
  readonly address: string;
  readonly port: number;
}

export interface MeshService {
  /** `<namespace>/<name>`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly protocol: ServiceProtocol;
  /** The resource that declares it. */
  readonly declared: ResourceOf<'Service'> | undefined;
  /** `referred`: neither declared nor registered now, but a route or an upstream of a workload names it. */
  readonly origin: 'declared' | 'registered' | 'referred';
  /** Its workloads, whatever their health, by id. */
  readonly members: readonly Workload[];
  /** The SPIFFE IDs that its endpoints may show; never empty once the trust domain is known. */
  readonly identities: readonly string[];
  /** Of the members that are READY. */
  readonly endpoints: readonly Endpoint[];
  /** Routes that have it as a parent, of any namespace, by age. */
  readonly httpRoutes: readonly ResourceOf<'HTTPRoute'>[];
  readonly tcpRoutes: readonly ResourceOf<'TCPRoute'>[];
}

export interface Mesh {
  readonly world: World;
  /** By key, in order. */
  readonly services: readonly MeshService[];
  readonly byKey: ReadonlyMap<string, MeshService>;
  readonly references: References;
}

type RouteResource = ResourceOf<'HTTPRoute'> | ResourceOf<'TCPRoute'>;

/** What the configuration says of services, by their key. */
export interface References {
  readonly declared: ReadonlyMap<string, ResourceOf<'Service'>>;
  readonly httpRoutes: ReadonlyMap<string, readonly ResourceOf<'HTTPRoute'>[]>;
  readonly tcpRoutes: ReadonlyMap<string, readonly ResourceOf<'TCPRoute'>[]>;
  /** Every service that a route has as a parent or backend. */
  readonly named: ReadonlySet<string>;
}

/** The key of the service that a resource refers to. */
export function referenceKey(reference: ServiceReference, from: { readonly namespace: string }): string {
  return scopedName(reference.namespace ?? from.namespace, reference.name);
}

/** The keys of all services that a route names, with where it does. */
export function routeReferences(route: { readonly namespace: string; readonly spec: RouteResource['spec'] }): {
  readonly key: string;
  readonly path: string;
  readonly role: 'parent' | 'backend';
}[] {
  const parents = route.spec.parentRefs.map((parent, index) => ({
    key: referenceKey(parent, route),
    path: `spec.parentRefs[${index}]`,
    role: 'parent' as const,
  }));
  const backends = route.spec.rules.flatMap((rule, ruleIndex) =>
    rule.backendRefs.map((backend, index) => ({
      key: referenceKey(backend, route),
      path: `spec.rules[${ruleIndex}].backendRefs[${index}]`,
      role: 'backend' as const,
    })),
  );
  return [...parents, ...backends];
}

function byAge(a: Resource, b: Resource): number {
  if (a.createdRevision !== b.createdRevision) return a.createdRevision - b.createdRevision;
  const left = scopedName(a.namespace, a.name);
  const right = scopedName(b.namespace, b.name);
  return left < right ? -1 : left > right ? 1 : 0;
}

function push<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (!list) lists.set(key, [item]);
  else if (list.at(-1) !== item) list.push(item);
}

function collectReferences(world: World): References {
  const declared = new Map<string, ResourceOf<'Service'>>();
  const httpRoutes = new Map<string, ResourceOf<'HTTPRoute'>[]>();
  const tcpRoutes = new Map<string, ResourceOf<'TCPRoute'>[]>();
  const named = new Set<string>();
  for (const resource of [...world.resources.values()].sort(byAge)) {
    if (resource.kind === 'Service') {
      declared.set(scopedName(resource.namespace, resource.name), resource);
      continue;
    }
    for (const { key, role } of routeReferences(resource)) {
      named.add(key);
      if (role === 'backend') continue;
      if (resource.kind === 'HTTPRoute') push(httpRoutes, key, resource);
      else push(tcpRoutes, key, resource);
    }
  }
  return { declared, httpRoutes, tcpRoutes, named };
}

const PROTOCOLS: { readonly [P in ServiceProtocol]: Protocol } = { http: 'HTTP', tcp: 'TCP' };

/** What an undeclared service speaks: what the first port of its longest registered workload does. */
function spokenProtocol(members: readonly Workload[]): ServiceProtocol {
  let oldest: Workload | undefined;
  for (const member of members) {
    if (member.ports.length > 0 && (!oldest || member.registeredAtMs < oldest.registeredAtMs)) oldest = member;
  }
  return oldest?.ports[0]?.protocol === 'TCP' ? 'tcp' : 'http';
}

function endpointsOf(members: readonly Workload[], protocol: ServiceProtocol): readonly Endpoint[] {
  // Of two workloads that claim one address and port, the one that registered last holds it.
  const byAddress = new Map<string, { readonly endpoint: Endpoint; readonly atMs: number }>();
  for (const { id, address, ports, health, registeredAtMs } of members) {
    const port = ports.find((one) => one.protocol === PROTOCOLS[protocol])?.inboundPort;
    if (health !== 'READY' || port === undefined) continue;
    const place = `${address} ${port}`;
    const rival = byAddress.get(place);
    if (rival && rival.atMs > registeredAtMs) continue;
    byAddress.set(place, { endpoint: { workloadId: id, address, port }, atMs: registeredAtMs });
  }
  return [...byAddress.values()].map(({ endpoint }) => endpoint);
}

/** The identities that discovery lets register as a service; empty while the trust domain is not known. */
function admittedIdentities(world: World, namespace: string, name: string, declared?: ResourceOf<'Service'>): string[] {
  if (world.trustDomain === '') return [];
  const accounts = [name, ...(declared?.spec.serviceAccounts ?? [])];
  return accounts.map((serviceAccount) =>
    formatSpiffeId({ trustDomain: world.trustDomain, namespace, serviceAccount }),
  );
}

function sameItems<T>(a: readonly T[], b: readonly T[], same: (x: T, y: T) => boolean = Object.is): boolean {
  return a.length === b.length && a.every((item, index) => same(item, b[index] as T));
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.workloadId === b.workloadId && a.address === b.address && a.port === b.port;
}

/** The new service with every part of the old one that is the same, or the old one itself. */
function reuse(next: MeshService, before: MeshService | undefined): MeshService {
  if (!before) return Object.freeze(next);
  const merged: MeshService = {
    ...next,
    members: sameItems(next.members, before.members) ? before.members : next.members,
    identities: sameItems(next.identities, before.identities) ? before.identities : next.identities,
    endpoints: sameItems(next.endpoints, before.endpoints, sameEndpoint) ? before.endpoints : next.endpoints,
    httpRoutes: sameItems(next.httpRoutes, before.httpRoutes) ? before.httpRoutes : next.httpRoutes,
    tcpRoutes: sameItems(next.tcpRoutes, before.tcpRoutes) ? before.tcpRoutes : next.tcpRoutes,
  };
  const keys = Object.keys(merged) as (keyof MeshService)[];
  return keys.every((key) => merged[key] === before[key]) ? before : Object.freeze(merged);
}

/** The label `service` is what the workload was let register as; all others are the workload's own choice. */
function selects(selector: Readonly<Record<string, string>>, workload: Workload): boolean {
  return Object.entries(selector).every(([key, value]) => {
    if (key === 'service') return workload.service === value;
    return Object.hasOwn(workload.labels, key) && workload.labels[key] === value;
  });
}

interface Groups {
  readonly byService: ReadonlyMap<string, readonly Workload[]>;
  readonly byNamespace: ReadonlyMap<string, readonly Workload[]>;
  readonly upstreams: ReadonlySet<string>;
}

function groupWorkloads(world: World): Groups {
  const byService = new Map<string, Workload[]>();
  const byNamespace = new Map<string, Workload[]>();
  const upstreams = new Set<string>();
  for (const workload of world.workloads.values()) {
    push(byService, scopedName(workload.namespace, workload.service), workload);
    push(byNamespace, workload.namespace, workload);
    for (const { namespace, service } of workload.upstreams) upstreams.add(scopedName(namespace, service));
  }
  for (const group of [...byService.values(), ...byNamespace.values()]) {
    group.sort((a, b) => (a.id < b.id ? -1 : 1));
  }
  return { byService, byNamespace, upstreams };
}

/**
 * The workloads of a service: those its selector finds in its namespace, else those registered under its name. A selector
 * that does not name the service finds none but those whose service account may be the service: labels prove nothing.
 */
function membersOf(
  key: string,
  declared: ResourceOf<'Service'> | undefined,
  groups: Groups,
  admitted: readonly string[],
): readonly Workload[] {
  const selector = declared?.spec.selector;
  if (!declared || !selector) return groups.byService.get(key) ?? [];
  const found = (groups.byNamespace.get(declared.namespace) ?? []).filter((workload) => selects(selector, workload));
  if (Object.hasOwn(selector, 'service')) return found;
  return found.filter(({ spiffeId }) => admitted.includes(spiffeId));
}

function deriveService(key: string, world: World, references: References, groups: Groups): MeshService {
  const [namespace = '', name = ''] = key.split('/');
  const declared = references.declared.get(key);
  const admitted = admittedIdentities(world, namespace, name, declared);
  const members = membersOf(key, declared, groups, admitted);
  const protocol = declared?.spec.protocol ?? spokenProtocol(members);
  const shown = members.map(({ spiffeId }) => spiffeId);
  const identities = shown.length > 0 ? shown : admitted;
  return {
    key,
    namespace,
    name,
    protocol,
    declared,
    origin: declared ? 'declared' : groups.byService.has(key) ? 'registered' : 'referred',
    members,
    identities: [...new Set(identities)].sort(),
    endpoints: endpointsOf(members, protocol),
    httpRoutes: references.httpRoutes.get(key) ?? [],
    tcpRoutes: references.tcpRoutes.get(key) ?? [],
  };
}

/** The mesh of a world. Given the mesh before, everything that is the same keeps its identity. */
export function deriveMesh(world: World, previous?: Mesh): Mesh {
  const unchanged = previous?.world.resources === world.resources;
  const references = previous && unchanged ? previous.references : collectReferences(world);
  const groups = groupWorkloads(world);
  const keys = new Set([
    ...references.declared.keys(),
    ...groups.byService.keys(),
    ...references.named,
    ...groups.upstreams,
  ]);
  const services = [...keys]
    .sort()
    .map((key) => reuse(deriveService(key, world, references, groups), previous?.byKey.get(key)));
  const same = previous !== undefined && sameItems(services, previous.services);
  const byKey = same ? previous.byKey : new Map(services.map((service) => [service.key, service]));
  return Object.freeze({ world, services: same ? previous.services : Object.freeze(services), byKey, references });
}

/** A service that nothing is known of but its name: it has no members and speaks HTTP. */
export function unknownService(world: World, namespace: string, name: string): MeshService {
  const none: Groups = { byService: new Map(), byNamespace: new Map(), upstreams: new Set() };
  const references: References = { declared: new Map(), httpRoutes: new Map(), tcpRoutes: new Map(), named: new Set() };
  return Object.freeze(deriveService(scopedName(namespace, name), world, references, none));
}

/** `stock.shop.mesh`: the name under which a service is reached from everywhere. */
export function hostName(service: { readonly namespace: string; readonly name: string }): string {
  return `${service.name}.${service.namespace}.mesh`;
}

/** The names under which callers of a namespace reach a service. */
export function hostNames(
  service: { readonly namespace: string; readonly name: string },
  callers: string,
): readonly string[] {
  const full = hostName(service);
  return service.namespace === callers ? [`${service.name}.mesh`, full] : [full];
}

/**
 * Of the routes attached to a service those that hold for callers of a namespace: routes of the callers' own namespace
 * where there are any, else those of the service's (https://gateway-api.sigs.k8s.io/mesh/ tells of consumer routes).
 */
export function routesFor<R extends RouteResource>(
  routes: readonly R[],
  service: { readonly namespace: string },
  callers: string,
): readonly R[] {
  const own = routes.filter(({ namespace }) => namespace === callers);
  return own.length > 0 ? own : routes.filter(({ namespace }) => namespace === service.namespace);
}
