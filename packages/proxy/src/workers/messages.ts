/**
 * What the main thread and its workers say to each other. The main thread serves as the first worker, keeps the streams
 * of the control plane and the admin interface; every further worker is a thread with a proxy of its own, which listens
 * at the same addresses and gets its resources from the main thread.
 */
import type { Bootstrap, ResourceType } from '@weft/envoy-api';
import type { HostCounts } from '../cluster/host.ts';
import type { Evidence, JudgedHost, Judgement } from '../cluster/judging.ts';
import type { ResourceSource } from '../config/config-source.ts';
import type { DrainListeners, DrainRequest, DrainStrategy } from '../drain.ts';
import type { ListeningSocket } from '../listener/inherited.ts';
import type { LogLevel } from '../log.ts';
import type { RuntimeChange } from '../runtime/runtime.ts';
import type { PlainGroup } from '../stats/plain.ts';
import type { CollectionUpdate } from '../xds/subscriptions.ts';

/** What a worker is started with. */
export interface WorkerStart {
  readonly bootstrap: Bootstrap;
  readonly logLevel: LogLevel;
  readonly drainMs: number;
  readonly drainStrategy: DrainStrategy;
  readonly version: string;
  /** Of the process that this one takes over from: this worker's share. */
  readonly inherited: readonly ListeningSocket[];
  /** Where compiled code is kept, if it is: each thread opens that by itself. */
  readonly compileCache: string | undefined;
  /** What threads count together. */
  readonly counts: SharedArrayBuffer | undefined;
  /** What keys of TLS session tickets are made of. */
  readonly ticketSecret: Uint8Array;
}

export type Order =
  | { readonly type: 'drain'; readonly request: DrainRequest }
  | { readonly type: 'drain-listeners'; readonly options: DrainListeners }
  /** Another process listens with the sockets of this one, too. */
  | { readonly type: 'keep-paths'; readonly keeps: boolean }
  | { readonly type: 'health'; readonly isHealthy: boolean }
  | { readonly type: 'log-level'; readonly level: LogLevel }
  | { readonly type: 'reopen-logs' }
  | { readonly type: 'runtime'; readonly changes: readonly RuntimeChange[] }
  | { readonly type: 'reset-counters' }
  | { readonly type: 'close' };

/** From the main thread. */
export type ToWorker =
  | { readonly type: 'resource'; readonly id: number; readonly resource: unknown; readonly version: string }
  /** One so large that it goes as the bytes that it came in. */
  | { readonly type: 'large-resource'; readonly id: number; readonly encoded: Uint8Array; readonly version: string }
  | { readonly type: 'removed'; readonly id: number }
  | { readonly type: 'update'; readonly id: number; readonly update: CollectionUpdate }
  /** Of a host, by checks and outlier detection. */
  | { readonly type: 'judged'; readonly host: JudgedHost; readonly judgement: Judgement | undefined }
  /** Answered with `done`. */
  | { readonly type: 'order'; readonly id: number; readonly order: Order }
  /** Answered with `report`, after as many `counts` as there are if those are asked for. */
  | { readonly type: 'report'; readonly id: number; readonly hasCounts: boolean }
  /** The next of those `counts` may come: the main thread has had other things to do meanwhile. */
  | { readonly type: 'more'; readonly id: number };

/** A part of what a worker counts: all of it can be many megabytes. */
export interface WorkerCounts {
  readonly groups: readonly PlainGroup[];
  readonly hosts: readonly PlainHost[];
}

/** What a worker says of itself. */
export interface WorkerReport {
  readonly sockets: readonly ListeningSocket[];
  /** Bytes of the thread's own heap, and what it holds beside it. */
  readonly heap: HeapBytes;
}

/** Memory of one thread; that of the process as a whole is known to each of them. */
export interface HeapBytes {
  readonly used: number;
  readonly total: number;
}

/** What was counted of one host of a cluster. */
export interface PlainHost {
  readonly cluster: string;
  readonly key: string;
  readonly counts: HostCounts;
}

/** From a worker. */
export type FromWorker =
  | {
      readonly type: 'watch';
      readonly id: number;
      readonly source: ResourceSource;
      readonly of: ResourceType;
      readonly name: string;
    }
  | { readonly type: 'watch-all'; readonly id: number; readonly source: ResourceSource; readonly of: ResourceType }
  | { readonly type: 'unwatch'; readonly id: number }
  /** Of a host, for checks and outlier detection. */
  | { readonly type: 'evidence'; readonly cluster: string; readonly key: string; readonly evidence: Evidence }
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly why: string }
  | {
      readonly type: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly fields: object;
      readonly text: string;
    }
  | { readonly type: 'done'; readonly id: number }
  | { readonly type: 'counts'; readonly id: number; readonly counts: WorkerCounts }
  | { readonly type: 'report'; readonly id: number; readonly report: WorkerReport };
