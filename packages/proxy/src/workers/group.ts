/** The workers beside the main thread. */
import { Worker } from 'node:worker_threads';
import { WeftError } from '@weft/contracts/error';
import { HOST_COUNTS, type Host, type HostCounts } from '../cluster/host.ts';
import type { JudgedHost, Judgement, TellEvidence } from '../cluster/judging.ts';
import type { ListeningSocket } from '../listener/inherited.ts';
import type { Log } from '../log.ts';
import type { StatsRegistry } from '../stats/registry.ts';
import type { Subscriptions } from '../xds/subscriptions.ts';
import type {
  FromWorker,
  HeapBytes,
  Order,
  PlainHost,
  ToWorker,
  WorkerCounts,
  WorkerReport,
  WorkerStart,
} from './messages.ts';
import { SubscriptionRelay } from './subscription-relay.ts';

/** What a worker must have answered by, or what it said last stands. */
const REPORT_MS = 5000;

export interface WorkerGroupOptions {
  readonly starts: readonly WorkerStart[];
  readonly subscriptions: Subscriptions;
  readonly stats: StatsRegistry;
  /** Takes what a worker has to say of a host. */
  readonly takeEvidence: TellEvidence;
  readonly log: Log;
  /** Told once all of them serve. */
  readonly onReady: () => void;
  /** A worker cannot serve, or has ended with an error. */
  readonly onFailed: (why: string) => void;
}

export class WorkerGroup {
  readonly #options: WorkerGroupOptions;
  readonly #members: readonly Member[];
  #reports: readonly WorkerReport[] = [];
  #hosts: ReadonlyMap<string, readonly PlainHost[]> = new Map();
  /** That all counts are asked for, and that they will be once more, for those who came after that had begun. */
  #counting: Promise<void> | undefined;
  #countingNext: Promise<void> | undefined;
  #ready = 0;

  constructor(options: WorkerGroupOptions) {
    this.#options = options;
    this.#members = options.starts.map(
      (start, index) =>
        new Member(index + 1, start, options, () => {
          if (++this.#ready === this.#members.length) options.onReady();
        }),
    );
  }

  /** Tells all of them what is made of a host. */
  judged(host: JudgedHost, judgement: Judgement | undefined): void {
    for (const member of this.#members) member.judged(host, judgement);
  }

  get isReady(): boolean {
    return this.#ready === this.#members.length;
  }

  /** How many they are, without the main thread. */
  get size(): number {
    return this.#members.length;
  }

  /** Resolves when all of them have done it. */
  async order(order: Order): Promise<void> {
    await Promise.all(this.#members.map((member) => member.order(order)));
  }

  /** Has their heaps read from now on as they are now. */
  async refresh(): Promise<void> {
    this.#reports = await Promise.all(this.#members.map((member) => member.report()));
  }

  /** Has what they count read from now on as it stands now; however many want that at a time, they are asked once. */
  refreshCounts(): Promise<void> {
    if (!this.#counting) {
      this.#counting = this.#refreshCounts().finally(() => {
        this.#counting = undefined;
      });
      return this.#counting;
    }
    this.#countingNext ??= this.#counting.then(() => {
      this.#countingNext = undefined;
      return this.refreshCounts();
    });
    return this.#countingNext;
  }

  async #refreshCounts(): Promise<void> {
    this.#reports = await Promise.all(this.#members.map((member) => member.reportCounts()));
    const hosts = this.#members.flatMap(({ counts }) => counts.hosts);
    this.#hosts = Map.groupBy(hosts, ({ cluster, key }) => hostName(cluster, key));
    this.#options.stats.setOthers(this.#members.map(({ counts }) => counts.groups));
  }

  /** The sockets that listen in them. Throws `WeftError` UNAVAILABLE where one does not answer. */
  async sockets(): Promise<readonly ListeningSocket[]> {
    return (await Promise.all(this.#members.map((member) => member.sockets()))).flat();
  }

  /** What their heaps take, as of the last refresh. */
  get heap(): HeapBytes {
    const sum = (of: (heap: HeapBytes) => number) => this.#reports.reduce((total, { heap }) => total + of(heap), 0);
    return { used: sum(({ used }) => used), total: sum(({ total }) => total) };
  }

  /** What they have counted of a host, as of the last refresh. */
  countsOf(cluster: string, host: Host): HostCounts {
    const sums = Object.fromEntries(HOST_COUNTS.map((name) => [name, 0])) as Record<keyof HostCounts, number>;
    for (const { counts } of this.#hosts.get(hostName(cluster, host.key)) ?? []) {
      for (const name of HOST_COUNTS) sums[name] += counts[name];
    }
    return sums;
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()));
  }
}

