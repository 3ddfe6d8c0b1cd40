/** The thread of a worker: a proxy that is told by the main thread what to serve. */
import { parentPort, workerData } from 'node:worker_threads';
import { HOST_COUNTS, type Host, type HostCounts } from '../cluster/host.ts';
import { Judgements, type Judging } from '../cluster/judging.ts';
import { SharedCounts } from '../counts/shared-counts.ts';
import type { Log } from '../log.ts';
import { settle } from '../memory/settle.ts';
import { type RunningProxy, startProxy } from '../server.ts';
import type { FromWorker, Order, ToWorker, WorkerReport, WorkerStart } from './messages.ts';
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
        void starting.then((proxy) => send({ type: 'report', id: message.id, report: reportOf(proxy) }));
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

function reportOf(proxy: RunningProxy): WorkerReport {
  const hosts = [...proxy.clusters.active].flatMap(({ cluster }) =>
    cluster.hosts.map((host) => ({ cluster: cluster.name, key: host.key, counts: countsOf(host) })),
  );
  return {
    groups: proxy.stats.plain(),
    hosts,
    sockets: proxy.sockets(),
    activeRequests: proxy.activeRequests(),
    heap: heapBytes(),
  };
}

function heapBytes(): WorkerReport['heap'] {
  const { heapUsed, heapTotal, external } = process.memoryUsage();
  return { used: heapUsed + external, total: heapTotal + external };
}

function countsOf(host: Host): HostCounts {
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
