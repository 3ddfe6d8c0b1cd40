/** A connection as the stack knows it; for tests. */
import type { DownstreamInfo } from '../stream-info.ts';

export function downstream(change: Partial<DownstreamInfo> = {}): DownstreamInfo {
  return {
    id: 1,
    remoteHost: '10.0.0.9',
    remotePort: 5000,
    localHost: '10.0.0.1',
    localPort: 80,
    tls: undefined,
    ...change,
  };
}
