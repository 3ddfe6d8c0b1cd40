/**
 * `/config_dump`: everything that the proxy was told, as it holds it now (`envoy.admin.v3.ConfigDump`). Keys are never
 * shown.
 */
import { typeUrl } from '@weft/envoy-api';
import type { ManagedCluster } from '../cluster/manager.ts';
import { compileRegex } from '../config/regex.ts';
import { addressMessage } from './address.ts';
import { type Answer, text } from './answer.ts';
import { endpointsName, healthStatus } from './clusters.ts';
import type { AdminContext, AdminListener } from './context.ts';
import { anyOf, type Dump, type DumpEntry, type DumpList, isoTime, STATE_FIELDS } from './dump.ts';
import { applyMask } from './mask.ts';
import { redactedJson } from './redact.ts';
import { secretDumps } from './secret-dump.ts';

interface Versioned {
  readonly version: string;
  readonly updatedMs: number;
}

/** What every entry says of its resource; static ones have no version. */
function stateOf(field: string, resource: object, { version, updatedMs }: Versioned): object {
  return { ...(version !== '' && { version_info: version }), [field]: resource, last_updated: isoTime(updatedMs) };
}

function bootstrapDump(context: AdminContext): Dump {
  const single = { bootstrap: context.bootstrap, last_updated: isoTime(context.startedMs) };
  return { message: 'BootstrapConfigDump', single, lists: {} };
}

function clusterList(message: string, clusters: readonly ManagedCluster[]): DumpList {
  const entries = clusters.map((managed) => ({
    name: managed.cluster.name,
    value: stateOf('cluster', anyOf('cluster', managed.resource), managed),
  }));
  return { message, fields: ['cluster', ...STATE_FIELDS], entries };
}

function clustersDump({ clusters }: AdminContext): Dump {
  const active = [...clusters.active];
  const warming = [...clusters.warming];
  const isStatic = (managed: ManagedCluster) => managed.isStatic;
  const isDynamic = (managed: ManagedCluster) => !managed.isStatic;
  return {
    message: 'ClustersConfigDump',
    single: {},
    lists: {
      static_clusters: clusterList('StaticCluster', [...active, ...warming].filter(isStatic)),
      dynamic_active_clusters: clusterList('DynamicCluster', active.filter(isDynamic)),
      dynamic_warming_clusters: clusterList('DynamicCluster', warming.filter(isDynamic)),
    },
  };
}

function endpointsEntry(managed: ManagedCluster): DumpEntry {
  const { cluster, resource } = managed;
  const name = endpointsName(managed) || cluster.name;
  const localities = new Map<string, { locality: object; lb_endpoints: object[]; priority?: number }>();
  for (const host of cluster.hosts) {
    const { region, zone, subZone, weight, hostname, priority, metadata } = host.endpoint;
    const locality = { ...(region && { region }), ...(zone && { zone }), ...(subZone && { sub_zone: subZone }) };
    const key = JSON.stringify([priority, locality]);
    const group = localities.get(key) ?? { locality, lb_endpoints: [], ...(priority > 0 && { priority }) };
    localities.set(key, group);
    group.lb_endpoints.push({
      endpoint: { address: addressMessage(host.address), ...(hostname && { hostname }) },
      health_status: healthStatus(host),
      ...(Object.keys(metadata).length > 0 && { metadata: { filter_metadata: { 'envoy.lb': metadata } } }),
      load_balancing_weight: weight,
    });
  }
  const given = resource as { readonly load_assignment?: { readonly policy?: object } };
  const policy = given.load_assignment?.policy;
  const assignment = { cluster_name: name, endpoints: [...localities.values()], ...(policy && { policy }) };
  return { name, value: { endpoint_config: anyOf('endpoint', assignment) } };
}

function endpointsDump({ clusters }: AdminContext): Dump {
  const active = [...clusters.active];
  const list = (message: string, isEds: boolean): DumpList => ({
    message,
    fields: ['endpoint_config', ...STATE_FIELDS],
    entries: active.filter(({ cluster }) => (cluster.config.type === 'EDS') === isEds).map(endpointsEntry),
  });
  const lists = {
    static_endpoint_configs: list('StaticEndpointConfig', false),
    dynamic_endpoint_configs: list('DynamicEndpointConfig', true),
  };
  return { message: 'EndpointsConfigDump', single: {}, lists };
}

const LISTENER_STATES = ['active', 'warming', 'draining'] as const;

function dynamicListener(name: string, versions: readonly AdminListener[]): DumpEntry {
  const value: Record<string, unknown> = { name };
  for (const state of LISTENER_STATES) {
    const found = versions.find((listener) => listener.state === state);
    if (found) value[`${state}_state`] = stateOf('listener', anyOf('listener', found.resource), found);
  }
  const refused = versions.find(({ issues }) => issues !== undefined);
  if (refused) value.error_state = { last_update_attempt: isoTime(refused.updatedMs), details: refused.issues };
  return { name, value };
}

