/** What a proxy is made of, and which part is given which. */
import type { Bootstrap, Node } from '@weft/envoy-api';
import { AccessLogs } from '../access-log/logs.ts';
import { type Clock, systemClock, TurnClock } from '../clock.ts';
import type { TellJudgement } from '../cluster/judging.ts';
import { ClusterManager } from '../cluster/manager.ts';
import type { CheckedBootstrap } from '../config/check.ts';
import { fieldOf } from '../http/field-text.ts';
import { Connections } from '../listener/connections.ts';
import { type InheritedSockets, inheritedSockets, type ListeningSocket, shareOut } from '../listener/inherited.ts';
import { ListenerManager, type ListenerManagerOptions } from '../listener/manager.ts';
import { RouteStore } from '../listener/routes.ts';
import { LeveledLog } from '../log.ts';
import { FlushQueue } from '../net/flush-queue.ts';
import { readTtlMs, resolveHost } from '../net/resolve.ts';
import { Runtime, RuntimeStats, SubscribedRuntimeStats } from '../runtime/runtime.ts';
import { GrpcAccessLogStats } from '../stats/groups.ts';
import { StatsRegistry } from '../stats/registry.ts';
import { StatTags } from '../stats/tags.ts';
import type { StreamFactory } from '../streams.ts';
import { SecretStore } from '../tls/secrets.ts';
import { upstreamCalls } from '../upstream/calls.ts';
import { clusterStreams } from '../upstream/grpc-stream.ts';
import { XdsClient } from '../xds/client.ts';
import { Life } from './life.ts';
import type { ClosableSubscriptions, ProxySettings } from './options.ts';

export interface Parts {
  readonly clock: Clock;
  readonly life: Life;
  readonly log: LeveledLog;
  readonly stats: StatsRegistry;
  readonly connections: Connections;
  readonly xds: ClosableSubscriptions;
  readonly secrets: SecretStore;
  readonly runtime: Runtime;
  readonly routes: RouteStore;
  readonly clusters: ClusterManager;
  readonly logs: AccessLogs;
  readonly listeners: ListenerManager;
  /** Sockets that were taken over: for this thread, and for each further worker. */
  readonly inherited: readonly (readonly ListeningSocket[])[];
  readonly inheritedHere: InheritedSockets;
}

/** What the parts tell the proxy. */
export interface Told extends Pick<ListenerManagerOptions, 'onSettled' | 'onStaticTrouble'> {
  /** What is made of a host, for the other threads. */
  readonly judged: TellJudgement;
}

/** Makes every part of a proxy; nothing is begun before clusters and listeners are given something. */
export function makeParts(settings: ProxySettings, checked: CheckedBootstrap, told: Told): Parts {
  const { bootstrap, random, counts, worker } = settings;
  const queue = new FlushQueue();
  const clock = settings.clock ?? new TurnClock(systemClock, queue);
  const { stats_tags: tags = [], stats_matcher: tells } = checked.config.stats_config ?? {};
  const stats = new StatsRegistry({ tags: tags.length > 0 ? new StatTags(tags) : undefined, tells });
  const log = new LeveledLog(settings.log, settings.logLevel);
  const life = new Life(clock, random);
  const node = nodeOf(settings);
  const findCluster = (name: string) => clusters.get(name);
  const streams = settings.streams ?? clusterStreams(findCluster, clock);
  const ads = checked.config.dynamic_resources?.ads_config;
  const xds = worker?.subscriptions ?? new XdsClient({ streams, ads, node, stats, clock, random, log });
  const secrets = new SecretStore(xds, checked.config.static_resources?.secrets ?? [], settings.ticketSecret);
  const runtime = makeRuntime(settings, checked, stats);
  const shared = { stats, clock, random, queue, secrets, counts };
  const clusters = new ClusterManager({
    ...shared,
    judging: worker?.judging ?? (counts && { type: 'here', tell: told.judged }),
    subscriptions: xds,
    resolve: resolveHost,
    readTtlMs,
    readRuntime: (key, otherwise) => runtime.number(key, otherwise),
    eventFile: (path) => {
      const file = logs.file(path);
      return (line) => file.write(fieldOf(line));
    },
    sources: checked.config.cluster_manager?.upstream_bind_config,
    local: localProxies(bootstrap.node, checked.config.cluster_manager?.local_cluster_name),
  });
  const connections = new Connections(checked.config, counts);
  const knowsCluster = (name: string) => clusters.knows(name);
  const routes = new RouteStore(xds, clock, runtime, { knowsCluster, stats: settings.worker ? undefined : stats });
  const logs = makeLogs(streams, node, { stats, clock, log, runtime });
  const inherited = shareOut(settings.inherited, settings.concurrency);
  const inheritedHere = inheritedSockets(inherited[0] ?? []);
  const listeners = new ListenerManager({
    ...shared,
    ...told,
    routes,
    logs,
    findCluster,
    knowsCluster,
    calls: upstreamCalls(findCluster, clock),
    budget: connections,
    runtime,
    serviceCluster: node.cluster ?? '',
    nodeId: node.id ?? '',
    zone: node.locality?.zone ?? '',
    isFailed: () => life.isFailed,
    isDraining: (direction, type) => life.isDraining(direction, type),
    inherited: inheritedHere,
    share: worker ? 'other' : inherited.length > 1 ? 'first' : 'only',
    log,
    drainMs: settings.drainMs,
  });
  const stores = { xds, secrets, runtime, routes, clusters, logs, listeners };
  return { clock, life, log, stats, connections, ...stores, inherited, inheritedHere };
}

/** As the control plane is told of this proxy. */
function nodeOf({ bootstrap, version }: ProxySettings): Node {
  const { user_agent_build_version: _, ...given } = bootstrap.node ?? {};
  return { ...given, user_agent_name: 'weft', user_agent_version: version };
}

function makeRuntime({ worker, random }: ProxySettings, { config }: CheckedBootstrap, stats: StatsRegistry): Runtime {
  // What all threads have alike is counted once.
  const isSubscribed = config.layered_runtime?.layers.some(({ rtds_layer }) => rtds_layer !== undefined);
  const make = () => (isSubscribed ? new SubscribedRuntimeStats() : new RuntimeStats());
  const counted = worker ? make() : stats.share('runtime.', 'runtime_', {}, make);
  return new Runtime(config.layered_runtime, random, counted);
}

function makeLogs(
  streams: StreamFactory,
  node: Node,
  { stats, clock, log, runtime }: Pick<Parts, 'stats' | 'clock' | 'log' | 'runtime'>,
): AccessLogs {
  const counted = stats.share('access_logs.grpc_access_log.', 'access_logs_grpc_access_log_', {}, () => {
    return new GrpcAccessLogStats();
  });
  return new AccessLogs({ streams, node, clock, stats: counted, log, runtime });
}

/** Where this proxy is, and the cluster of those that balance as it does, as far as the bootstrap says. */
function localProxies(node: Bootstrap['node'], cluster = '') {
  const { region = '', zone = '', sub_zone: subZone = '' } = node?.locality ?? {};
  return { locality: node?.locality && { region, zone, subZone }, cluster };
}
