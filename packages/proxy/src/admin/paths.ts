/** Every path of the admin interface (https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/admin). */

import { compileRegex } from '../config/regex.ts';
import { type Answer, json, jsonList, OK, text } from './answer.ts';
import { certificates } from './certs.ts';
import { type CountsElsewhere, clusterStatuses, clustersText } from './clusters.ts';
import { configDump } from './config-dump.ts';
import type { AdminContext, Reads } from './context.ts';
import { listenersJson, listenersText } from './listeners.ts';
import { logging } from './logging.ts';
import { runtime, runtimeModify } from './runtime.ts';
import { initDump, memory, ready, serverInfo } from './server-state.ts';
import { stats } from './stats.ts';

export interface AdminPath {
  readonly path: string;
  readonly help: string;
  /** Parameters of the query, with what they mean. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** What of the other threads is asked for before it is answered; default: nothing. */
  readonly reads?: Reads;
  /** Changes something, and is refused unless it is asked for by POST. */
  readonly mutates?: true;
  answer(context: AdminContext, query: URLSearchParams): Answer;
}

const FORMAT = { format: 'form of the answer; one of (text, json)' };
const STATS_FILTER = {
  usedonly: 'only what was counted at least once',
  filter: 'regular expression that names must match somewhere',
  type: 'one of (All, Counters, Gauges, Histograms, TextReadouts)',
  hidden: 'one of (include, only, exclude); nothing is hidden',
  histogram_buckets: 'form of histograms; one of (summary, none), for Prometheus (cumulative)',
};

function clusters(context: AdminContext, query: URLSearchParams): Answer {
  const filter = query.get('filter');
  const regex = filter ? compileRegex(filter, { isWhole: false }) : undefined;
  if (typeof regex === 'string') return text(`Invalid re2 regex: ${filter} ${regex}\n`, 400);
  const chosen = [...context.clusters.active].filter(({ cluster }) => !regex || cluster.name.search(regex) !== -1);
  const elsewhere: CountsElsewhere = (name, host) => context.countsElsewhere(name, host);
  return query.get('format') === 'json'
    ? jsonList('cluster_statuses', clusterStatuses(chosen, elsewhere))
    : { ...text(''), body: clustersText(chosen, elsewhere) };
}

function drainListeners({ actions }: AdminContext, query: URLSearchParams): Answer {
  actions.drainListeners({
    graceful: query.has('graceful'),
    inboundOnly: query.has('inboundonly'),
    skipExit: query.has('skip_exit'),
  });
  return OK;
}

const READING: readonly AdminPath[] = [
  { path: '/certs', help: 'certificates in use', answer: (context) => json(certificates(context)) },
  {
    path: '/clusters',
    help: 'clusters with their endpoints',
    parameters: { ...FORMAT, filter: 'regular expression that names must match somewhere' },
    reads: 'counts',
    answer: clusters,
  },
  {
    path: '/config_dump',
    help: 'the configuration as it is held now, without keys',
    parameters: {
      resource: 'the list to dump',
      mask: 'the fields to show',
      name_regex: 'regular expression that names must match as a whole',
      include_eds: 'with endpoints',
    },
    answer: configDump,
  },
  {
    path: '/init_dump',
    help: 'what is waited for before it is used',
    parameters: { mask: 'one of (cluster, listener)' },
    answer: initDump,
  },
  {
    path: '/listeners',
    help: 'what is listened on',
    parameters: FORMAT,
    answer: (context, query) =>
      query.get('format') === 'json'
        ? json(listenersJson(context.listeners()))
        : text(listenersText(context.listeners())),
  },
  {
    path: '/hot_restart_version',
    help: 'compatibility of hot restarts',
    answer: ({ hotRestartVersion }) => text(hotRestartVersion),
  },
  { path: '/memory', help: 'memory in use', reads: 'heaps', answer: memory },
  { path: '/ready', help: 'state of the server: 200 where LIVE, else 503', answer: ready },
  { path: '/runtime', help: 'values of the runtime', answer: ({ runtime: values }) => runtime(values) },
  { path: '/server_info', help: 'version, state and options of the server', answer: serverInfo },
  {
    path: '/stats',
    help: 'statistics',
    parameters: { ...STATS_FILTER, format: 'form of the answer; one of (text, json, prometheus)' },
    reads: 'counts',
    answer: (context, query) => stats(context.stats, query, query.get('format') ?? 'text'),
  },
  {
    path: '/stats/prometheus',
    help: 'statistics as Prometheus reads them',
    parameters: STATS_FILTER,
    reads: 'counts',
    answer: (context, query) => stats(context.stats, query, 'prometheus'),
  },
];

