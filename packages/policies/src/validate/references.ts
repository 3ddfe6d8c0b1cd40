/** What resources say of one another: a change-set must not leave a reference to nothing, or one that cannot work. */
import type { Violation } from '@weft/contracts/admin';
import type { ResourceKey } from '@weft/contracts/bus';
import {
  deriveMesh,
  keyText,
  type Mesh,
  type MeshService,
  type ResourceDocument,
  type ResourceOf,
  resourceKey,
  routeReferences,
  schema,
  scopedName,
  type World,
} from '@weft/model';

type Route = ResourceOf<'HTTPRoute'> | ResourceOf<'TCPRoute'>;
type RouteDocument = Extract<ResourceDocument, { readonly kind: Route['kind'] }>;

import { type UnreadDocument, unreadReferences } from './unread.ts';

interface Sourced {
  readonly source: string;
  readonly resource: ResourceDocument;
}

const NEEDS = { HTTPRoute: 'http', TCPRoute: 'tcp' } as const;

function routesOf(world: World): Route[] {
  return [...world.resources.values()].filter((resource): resource is Route => resource.kind !== 'Service');
}

export interface ReferenceCheck {
  readonly world: World;
  /** The world as it would be. */
  readonly next: World;
  readonly documents: readonly Sourced[];
  readonly deletions: readonly ResourceKey[];
  readonly unread: readonly UnreadDocument[];
}

interface Meshes {
  readonly before: Mesh;
  readonly after: Mesh;
  readonly unreadServices: ReadonlySet<string>;
}

/** A service that nobody declared, registered or named before may not be named now. */
function isThere(service: MeshService | undefined, { before, unreadServices }: Meshes): boolean {
  if (!service) return false;
  return service.origin !== 'referred' || before.references.named.has(service.key) || unreadServices.has(service.key);
}

function missingText(key: string, meshes: Meshes): string {
  const [namespace, name = ''] = key.split('/');
  const there = meshes.after.services.filter((service) => isThere(service, meshes));
  const neighbours = there.filter((service) => service.namespace === namespace).map((service) => service.name);
  const meant =
    schema.suggest(name, neighbours) ??
    schema.suggest(
      key,
      there.map((service) => service.key),
    );
  const hint = meant === undefined ? '' : `did you mean ${meant}? If not, `;
  return `no service ${key} is declared or registered: ${hint}declare it with a resource of kind Service in the same apply`;
}

function protocolText(route: RouteDocument, service: MeshService): string | undefined {
  const needed = NEEDS[route.kind];
  if (service.protocol === needed) return undefined;
  // Of a service without workloads and without a declared protocol nothing is known yet but the default.
  const known = service.declared?.spec.protocol !== undefined || service.members.some(({ ports }) => ports.length > 0);
  if (!known && needed === 'http') return undefined;
  const other = needed === 'http' ? 'a TCPRoute' : 'an HTTPRoute';
  const declare = known ? '' : `, or declare it with a resource of kind Service and protocol: ${needed}`;
  return `${service.key} is a service of protocol ${service.protocol}: expected ${needed}; use ${other}${declare}`;
}

function routeViolations(source: string, route: RouteDocument, meshes: Meshes): Violation[] {
  const violations: Violation[] = [];
  const violate = (path: string, message: string) =>
    violations.push({ source, key: resourceKey(route), path, message });
  for (const { key, path } of routeReferences(route)) {
    const service = meshes.after.byKey.get(key);
    if (!service || !isThere(service, meshes)) violate(`${path}.name`, missingText(key, meshes));
    else if (!meshes.unreadServices.has(key)) {
      const wrong = protocolText(route, service);
      if (wrong !== undefined) violate(`${path}.name`, wrong);
    }
  }
  if (route.kind === 'TCPRoute') violations.push(...rivalViolations(source, route, meshes.after));
  return violations;
}

/** Rules of a TCPRoute take every connection, so a second route of the same callers would never be used. */
function rivalViolations(source: string, route: RouteDocument, after: Mesh): Violation[] {
  return routeReferences(route).flatMap(({ key, path, role }) => {
    const rivals = role === 'parent' ? (after.byKey.get(key)?.tcpRoutes ?? []) : [];
    const rival = rivals.find((one) => one.namespace === route.namespace && one.name !== route.name);
    if (!rival) return [];
    const message = `${key} has ${keyText(rival)} already, which takes every connection: expected one TCPRoute for a service`;
    return [{ source, key: resourceKey(route), path: `${path}.name`, message }];
  });
}

/** Routes that stand and that a changed `Service` would break. */
function serviceViolations(source: string, service: ResourceDocument, after: Mesh, changed: Set<string>): Violation[] {
  const key = scopedName(service.namespace, service.name);
  const meshService = after.byKey.get(key);
  if (!meshService) return [];
  return routesOf(after.world).flatMap((route) => {
    if (changed.has(keyText(route)) || !routeReferences(route).some((reference) => reference.key === key)) return [];
    const wrong = protocolText(route, meshService);
    if (wrong === undefined) return [];
    const message = `${keyText(route)} refers to it: ${wrong}`;
    return [{ source, key: resourceKey(service), path: 'spec.protocol', message }];
  });
}

function deletionViolations(after: World, deletions: readonly ResourceKey[]): Violation[] {
  return deletions.flatMap((deletion) => {
    if (deletion.kind !== 'Service') return [];
    const service = scopedName(deletion.namespace, deletion.name);
    const users = routesOf(after).filter((route) => routeReferences(route).some(({ key }) => key === service));
    if (users.length === 0) return [];
    const names = users.map(keyText).join(', ');
    const message = `${keyText(deletion)} is referred to by ${names}: change or delete that in the same apply`;
    return [{ source: '', key: resourceKey(deletion), path: '', message }];
  });
}

/** What is wrong with the references of a document that has other violations. */
function unreadViolations(document: UnreadDocument, meshes: Meshes): Violation[] {
  const { source, key } = document;
  return unreadReferences(document).flatMap(({ serviceKey, path }) => {
    if (meshes.unreadServices.has(serviceKey) || isThere(meshes.after.byKey.get(serviceKey), meshes)) return [];
    return [{ source, key, path, message: missingText(serviceKey, meshes) }];
  });
}

/** Everything that is wrong between the resources of the world as it would be, as far as the change-set touches it. */
export function referenceViolations(check: ReferenceCheck): Violation[] {
  const { world, next, documents, deletions, unread } = check;
  const services = unread.filter(({ key }) => key.kind === 'Service');
  const unreadServices = new Set(services.map(({ key }) => scopedName(key.namespace, key.name)));
  const before = deriveMesh(world);
  const meshes = { before, after: deriveMesh(next, before), unreadServices };
  const changed = new Set(documents.map(({ resource }) => keyText(resource)));
  const ofDocuments = documents.flatMap(({ source, resource }) =>
    resource.kind === 'Service'
      ? serviceViolations(source, resource, meshes.after, changed)
      : routeViolations(source, resource, meshes),
  );
  const ofUnread = unread.flatMap((document) => unreadViolations(document, meshes));
  return [...ofUnread, ...ofDocuments, ...deletionViolations(next, deletions)];
}
