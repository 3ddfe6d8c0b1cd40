/** What a proxy is started with. */
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Bootstrap } from '@weft/envoy-api';
import type { Clock } from '../clock.ts';
import type { Random } from '../cluster/balancer.ts';
import type { Judging } from '../cluster/judging.ts';
import type { SharedCounts } from '../counts/shared-counts.ts';
import type { DrainStrategy } from '../drain.ts';
import type { ListeningSocket } from '../listener/inherited.ts';
import type { Log, LogLevel } from '../log.ts';
import type { StreamFactory } from '../streams.ts';
import type { Subscriptions } from '../xds/subscriptions.ts';

export interface ProxyOptions {
  /** Static configuration; types and names must be right, as those of a bootstrap that `encodeUnknown` accepted. */
  readonly bootstrap: Bootstrap;
  /** Opens streams to the control plane; default: over the pools of the clusters that the bootstrap names for it. */
  readonly streams?: StreamFactory;
  readonly log: Log;
  readonly logLevel?: LogLevel;
  readonly clock?: Clock;
  readonly random?: Random;
  /** How long connections of listeners that are gone may go on; default 600,000, as Envoy's. */
  readonly drainMs?: number;
  /** How `/drain_listeners?graceful` asks connections to leave; default `gradual`, as Envoy's. */
  readonly drainStrategy?: DrainStrategy;
  /** For `/server_info` and the control plane; default: that of this package. */
  readonly version?: string;
  readonly commandLine?: Readonly<Record<string, unknown>>;
  /** What `/quitquitquit` does. */
  readonly onQuit?: () => void;
  /** Sockets of the process that this one takes over from. */
  readonly inherited?: readonly ListeningSocket[];
  /** How often the proxy was replaced before. */
  readonly restartEpoch?: number;
  /** Processes of which version can take over from this one; default `disabled`: none can. */
  readonly hotRestartVersion?: string;
  /** Threads that serve, this one among them; default 1. */
  readonly concurrency?: number;
  /** This is a further worker of a process: resources come from its main thread. */
  readonly worker?: { readonly subscriptions: ClosableSubscriptions; readonly judging: Judging };
  /** What threads count together; default: there is one thread. */
  readonly counts?: SharedCounts | undefined;
  /** What keys of TLS session tickets are made of, the same in all threads; default: drawn at random. */
  readonly ticketSecret?: Uint8Array;
}

export interface ClosableSubscriptions extends Subscriptions {
  close(): void;
}

/** The options with everything in its place that has a default. */
export type ProxySettings = ProxyOptions &
  Required<
    Pick<
      ProxyOptions,
      | 'random'
      | 'logLevel'
      | 'drainMs'
      | 'drainStrategy'
      | 'version'
      | 'commandLine'
      | 'inherited'
      | 'restartEpoch'
      | 'hotRestartVersion'
      | 'concurrency'
      | 'ticketSecret'
    >
  >;

/** The defaults of {@link ProxyOptions}, and what was given in their place. */
export function settingsOf(options: ProxyOptions): ProxySettings {
  return {
    ...options,
    random: options.random ?? Math.random,
    logLevel: options.logLevel ?? 'info',
    drainMs: options.drainMs ?? 600_000,
    drainStrategy: options.drainStrategy ?? 'gradual',
    version: options.version ?? ownVersion(),
    commandLine: options.commandLine ?? {},
    inherited: options.inherited ?? [],
    restartEpoch: options.restartEpoch ?? 0,
    hotRestartVersion: options.hotRestartVersion ?? 'disabled',
    concurrency: options.concurrency ?? 1,
    ticketSecret: options.ticketSecret ?? randomBytes(32),
  };
}

function ownVersion(): string {
  return (createRequire(import.meta.url)('../../package.json') as { readonly version: string }).version;
}
