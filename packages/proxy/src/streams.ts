/** Streams to the control plane, and how they are kept. */
import type { RawStream } from '@weft/rpc';

/** Opens a bidirectional stream of encoded messages to a cluster: `/envoy.service…/DeltaAggregatedResources`. */
export type StreamFactory = (clusterName: string, path: string, signal: AbortSignal) => RawStream;
