/**
 * Compiles views of the mesh into snapshots. What several proxies have in common is compiled once, and what did not
 * change is not compiled again. A resource that cannot be compiled is kept out, or stays as it was, and is told as a
 * problem; it never holds up the others.
 */

import type { Problem, ResourceKey } from '@weft/contracts/bus';
import type { VirtualHost } from '@weft/envoy-api';
import { hostName, type Mesh, type MeshService, type ProxyView, type UpstreamView } from '@weft/model';
import { LOOPBACK_CLUSTER, outboundName, serviceCluster, serviceEndpoints, tcpDestination } from '@weft/policies';
import { type EncodedResource, encodeResource, hashOf } from '../snapshot/resource.ts';
import {
  createSnapshot,
  danglingReferences,
  type Layer,
  layerOf,
  type SharedLayer,
  type Snapshot,
} from '../snapshot/snapshot.ts';
import { inboundCluster, inboundName, loopbackCluster } from './clusters.ts';
import { inboundHttp, inboundTcp, outboundHttp, outboundTcp } from './filters.ts';
import { inboundListener, outboundListener } from './listeners.ts';
import { Memo } from './memo.ts';
import { clustersOf } from './needs.ts';
import { inboundRoutes, outboundRoutes, tcpRouteOf, upstreamRoutes, virtualHost } from './routes.ts';
import { Vetting } from './vetting.ts';

interface Attempt {
  readonly resource: EncodedResource | undefined;
  readonly problem: Problem | undefined;
}

interface Blame {
  readonly key: ResourceKey;
  readonly revision: number;
}

const NO_LAYER: Layer = layerOf([]);

function serviceBlame({ namespace, name, declared }: MeshService): Blame {
  return { key: { kind: 'Service', namespace, name }, revision: declared?.revision ?? 0 };
}

function workloadBlame({ workload }: ProxyView): Blame {
  return { key: { kind: 'Workload', namespace: workload.namespace, name: workload.id }, revision: 0 };
}

function sameLayer(a: Layer, b: Layer): boolean {
  const same = (x: ReadonlyMap<string, EncodedResource>, y: ReadonlyMap<string, EncodedResource>) =>
    x.size === y.size && [...x].every(([name, resource]) => y.get(name) === resource);
  return same(a.cluster, b.cluster) && same(a.endpoint, b.endpoint);
}

export class Compiler {
  readonly #attempts = new Memo<Attempt>();
  readonly #hosts = new Memo<VirtualHost>();
  readonly #snapshots = new Memo<{ readonly snapshot: Snapshot; readonly problems: readonly Problem[] }>();
  readonly #vetting = new Vetting();
  #shared: SharedLayer = { layer: NO_LAYER, hash: '' };
  #missing: ReadonlyMap<string, string> = new Map();
  #worldProblems: readonly Problem[] = [];

