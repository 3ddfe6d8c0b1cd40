/** `/server_info`, `/memory`, `/init_dump` and `/ready`. */
import { memoryUsage } from '../memory/usage.ts';
import { type Answer, json, text } from './answer.ts';
import type { AdminContext } from './context.ts';
import { redact } from './redact.ts';

type ServerContext = Pick<AdminContext, 'ageMs' | 'commandLine' | 'hotRestartVersion' | 'node' | 'state' | 'version'>;

/** `envoy.admin.v3.ServerInfo`. The version is of Envoy's form: revision, version, state of it, build, TLS library. */
export function serverInfo(context: ServerContext): Answer {
  const uptime = `${Math.floor(context.ageMs() / 1000)}s`;
  const { config_yaml, ...options } = context.commandLine;
  return json({
    version: `weft/${context.version}/Distribution/RELEASE/OpenSSL`,
    state: context.state(),
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
    hot_restart_version: context.hotRestartVersion,
    command_line_options: {
      ...redact(options),
      // A whole bootstrap, keys and all.
      ...(typeof config_yaml === 'string' && { config_yaml: config_yaml === '' ? '' : '[redacted]' }),
    },
    node: context.node,
  });
}

/** `envoy.admin.v3.Memory`, of the whole process. */
export function memory(context: AdminContext): Answer {
  const { heapUsed, heapTotal, external, rss } = memoryUsage();
  const elsewhere = context.heapElsewhere();
  return json({
    allocated: String(heapUsed + external + elsewhere.used),
    heap_size: String(heapTotal + external + elsewhere.total),
    pageheap_unmapped: '0',
    pageheap_free: String(heapTotal - heapUsed),
    total_thread_cache: '0',
    total_physical_bytes: String(rss),
  });
}

/** `envoy.admin.v3.UnreadyTargetsDumps`: what clusters and listeners wait for before they are used. */
export function initDump(context: AdminContext, query: URLSearchParams): Answer {
  const waiting: { readonly kind: string; readonly name: string; readonly missing: readonly string[] }[] = [];
  for (const { cluster, warming } of context.clusters.warming) {
    waiting.push({ kind: 'cluster', name: cluster.name, missing: warming.missing });
  }
  for (const { name, missing = [], state } of context.listeners()) {
    if (state === 'warming') waiting.push({ kind: 'listener', name, missing });
  }
  const mask = query.get('mask') ?? '';
  const dumps = waiting
    .filter(({ kind, missing }) => missing.length > 0 && (mask === '' || mask === kind))
    .map(({ kind, name, missing }) => ({ name: `${kind} ${name}`, target_names: missing }));
  return json(dumps.length > 0 ? { unready_targets_dumps: dumps } : {});
}

/** 200 where requests are welcome. */
export function ready(context: AdminContext): Answer {
  const state = context.state();
  return text(`${state}\n`, state === 'LIVE' ? 200 : 503);
}
