/**
 * Asks the kernel where a connection was going before netfilter redirected it here
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/listener_filters/original_dst_filter). The
 * listener is warm when the system call can be made.
 */
import { type SystemCalls, systemCalls } from '../../../net/system-calls.ts';
import { DONE, type ListenerFilter, type ListenerFilterContext } from '../filter.ts';

const WHAT = 'the system calls of Linux';

export function makeOriginalDst(_config: object, { warming }: ListenerFilterContext): ListenerFilter {
  let calls: SystemCalls | undefined;
  warming.waitFor(WHAT, 0);
  systemCalls().then(
    (found) => {
      calls = found;
      warming.arrived(WHAT);
    },
    // The listener stays where it is: passing connections on to a destination that was never read would be worse.
    () => undefined,
  );
  return {
    onAccept(opening, socket) {
      const found = calls?.originalDestination(socket);
      if (found) opening.restoreDestination(found.host, found.port);
      return 'pass';
    },
    look: () => DONE,
  };
}
