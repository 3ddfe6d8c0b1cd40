/**
 * Active health checks of the hosts of a cluster
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/health_checking).
 */
import type { Clock } from '../../clock.ts';
import type { HealthCheckConfig } from '../../config/health-check.ts';
import type { Random } from '../balancer.ts';
import type { Host } from '../host.ts';
import type { HostObserver } from '../observer.ts';
import type { HealthEvents } from './events.ts';
import type { Probe, ProbeOwner } from './probe.ts';
import { HostSession, type SessionOptions, type SessionOwner } from './session.ts';
import type { HealthStats } from './stats.ts';

/** The cluster, as its checks see it. */
export interface CheckedCluster {
  /** Whether it has ever been used. */
  hasTraffic(): boolean;
  /** A host counts as something else than before. */
  healthChanged(): void;
  /** A host failed its checks: connections to it are of no use. */
  hostFailed(host: Host): void;
  /** A check of a host ended. */
  hostJudged?(host: Host): void;
}

export interface HealthCheckerOptions {
  readonly config: HealthCheckConfig;
  readonly stats: HealthStats;
  readonly clock: Clock;
  readonly random: Random;
  readonly cluster: CheckedCluster;
  /** Whether hosts that were not checked yet are left out of what hosts are counted for. */
  readonly ignoresNewHosts: boolean;
  readonly makeProbe: (host: Host, owner: ProbeOwner) => Probe;
  readonly events?: HealthEvents | undefined;
}

export class HealthChecker implements HostObserver, SessionOwner {
  readonly #cluster: CheckedCluster;
  readonly #ignoresNewHosts: boolean;
  readonly #session: SessionOptions;
  readonly #sessions = new Map<Host, HostSession>();
  #isStarted = false;
  #onFirstRound: (() => void) | undefined;

  constructor({ cluster, ignoresNewHosts, ...options }: HealthCheckerOptions) {
    this.#cluster = cluster;
    this.#ignoresNewHosts = ignoresNewHosts;
    this.#session = { ...options, owner: this };
  }

  /** Begins to check; `onFirstRound` is called once each host that is there has been checked once. */
  start(onFirstRound: () => void): void {
    this.#isStarted = true;
    this.#onFirstRound = onFirstRound;
    for (const session of [...this.#sessions.values()]) session.start();
    this.#checkRound();
  }

  hostsChanged(added: readonly Host[], removed: readonly Host[]): void {
    for (const host of removed) {
      this.#sessions.get(host)?.close();
      this.#sessions.delete(host);
    }
    for (const host of added) {
      if (host.endpoint.check?.isDisabled) continue;
      const session = new HostSession(host, this.#session, this.#ignoresNewHosts);
      this.#sessions.set(host, session);
      if (this.#isStarted) session.start();
    }
    this.#checkRound();
  }

  #checkRound(): void {
    if (!this.#onFirstRound) return;
    for (const session of this.#sessions.values()) if (session.isFirst) return;
    const onFirstRound = this.#onFirstRound;
    this.#onFirstRound = undefined;
    onFirstRound();
  }

  hasTraffic(): boolean {
    return this.#cluster.hasTraffic();
  }

  onChecked(host: Host, transition: 'unchanged' | 'pending' | 'changed', isFailure: boolean): void {
    this.#cluster.hostJudged?.(host);
    if (transition === 'changed') {
      if (isFailure) this.#cluster.hostFailed(host);
      this.#cluster.healthChanged();
    }
    this.#checkRound();
  }

  close(): void {
    this.#onFirstRound = undefined;
    for (const session of this.#sessions.values()) session.close();
    this.#sessions.clear();
  }
}
