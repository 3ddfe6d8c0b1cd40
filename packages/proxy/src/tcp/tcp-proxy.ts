/** The TCP proxy: bytes both ways between a client and a host of a cluster, each direction closed by itself. */
import type { Socket } from 'node:net';
import type { WriteLog } from '../access-log/logger.ts';
import { type Cancel, type Clock, Deadline } from '../clock.ts';
import type { Random } from '../cluster/balancer.ts';
import { lbValues, metadataMatch } from '../cluster/balancing/metadata-match.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { LogType } from '../config/log-filter.ts';
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

/** When connections are logged beside their end. */
interface LogMoments {
  readonly atStart: boolean;
  readonly atConnected: boolean;
  /** 0: at no interval. */
  readonly everyMs: number;
}

function logMoments(config: TcpProxyConfig): LogMoments {
  const { access_log_options: options } = config;
  return {
    atStart: options?.flush_access_log_on_start ?? false,
    atConnected: options?.flush_access_log_on_connected ?? config.flush_access_log_on_connected,
    everyMs: options?.access_log_flush_interval ?? config.access_log_flush_interval ?? 0,
  };
}

const nothing = (): void => undefined;

export class TcpProxy {
  readonly #options: TcpProxyOptions;
  readonly #moments: LogMoments;
  readonly #sessions = new Set<TcpSession>();
  readonly #choices: readonly Choice[];
  readonly #weights: readonly number[];
  readonly #totalWeight: number;
  #total = 0;

  constructor(options: TcpProxyOptions) {
    this.#options = options;
    this.#moments = logMoments(options.config);
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
    if (this.#moments.atStart) this.#log(info, 'TcpConnectionStart');
    const { name, policy } = this.#choose();
    info.cluster = name;
    const stopLogging = this.#moments.everyMs > 0 ? this.#logEvery(info) : nothing;
    const session = new TcpSession(socket, info, {
      ...this.#options,
      cluster: this.#options.findCluster(name),
      policy,
      idle: (onIdle) => new Deadline(clock, onIdle),
      idleMs: config.idle_timeout,
      onConnected: () => {
        if (this.#moments.atConnected) this.#log(info, 'TcpUpstreamConnected');
      },
      onEnd: () => {
        stopLogging();
        this.#sessions.delete(session);
        this.#logEnd(info);
      },
    });
    this.#sessions.add(session);
    session.start();
  }

  /** A connection was closed before it came to be served; it is counted and logged all the same. */
  refused(info: StreamInfo): void {
    this.#options.stats.downstream_cx_total++;
    this.#logEnd(info);
  }

  #choose(): Choice {
    const choices = this.#choices;
    if (choices.length === 1) return choices[0] as Choice;
    const index = weightedIndex(this.#weights, this.#options.random() * this.#totalWeight);
    return (choices[index] ?? choices.at(-1)) as Choice;
  }

  #logEnd(info: StreamInfo): void {
    info.endMs = this.#options.clock.monotonicMs();
    this.#log(info, 'TcpConnectionEnd');
  }

  /** Logs a connection again and again; gives what stops that. */
  #logEvery(info: StreamInfo): () => void {
    const { clock } = this.#options;
    const { everyMs } = this.#moments;
    const again = (): Cancel =>
      clock.after(everyMs, () => {
        this.#log(info, 'TcpPeriodic');
        cancel = again();
      });
    let cancel = again();
    return () => cancel();
  }

  #log(info: StreamInfo, type: LogType): void {
    info.logType = type;
    for (const write of this.#options.logs) write(info);
  }

  destroy(): void {
    for (const session of this.#sessions) session.destroy();
  }
}
