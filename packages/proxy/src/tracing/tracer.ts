/** What tracers of different kinds have in common. */
import type { Clock } from '../clock.ts';
import type { HeaderList } from '../http/header-list.ts';
import type { Log } from '../log.ts';
import type { StatsRegistry } from '../stats/registry.ts';
import type { UpstreamCalls } from '../upstream/calls.ts';
import type { TraceContext } from './context.ts';
import type { Span } from './span.ts';

/** A trace as one request takes part in it. */
export interface Started {
  readonly context: TraceContext;
  readonly hasRemoteParent: boolean;
  /** Writes what the next service is told, in the form in which it came. */
  readonly write: (headers: HeaderList, context: TraceContext) => void;
}

export interface Tracer {
  /** The part of a request; `isTraced`: whether the sampling of this proxy is for it. */
  start(headers: HeaderList, isTraced: boolean): Started;
  /** The context of what a request does further on. */
  child(parent: TraceContext): TraceContext;
  /** What a span of a request is called that no decorator names. */
  nameOf(operation: string, authority: string): string;
  report(span: Span): void;
  close(): void;
}

export interface TracerContext {
  readonly registry: StatsRegistry;
  readonly calls: UpstreamCalls;
  readonly clock: Clock;
  readonly log: Log;
  /** `node.cluster` of the bootstrap. */
  readonly serviceCluster: string;
}
