/** What formats in the headers of checks can tell: of the host, for there is no client. */
import type { Clock } from '../../clock.ts';
import type { RequestHead } from '../../http/message.ts';
import { type DownstreamInfo, StreamInfo } from '../../stack/stream-info.ts';
import type { Host } from '../host.ts';

const NOBODY: DownstreamInfo = {
  id: 0,
  remoteHost: '127.0.0.1',
  remotePort: 0,
  localHost: '127.0.0.1',
  localPort: 0,
  tls: undefined,
};

export function checkInfo(host: Host, head: RequestHead, clusterName: string, clock: Clock): StreamInfo {
  const info = new StreamInfo(NOBODY, clock.wallMs(), clock.monotonicMs());
  info.request = head;
  info.cluster = clusterName;
  info.upstreamHost = host.key;
  return info;
}