const CHANGING: readonly AdminPath[] = [
  {
    path: '/drain_listeners',
    help: 'close listeners',
    parameters: {
      graceful: 'let connections end first, for the drain time',
      inboundonly: 'only listeners whose traffic_direction is INBOUND',
      skip_exit: 'drain connections, and leave listeners open',
    },
    mutates: true,
    answer: drainListeners,
  },
  {
    path: '/healthcheck/fail',
    help: 'say that the server is not to be sent requests',
    mutates: true,
    answer: ({ actions }) => {
      actions.failHealthcheck();
      return OK;
    },
  },
  {
    path: '/healthcheck/ok',
    help: 'take /healthcheck/fail back',
    mutates: true,
    answer: ({ actions }) => {
      actions.okHealthcheck();
      return OK;
    },
  },
  {
    path: '/logging',
    help: 'show or change how much is logged',
    parameters: { level: 'of every logger', paths: '<logger>:<level>,...' },
    mutates: true,
    answer: logging,
  },
  {
    path: '/quitquitquit',
    help: 'end the server',
    mutates: true,
    answer: ({ actions }) => ({ ...OK, after: () => actions.quit() }),
  },
  {
    path: '/reopen_logs',
    help: 'open the files of access logs again, after they were moved away',
    mutates: true,
    answer: ({ actions }) => {
      actions.reopenLogs();
      return OK;
    },
  },
  {
    path: '/reset_counters',
    help: 'set counters to zero',
    mutates: true,
    answer: (context) => {
      context.actions.resetCounters();
      return OK;
    },
  },
  {
    path: '/runtime_modify',
    help: 'change values of the runtime, as ?name=value&...; an empty value takes a change back',
    mutates: true,
    answer: ({ actions }, query) => runtimeModify(actions, query),
  },
];

const HELP: AdminPath = { path: '/help', help: 'this list', answer: () => text(helpText()) };

export const ADMIN_PATHS: readonly AdminPath[] = [...READING, ...CHANGING, HELP].sort((a, b) =>
  a.path < b.path ? -1 : 1,
);

/** The list of paths, as Envoy prints it. */
export function helpText(): string {
  const lines = ADMIN_PATHS.flatMap(({ path, help, parameters = {}, mutates }) => [
    `  ${path}${mutates ? ' (POST)' : ''}: ${help}`,
    ...Object.entries(parameters).map(([name, meaning]) => `      ${name}: ${meaning}`),
  ]);
  return `admin commands are:\n  /: Admin home page\n${lines.join('\n')}\n`;
}

/** A page with a link to each path that can be read. */
export function homePage(): Answer {
  const rows = ADMIN_PATHS.map(({ path, help, mutates }) => {
    const name = mutates ? `<code>POST ${path}</code>` : `<a href="${path.slice(1)}">${path}</a>`;
    return `<tr><td>${name}</td><td>${help}</td></tr>`;
  });
  const head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Weft proxy</title></head>';
  const body = `${head}<body><h1>Weft proxy</h1><table>${rows.join('\n')}</table></body></html>\n`;
  return { status: 200, contentType: 'text/html; charset=UTF-8', body };
}