  /** Takes up a new mesh: what all proxies share is compiled. */
  update(mesh: Mesh): void {
    this.#worldProblems = [...mesh.world.problems.values()];
    const resources: EncodedResource[] = [];
    const missing = new Map<string, string>();
    for (const service of mesh.services) {
      const compiled = this.#service(service);
      if (typeof compiled === 'string') missing.set(service.key, compiled);
      else resources.push(...compiled);
    }
    const isSame =
      missing.size === this.#missing.size && [...missing].every(([key, why]) => this.#missing.get(key) === why);
    if (!isSame) this.#missing = missing;
    const layer = layerOf(resources);
    if (!sameLayer(layer, this.#shared.layer)) this.#shared = Object.freeze({ layer, hash: hashOf(resources) });
  }

  /** The snapshot of a view of the mesh that was taken up last. The same content is the same object. */
  compile(view: ProxyView): Snapshot {
    const own = [
      ...this.#unsharedServices(view),
      ...this.#outbound(view),
      ...view.upstreams.flatMap((upstream) => this.#upstream(view, upstream)),
      ...this.#inbound(view),
    ];
    const inputs = [this.#shared, ...own];
    return this.#snapshots.get(view.id, inputs, () => {
      const snapshot = createSnapshot(this.#shared, own);
      const problems = danglingReferences(snapshot, own).map((message) => ({ ...workloadBlame(view), message }));
      return { snapshot, problems };
    }).snapshot;
  }

  /** Forgets what neither the mesh nor a view has used since the last call. */
  sweep(): void {
    this.#attempts.sweep();
    this.#hosts.sweep();
    this.#snapshots.sweep();
    this.#vetting.sweep();
  }

  /** What could not be compiled, and what the world could not read. */
  problems(): readonly Problem[] {
    const attempts = [...this.#attempts.values()].flatMap(({ problem }) => (problem ? [problem] : []));
    const dangling = [...this.#snapshots.values()].flatMap(({ problems }) => problems);
    return [...this.#worldProblems, ...this.#vetting.problems(), ...attempts, ...dangling];
  }

  #attempt(key: string, blame: Blame, inputs: readonly unknown[], make: () => EncodedResource) {
    const attempt = this.#attempts.get(key, inputs, (before) => {
      try {
        return { resource: make(), problem: undefined };
      } catch (thrown) {
        const reason = thrown instanceof Error ? thrown.message : String(thrown);
        const state = before?.resource ? 'stays as it was' : 'is left out';
        return { resource: before?.resource, problem: { ...blame, message: `${key} ${state}: ${reason}` } };
      }
    });
    return attempt.resource;
  }

  /** The cluster and load assignment of a service, or why they are not there. */
  #service(service: MeshService): readonly EncodedResource[] | string {
    const name = outboundName(service);
    const blame = serviceBlame(service);
    const { identities, protocol, declared, endpoints } = service;
    const cluster = this.#attempt(`cluster ${name}`, blame, [identities, protocol, declared], () =>
      encodeResource('cluster', name, serviceCluster(service), { endpoint: [name] }),
    );
    const assignment = this.#attempt(`endpoints of ${name}`, blame, [endpoints], () =>
      encodeResource('endpoint', name, serviceEndpoints(service)),
    );
    return cluster && assignment ? [cluster, assignment] : 'its cluster could not be compiled';
  }

  /** Services that only this proxy names. */
  #unsharedServices({ services }: ProxyView): readonly EncodedResource[] {
    const own = services.filter((service) => !this.#shared.layer.cluster.has(outboundName(service)));
    return own.flatMap((service) => {
      const compiled = this.#missing.has(service.key) ? '' : this.#service(service);
      return typeof compiled === 'string' ? [] : compiled;
    });
  }

  #ground(callers: string) {
    return { callers, trouble: (key: string) => this.#missing.get(key) };
  }

  #virtualHost(service: MeshService, callers: string): VirtualHost {
    const { httpRoutes, tcpRoutes, protocol, declared } = service;
    const inputs = [httpRoutes, tcpRoutes, protocol, declared, this.#missing];
    return this.#hosts.get(`${callers} ${service.key}`, inputs, () => virtualHost(service, this.#ground(callers)));
  }

