/** Streams to the control plane, and how they are kept. */
import type { RawStream } from '@weft/rpc';

/** What a stream's head says beyond what every one says. */
export interface StreamHead {
  /** What `:authority` says; undefined: the name of the cluster. */
  readonly authority?: string | undefined;
  /** Fields by name in lower case. */
  readonly metadata?: readonly (readonly [name: string, value: string])[] | undefined;
}

/** Opens a bidirectional stream of encoded messages to a cluster: `/envoy.service…/DeltaAggregatedResources`. */
export type StreamFactory = (clusterName: string, path: string, signal: AbortSignal, head?: StreamHead) => RawStream;
