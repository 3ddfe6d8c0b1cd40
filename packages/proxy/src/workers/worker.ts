/** The thread of a worker: a proxy that is told by the main thread what to serve. */
import { parentPort, workerData } from 'node:worker_threads';
import { HOST_COUNTS, type Host, type HostCounts } from '../cluster/host.ts';
import { Judgements, type Judging } from '../cluster/judging.ts';
import { SharedCounts } from '../counts/shared-counts.ts';
import type { Log } from '../log.ts';
import { settle } from '../memory/settle.ts';
import { memoryUsage } from '../memory/usage.ts';
import { type RunningProxy, startProxy } from '../server.ts';
import type { FromWorker, Order, PlainHost, ToWorker, WorkerCounts, WorkerReport, WorkerStart } from './messages.ts';
import { RelayedSubscriptions } from './relayed-subscriptions.ts';

async function run(
  start: WorkerStart,
  send: (message: FromWorker) => void,
  listen: (take: (message: ToWorker) => void) => void,
): Promise<void> {
  const told = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: object, text: string) => {
    // What is said can hold anything; what is sent must be plain.
    send({ type: 'log', level, fields: JSON.parse(JSON.stringify(fields)), text });
  };
  const log: Log = { debug: told('debug'), info: told('info'), warn: told('warn'), error: told('error') };
  const subscriptions = new RelayedSubscriptions(send);
  const { admin: _, ...bootstrap } = start.bootstrap;
  const { logLevel, drainMs, drainStrategy, version, inherited, ticketSecret } = start;
  const counts = start.counts && SharedCounts.of(start.counts);
  const judgements = new Judgements();
  const judging: Judging = {
    type: 'elsewhere',
    judgements,
    tell: (cluster, key, evidence) => send({ type: 'evidence', cluster, key, evidence }),
  };
  const given = { bootstrap, log, logLevel, drainMs, drainStrategy, version, inherited, counts, ticketSecret };
  /** Told when more of a report may be sent, by its id. */
  const waiting = new Map<number, () => void>();
  const starting = startProxy({ ...given, worker: { subscriptions, judging } });
  listen((message) => {
    switch (message.type) {
      case 'resource':
      case 'large-resource':
      case 'removed':
      case 'update':
        subscriptions.take(message);
        return;
      case 'judged':
        judgements.take(message.host, message.judgement);
        return;
      case 'order':
        void starting
          .then((proxy) => carryOut(proxy, message.order))
          .finally(() => send({ type: 'done', id: message.id }));
        return;
      case 'report':
        void starting.then((proxy) => report(proxy, message, send, waiting));
        return;
      case 'more':
        waiting.get(message.id)?.();
    }
  });
  const proxy = await starting;
  void proxy.failed().then((why) => send({ type: 'failed', why }));
  await proxy.ready();
  await settle();
  send({ type: 'ready' });
}

async function carryOut(proxy: RunningProxy, order: Order): Promise<void> {
  switch (order.type) {
    case 'drain':
      await proxy.drain(order.request);
      return;
    case 'keep-paths':
      proxy.keepPaths(order.keeps);
      return;
    case 'drain-listeners':
      proxy.drainListeners(order.options);
      return;
    case 'health':
      proxy.setHealthy(order.isHealthy);
      return;
    case 'log-level':
      proxy.setLogLevel(order.level);
      return;
    case 'reopen-logs':
      proxy.reopenLogs();
      return;
    case 'runtime':
      proxy.overrideRuntime(order.changes);
      return;
    case 'reset-counters':
      proxy.stats.resetCounters();
      return;
    case 'close':
      await proxy.close();
  }
}

/** Tells what was asked for; both threads serve between the parts of it. */
async function report(
  proxy: RunningProxy,
  { id, hasCounts }: Extract<ToWorker, { type: 'report' }>,
  send: (message: FromWorker) => void,
  waiting: Map<number, () => void>,
): Promise<void> {
  for (const counts of hasCounts ? countsOf(proxy) : []) {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.set(id, resolve);
    send({ type: 'counts', id, counts });
    await promise;
  }
  waiting.delete(id);
  send({ type: 'report', id, report: { sockets: proxy.sockets(), heap: heapBytes() } });
}

/** How many hosts are told of at once. */
const HOSTS = 256;

function* countsOf(proxy: RunningProxy): Generator<WorkerCounts, void> {
  for (const groups of proxy.stats.plainParts()) yield { groups, hosts: [] };
  let hosts: PlainHost[] = [];
  for (const { cluster } of proxy.clusters.active) {
    for (const host of cluster.hosts) hosts.push({ cluster: cluster.name, key: host.key, counts: ofHost(host) });
    if (hosts.length < HOSTS) continue;
    yield { groups: [], hosts };
    hosts = [];
  }
  yield { groups: [], hosts };
}

function heapBytes(): WorkerReport['heap'] {
  const { heapUsed, heapTotal, external } = memoryUsage();
  return { used: heapUsed + external, total: heapTotal + external };
}

function ofHost(host: Host): HostCounts {
  return Object.fromEntries(HOST_COUNTS.map((name) => [name, host[name]])) as Record<keyof HostCounts, number>;
}

const port = parentPort;
if (port) {
  await run(
    workerData as WorkerStart,
    (message) => port.postMessage(message),
    (take) => void port.on('message', take),
  );
}