function hostName(cluster: string, key: string): string {
  return `${cluster}\n${key}`;
}

const NOTHING: WorkerReport = { sockets: [], heap: { used: 0, total: 0 } };

class Member {
  readonly #worker: Worker;
  readonly #relay: SubscriptionRelay;
  readonly #waiting = new Map<number, (report: WorkerReport | undefined) => void>();
  readonly #name: string;
  readonly #options: WorkerGroupOptions;
  readonly #onReady: () => void;
  #last: WorkerReport = NOTHING;
  /** As it was told last, whole. */
  counts: WorkerCounts = { groups: [], hosts: [] };
  /** What came of counts that are not told whole yet, by what they were asked for with. */
  readonly #parts = new Map<number, WorkerCounts[]>();
  #lastId = 0;
  #isClosing = false;
  #isGone = false;

  constructor(index: number, start: WorkerStart, options: WorkerGroupOptions, onReady: () => void) {
    this.#name = `worker ${index}`;
    this.#options = options;
    this.#onReady = onReady;
    this.#worker = new Worker(new URL('./entry.mjs', import.meta.url), { workerData: start, name: this.#name });
    this.#relay = new SubscriptionRelay(options.subscriptions, (message) => this.#send(message));
    this.#worker.on('message', (message: FromWorker) => this.#onMessage(message));
    this.#worker.on('error', (error) =>
      this.#gone(error instanceof Error ? (error.stack ?? error.message) : String(error)),
    );
    this.#worker.on('exit', (code) => this.#gone(`it ended with code ${code}`));
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  judged(host: JudgedHost, judgement: Judgement | undefined): void {
    this.#send({ type: 'judged', host, judgement });
  }

  #gone(why: string): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#relay.close();
    for (const settle of this.#waiting.values()) settle(undefined);
    this.#waiting.clear();
    if (!this.#isClosing) this.#options.onFailed(`the proxy ends, because ${this.#name} has failed: ${why}`);
  }

  #onMessage(message: FromWorker): void {
    switch (message.type) {
      case 'watch':
      case 'watch-all':
      case 'unwatch':
        this.#relay.take(message);
        return;
      case 'evidence':
        this.#options.takeEvidence(message.cluster, message.key, message.evidence);
        return;
      case 'ready':
        this.#onReady();
        return;
      case 'failed':
        this.#options.onFailed(`${this.#name}: ${message.why}`);
        return;
      case 'log':
        this.#options.log[message.level]({ ...message.fields, worker: this.#name }, message.text);
        return;
      case 'done':
        this.#settle(message.id, undefined);
        return;
      case 'counts':
        this.#parts.get(message.id)?.push(message.counts);
        this.#send({ type: 'more', id: message.id });
        return;
      case 'report':
        this.#reported(message);
    }
  }

  #settle(id: number, report: WorkerReport | undefined): void {
    this.#waiting.get(id)?.(report);
    this.#waiting.delete(id);
  }

  #ask(message: (id: number) => ToWorker): Promise<WorkerReport | undefined> {
    if (this.#isGone) return Promise.resolve(undefined);
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#send(message(id));
    });
  }

  async order(order: Order): Promise<void> {
    await this.#ask((id) => ({ type: 'order', id, order }));
  }

  #reported({ id, report }: Extract<FromWorker, { type: 'report' }>): void {
    const parts = this.#parts.get(id);
    this.#parts.delete(id);
    this.#last = report;
    if (parts) {
      this.counts = {
        groups: parts.flatMap(({ groups }) => groups),
        hosts: parts.flatMap(({ hosts }) => hosts),
      };
    }
    this.#settle(id, report);
  }

  async #answered(hasCounts: boolean): Promise<WorkerReport | undefined> {
    const { promise: tooLate, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), REPORT_MS);
    const asked = this.#ask((id) => {
      if (hasCounts) this.#parts.set(id, []);
      return { type: 'report', id, hasCounts };
    });
    const report = await Promise.race([asked, tooLate]);
    clearTimeout(timer);
    return report;
  }

  async report(): Promise<WorkerReport> {
    return (await this.#answered(false)) ?? this.#last;
  }

  /** The same, once {@link counts} are new. */
  async reportCounts(): Promise<WorkerReport> {
    return (await this.#answered(true)) ?? this.#last;
  }

  async sockets(): Promise<readonly ListeningSocket[]> {
    const report = await this.#answered(false);
    if (report) return report.sockets;
    throw new WeftError('UNAVAILABLE', `${this.#name} does not answer, so that its sockets are not known; try again`);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.order({ type: 'close' });
    this.#relay.close();
    await this.#worker.terminate();
  }
}