  /** The listener for HTTP_PROXY, its routes, and the way back into it. */
  #outbound(view: ProxyView): readonly EncodedResource[] {
    const { outboundPort: port, namespace } = view.workload;
    if (port === 0) return [];
    const blame = workloadBlame(view);
    const routeName = `outbound/${namespace}`;
    const hosts = view.services.map((service) => this.#virtualHost(this.#vetting.vet(service), namespace));
    // Proxies that see the same share the routes; one that names services of its own has its own.
    const key = view.services.length === this.#shared.layer.cluster.size ? routeName : `${routeName} of ${view.id}`;
    const routes = this.#attempt(`routes ${key}`, blame, hosts, () => {
      const configuration = outboundRoutes(routeName, hosts);
      return encodeResource('route', routeName, configuration, { cluster: clustersOf(configuration) });
    });
    const loopback = this.#attempt(`cluster ${LOOPBACK_CLUSTER} at ${port}`, blame, [], () =>
      encodeResource('cluster', LOOPBACK_CLUSTER, loopbackCluster(port)),
    );
    const listener = this.#attempt(`listener outbound at ${port} for ${namespace}`, blame, [], () => {
      const filter = outboundHttp({ statPrefix: 'outbound', routeName, connect: true });
      return encodeResource('listener', 'outbound', outboundListener('outbound', port, filter), { route: [routeName] });
    });
    return present(loopback, routes, listener);
  }

  /** The local port of an upstream. */
  #upstream(view: ProxyView, { localPort, service: given }: UpstreamView): readonly EncodedResource[] {
    const service = this.#vetting.vet(given);
    const callers = view.workload.namespace;
    const name = `upstream/${service.key}`;
    const blame = workloadBlame(view);
    if (service.protocol === 'tcp') return present(this.#tcpUpstream(view, service, localPort));
    const { httpRoutes, declared } = service;
    const routes = this.#attempt(`routes ${name} for ${callers}`, blame, [httpRoutes, declared, this.#missing], () => {
      const configuration = upstreamRoutes(name, service, this.#ground(callers));
      return encodeResource('route', name, configuration, { cluster: clustersOf(configuration) });
    });
    const listener = this.#attempt(`listener ${name} at ${localPort}`, blame, ['http'], () => {
      const filter = outboundHttp({
        statPrefix: name,
        routeName: name,
        defaultHost: hostName(service),
        connect: false,
      });
      return encodeResource('listener', name, outboundListener(name, localPort, filter), { route: [name] });
    });
    return present(routes, listener);
  }

  #tcpUpstream(view: ProxyView, service: MeshService, localPort: number): EncodedResource | undefined {
    const name = `upstream/${service.key}`;
    const route = tcpRouteOf(service, view.workload.namespace);
    const key = `listener ${name} at ${localPort} for ${view.workload.namespace}`;
    return this.#attempt(key, workloadBlame(view), ['tcp', route, this.#missing], () => {
      const to = tcpDestination(service, route ? [route] : [], (backend) => this.#missing.get(backend));
      if (to.type === 'none') throw new Error('no backend of its route has a weight over 0');
      if (to.type === 'missing') throw new Error(to.reason);
      const clusters = to.type === 'cluster' ? [to.cluster] : to.clusters.map((cluster) => cluster.name);
      const listener = outboundListener(name, localPort, outboundTcp(name, to));
      return encodeResource('listener', name, listener, { cluster: clusters });
    });
  }

  /** Where the application's ports are reached by the mesh. */
  #inbound(view: ProxyView): readonly EncodedResource[] {
    const { workload, trustDomain } = view;
    const blame = workloadBlame(view);
    return workload.ports.flatMap(({ applicationPort, protocol, inboundPort: port }) => {
      const cluster = inboundName(applicationPort);
      const name = inboundName(port);
      const { address: workloadAddress } = workload;
      const target = this.#attempt(`cluster ${cluster} ${protocol}`, blame, [], () =>
        encodeResource('cluster', cluster, inboundCluster(applicationPort, protocol)),
      );
      const key = `listener ${name} to ${applicationPort} ${protocol}`;
      const listener = this.#attempt(key, blame, [workloadAddress, trustDomain], () => {
        const filter = protocol === 'HTTP' ? inboundHttp(inboundRoutes(cluster)) : inboundTcp(cluster);
        const message = inboundListener({ name, workloadAddress, port, trustDomain, filter });
        return encodeResource('listener', name, message, { cluster: [cluster] });
      });
      return present(target, listener);
    });
  }
}

function present(...resources: readonly (EncodedResource | undefined)[]): readonly EncodedResource[] {
  return resources.filter((resource) => resource !== undefined);
}