function listenersDump(context: AdminContext): Dump {
  const fixed: DumpEntry[] = [];
  const byName = new Map<string, AdminListener[]>();
  for (const listener of context.listeners()) {
    const { name, resource, isStatic } = listener;
    if (isStatic) fixed.push({ name, value: stateOf('listener', anyOf('listener', resource), listener) });
    else byName.set(name, [...(byName.get(name) ?? []), listener]);
  }
  const states = ['name', ...LISTENER_STATES.map((state) => `${state}_state`), 'error_state', 'client_status'];
  const dynamic = [...byName].map(([name, versions]) => dynamicListener(name, versions));
  return {
    message: 'ListenersConfigDump',
    single: {},
    lists: {
      static_listeners: { message: 'StaticListener', fields: ['listener', 'last_updated'], entries: fixed },
      dynamic_listeners: { message: 'DynamicListener', fields: states, entries: dynamic },
    },
  };
}

function routesDump(context: AdminContext): Dump {
  const routes = [...context.routes()];
  const list = (message: string, isStatic: boolean): DumpList => ({
    message,
    fields: ['route_config', ...STATE_FIELDS],
    entries: routes
      .filter((entry) => entry.isStatic === isStatic)
      .map((entry) => ({
        name: entry.name,
        value: stateOf('route_config', anyOf('route', entry.resource), entry),
      })),
  });
  const lists = {
    static_route_configs: list('StaticRouteConfig', true),
    dynamic_route_configs: list('DynamicRouteConfig', false),
  };
  return { message: 'RoutesConfigDump', single: {}, lists };
}

function dumps(context: AdminContext, includesEndpoints: boolean): readonly Dump[] {
  return [
    bootstrapDump(context),
    clustersDump(context),
    ...(includesEndpoints ? [endpointsDump(context)] : []),
    listenersDump(context),
    routesDump(context),
    { message: 'SecretsConfigDump', single: {}, lists: secretDumps(context) },
  ];
}

type NamePredicate = (name: string) => boolean;

/** The whole message; lists without entries are left out. */
function wholeMessage(dump: Dump, matches: NamePredicate): object {
  const lists = Object.entries(dump.lists).flatMap(([field, { entries }]) => {
    const values = entries.filter(({ name }) => matches(name)).map(({ value }) => value);
    return values.length > 0 ? [[field, values] as const] : [];
  });
  return { '@type': typeUrl(`envoy.admin.v3.${dump.message}`), ...dump.single, ...Object.fromEntries(lists) };
}

function dumped(dump: object): Answer {
  return { status: 200, contentType: 'application/json', body: redactedJson(dump) };
}

function everything(all: readonly Dump[], matches: NamePredicate, mask: string | null): Answer {
  const configs: object[] = [];
  for (const dump of all) {
    const message = wholeMessage(dump, matches);
    const fields = [...Object.keys(dump.single), ...Object.keys(dump.lists)];
    const masked = mask === null ? message : applyMask(message, mask, fields);
    if (masked) configs.push(masked);
  }
  if (configs.length === 0) return text(`FieldMask ${mask} could not be successfully applied to any configs.`, 400);
  return dumped({ configs });
}

function oneList(
  all: readonly Dump[],
  {
    resource,
    matches,
    mask,
  }: { readonly resource: string; readonly matches: NamePredicate; readonly mask: string | null },
): Answer {
  const dump = all.find(({ single, lists }) => Object.hasOwn(lists, resource) || Object.hasOwn(single, resource));
  if (!dump) return text(`${resource} not found in config dump`, 404);
  const list = dump.lists[resource];
  if (!list) return text(`${resource} is not a repeated field. Use ?mask=${resource} to get only this field`, 400);
  const configs: object[] = [];
  for (const { name, value } of list.entries) {
    if (!matches(name)) continue;
    const message = { '@type': typeUrl(`envoy.admin.v3.${dump.message}.${list.message}`), ...value };
    const masked = mask === null ? message : applyMask(message, mask, list.fields);
    if (!masked) return text(`FieldMask ${mask} could not be successfully used.`, 400);
    configs.push(masked);
  }
  return dumped(configs.length > 0 ? { configs } : {});
}

/** Answers with `?resource=`, `?mask=`, `?name_regex=` and `?include_eds`, as Envoy reads them. */
export function configDump(context: AdminContext, query: URLSearchParams): Answer {
  const nameRegex = query.get('name_regex');
  const regex = nameRegex === null ? undefined : compileRegex(nameRegex, { isWhole: true });
  if (typeof regex === 'string') return text(`Error while parsing name_regex from ${nameRegex}: it ${regex}`, 400);
  const matches = (name: string) => regex === undefined || regex.test(name);
  const mask = query.get('mask') || null;
  const resource = query.get('resource');
  const all = dumps(context, query.has('include_eds'));
  return resource ? oneList(all, { resource, matches, mask }) : everything(all, matches, mask);
}
