/** `weft.node.v1.Rollout`: agents wait here until every proxy has done without what they are about to stop. */
import { Rollout } from '@weft/contracts/node';
import { type MountedService, typedService } from '@weft/rpc';
import type { PropagationBoard } from './status/propagation.ts';

const DEFAULT_TIMEOUT_MS = 5000;
const MAX_TIMEOUT_MS = 60_000;

export function rolloutService(board: PropagationBoard): MountedService {
  return typedService(Rollout, {
    async waitPropagated({ registryRevision, timeoutMs }, call) {
      const limitMs = Math.min(timeoutMs > 0 ? timeoutMs : DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS);
      return board.waitFor(registryRevision, limitMs, call.signal);
    },
  });
}
