/** What filters and routes ask of the server as a whole. */
import type { Counts } from '../counts/cells.ts';
import type { Runtime } from './runtime.ts';

export interface ServerContext {
  readonly runtime: Runtime;
  /** What all threads count together; default: there is one thread. */
  readonly counts?: Counts | undefined;
  /** `node.cluster` of the bootstrap: the service whose proxy this is; '' where it is not said. */
  readonly serviceCluster: string;
  /** `node.id`, and `node.locality.zone`; '' where they are not said. */
  readonly nodeId: string;
  readonly zone: string;
  /** Whether the server is not to be sent requests: `/healthcheck/fail` was asked for, or it is ending. */
  readonly isFailed: () => boolean;
}
