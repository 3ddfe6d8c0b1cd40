/** The TCP proxy: bytes both ways between a client and a host of a cluster, each direction closed by itself. */
import type { Socket } from 'node:net';
import type { WriteLog } from '../access-log/logger.ts';
import { type Clock, Deadline } from '../clock.ts';
import type { Random } from '../cluster/balancer.ts';
import { lbValues, metadataMatch } from '../cluster/balancing/metadata-match.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { TcpProxyConfig } from '../config/tcp.ts';
import type { FlushQueue } from '../net/flush-queue.ts';
import { type DownstreamInfo, StreamInfo } from '../stack/stream-info.ts';
import type { TcpStats } from '../stats/groups.ts';
import { weightedIndex } from '../weighted-index.ts';
import type { ConnectionPolicy } from './connection-pick.ts';
import { TcpSession } from './tcp-session.ts';

export interface TcpProxyOptions {
  readonly config: TcpProxyConfig;
  readonly stats: TcpStats;
  readonly logs: readonly WriteLog[];
  readonly findCluster: (name: string) => Cluster | undefined;
  readonly queue: FlushQueue;
  readonly clock: Clock;
  readonly random: Random;
}

/** A cluster that connections may go to, with its share. */
interface Choice {
  readonly name: string;
  readonly weight: number;
  readonly policy: ConnectionPolicy;
}

function choicesOf(config: TcpProxyConfig): readonly Choice[] {
  const hashesAddress = config.hash_policy.length > 0;
  const own = lbValues(config.metadata_match);
  const weighted = config.weighted_clusters?.clusters ?? [];
  if (config.cluster !== undefined || weighted.length === 0) {
    return [{ name: config.cluster ?? '', weight: 1, policy: { hashesAddress, metadataMatch: metadataMatch(own) } }];
  }
  return weighted.map(({ name, weight, metadata_match }) => {
    return { name, weight, policy: { hashesAddress, metadataMatch: metadataMatch(own, lbValues(metadata_match)) } };
  });
}

export class TcpProxy {
  readonly #options: TcpProxyOptions;
  readonly #sessions = new Set<TcpSession>();
  readonly #choices: readonly Choice[];
  readonly #weights: readonly number[];
  readonly #totalWeight: number;
  #total = 0;

  constructor(options: TcpProxyOptions) {
    this.#options = options;
    this.#choices = choicesOf(options.config);
    this.#weights = this.#choices.map(({ weight }) => weight);
    this.#totalWeight = this.#weights.reduce((total, weight) => total + weight, 0);
  }

  get connections(): number {
    return this.#sessions.size;
  }

  /** Connections that were ever begun. */
  get totalConnections(): number {
    return this.#total;
  }

  /** `known`: what was found out of the connection before. */
  accept(socket: Socket, downstream: DownstreamInfo, known?: StreamInfo): void {
    const { stats, clock, config } = this.#options;
    stats.downstream_cx_total++;
    this.#total++;
    const info = known ?? new StreamInfo(downstream, clock.wallMs(), clock.monotonicMs());
    const { name, policy } = this.#choose();
    info.cluster = name;
    const session = new TcpSession(socket, info, {
      ...this.#options,
      cluster: this.#options.findCluster(name),
      policy,
      idle: (onIdle) => new Deadline(clock, onIdle),
      idleMs: config.idle_timeout,
      onEnd: () => this.#ended(session, info),
    });
    this.#sessions.add(session);
    session.start();
  }

  /** A connection was closed before it came to be served; it is counted and logged all the same. */
  refused(info: StreamInfo): void {
    this.#options.stats.downstream_cx_total++;
    this.#log(info);
  }

  #choose(): Choice {
    const choices = this.#choices;
    if (choices.length === 1) return choices[0] as Choice;
    const index = weightedIndex(this.#weights, this.#options.random() * this.#totalWeight);
    return (choices[index] ?? choices.at(-1)) as Choice;
  }

  #ended(session: TcpSession, info: StreamInfo): void {
    this.#sessions.delete(session);
    this.#log(info);
  }

  #log(info: StreamInfo): void {
    info.endMs = this.#options.clock.monotonicMs();
    info.logType = 'TcpConnectionEnd';
    for (const write of this.#options.logs) write(info);
  }

  destroy(): void {
    for (const session of this.#sessions) session.destroy();
  }
}
