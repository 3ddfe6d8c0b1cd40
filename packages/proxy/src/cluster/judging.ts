/**
 * What active health checks and outlier detection make of hosts, where several threads have the same clusters: one of
 * them checks and ejects, as Envoy's main thread does, and tells the others.
 */
import type { Counts } from '../counts/cells.ts';
import type { Cluster } from './cluster.ts';
import type { Host } from './host.ts';
import type { HostObserver } from './observer.ts';
import type { ConsecutiveFailure } from './outlier/monitor.ts';

/** What there is to tell of a host. */
export type Judgement = Pick<Host, 'check' | 'hasCheckTimedOut' | 'isExcluded' | 'isEjected'>;

/** One host of a cluster. Clusters that replace each other have one name; `life` tells them apart, and grows. */
export interface JudgedHost {
  readonly cluster: string;
  readonly life: number;
  /** Undefined: all hosts of that life. */
  readonly key: string | undefined;
}

/** Takes what is made of hosts, and gives it to the other threads; undefined: there is no such host any more. */
export type TellJudgement = (host: JudgedHost, judgement: Judgement | undefined) => void;

/** What a thread that does not judge has to say of a host. */
export type Evidence =
  /** A response said that the host is to be left alone. */
  | { readonly type: 'fail-check' }
  /** It failed so many times in a row that it may be ejected. */
  | { readonly type: 'consecutive'; readonly failure: ConsecutiveFailure };

export type TellEvidence = (cluster: string, key: string, evidence: Evidence) => void;

/** How a thread comes to know what is made of hosts. */
export type Judging =
  | { readonly type: 'here'; readonly tell: TellJudgement }
  | { readonly type: 'elsewhere'; readonly judgements: Judgements; readonly tell: TellEvidence };

function judgementOf({ check, hasCheckTimedOut, isExcluded, isEjected }: Host): Judgement {
  return { check, hasCheckTimedOut, isExcluded, isEjected };
}

function isSame(one: Judgement, other: Judgement): boolean {
  return (
    one.check === other.check &&
    one.hasCheckTimedOut === other.hasCheckTimedOut &&
    one.isExcluded === other.isExcluded &&
    one.isEjected === other.isEjected
  );
}

/** Tells what becomes of the hosts of one cluster in the thread that judges. */
export class JudgeBench implements HostObserver {
  readonly #cluster: string;
  readonly #life: number;
  readonly #tell: TellJudgement;
  readonly #told = new WeakMap<Host, Judgement>();

  constructor(cluster: string, life: number, tell: TellJudgement) {
    this.#cluster = cluster;
    this.#life = life;
    this.#tell = tell;
  }

  #name(key: string | undefined): JudgedHost {
    return { cluster: this.#cluster, life: this.#life, key };
  }

  /** A host was checked, ejected or came back; told where that changed anything. */
  judged(host: Host): void {
    const judgement = judgementOf(host);
    const told = this.#told.get(host);
    if (told && isSame(told, judgement)) return;
    this.#told.set(host, judgement);
    this.#tell(this.#name(host.key), judgement);
  }

  hostsChanged(_: readonly Host[], removed: readonly Host[]): void {
    for (const { key } of removed) this.#tell(this.#name(key), undefined);
  }

  close(): void {
    this.#tell(this.#name(undefined), undefined);
  }
}

/** What another thread has made of hosts. */
export class Judgements {
  readonly #known = new Map<string, { readonly life: number; readonly byKey: Map<string, Judgement> }>();
  readonly #waiting = new Map<string, Set<JudgedHosts>>();

  take({ cluster, life, key }: JudgedHost, judgement: Judgement | undefined): void {
    const known = this.#known.get(cluster);
    if (known && known.life > life) return;
    if (key === undefined) {
      if (known?.life === life) this.#known.delete(cluster);
      return;
    }
    const current = known?.life === life ? known : { life, byKey: new Map<string, Judgement>() };
    this.#known.set(cluster, current);
    if (judgement === undefined) {
      current.byKey.delete(key);
      return;
    }
    current.byKey.set(key, judgement);
    for (const hosts of this.#waiting.get(cluster) ?? []) hosts.judged(key, judgement);
  }

  of(cluster: string, key: string): Judgement | undefined {
    return this.#known.get(cluster)?.byKey.get(key);
  }

  join(cluster: string, hosts: JudgedHosts): () => void {
    const all = this.#waiting.get(cluster) ?? new Set();
    this.#waiting.set(cluster, all.add(hosts));
    return () => {
      all.delete(hosts);
      if (all.size === 0 && this.#waiting.get(cluster) === all) this.#waiting.delete(cluster);
    };
  }
}

/** The hosts of one cluster in a thread that does not judge. */
export class JudgedHosts implements HostObserver {
  readonly #cluster: Cluster;
  readonly #judgements: Judgements;
  readonly #tell: TellEvidence;
  readonly #hosts = new Map<string, Host>();
  readonly #leave: () => void;
  #onFirstRound: (() => void) | undefined;

  constructor(cluster: Cluster, { judgements, tell }: Extract<Judging, { type: 'elsewhere' }>) {
    this.#cluster = cluster;
    this.#judgements = judgements;
    this.#tell = tell;
    this.#leave = judgements.join(cluster.name, this);
  }

  /** `onFirstRound` is called once each host that is there has been checked once. */
  start(onFirstRound: () => void): void {
    this.#onFirstRound = onFirstRound;
    this.#checkRound();
  }

  hostsChanged(added: readonly Host[], removed: readonly Host[]): void {
    const { health_checks: checks, common_lb_config: common } = this.#cluster.config;
    for (const { key } of removed) this.#hosts.delete(key);
    for (const host of added) {
      const { name } = this.#cluster;
      this.#hosts.set(host.key, host);
      if (checks.length > 0 && !host.endpoint.check?.isDisabled) {
        host.check = 'pending';
        host.isExcluded = common?.ignore_new_hosts_until_first_hc ? 'pending' : 'no';
        host.failCheck = () => this.#tell(name, host.key, { type: 'fail-check' });
      }
      const known = this.#judgements.of(name, host.key);
      if (known) Object.assign(host, known);
    }
    this.#checkRound();
  }

  judged(key: string, judgement: Judgement): void {
    const host = this.#hosts.get(key);
    if (!host) return;
    const isFailure =
      (judgement.isEjected && !host.isEjected) || (judgement.check === 'failed' && host.check !== 'failed');
    Object.assign(host, judgement);
    if (isFailure) this.#cluster.hostFailed(host);
    this.#cluster.healthChanged();
    this.#checkRound();
  }

  #checkRound(): void {
    const onFirstRound = this.#onFirstRound;
    if (!onFirstRound) return;
    for (const { check } of this.#hosts.values()) if (check === 'pending') return;
    this.#onFirstRound = undefined;
    onFirstRound();
  }

  close(): void {
    this.#onFirstRound = undefined;
    this.#leave();
    this.#hosts.clear();
  }
}

/** The name under which threads count together what comes of requests to a host. */
export function outlierCells(counts: Counts | undefined, cluster: string, host: Host) {
  return counts?.cells(`outlier/${cluster}/${host.key}`);
}
