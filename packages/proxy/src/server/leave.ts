/** How a proxy has its clients leave. */
import type { DrainListeners, DrainRequest } from '../drain.ts';
import type { TrafficDirection } from '../listener/chain.ts';
import type { ProxySettings } from './options.ts';
import type { Parts } from './parts.ts';

const POLL_MS = 10;
/** How long nothing must have been served while clients keep idle connections, which they may use at any moment. */
const QUIET_MS = 500;
/** How long connections are waited for that were taken, and still shake hands. */
const OPENING_MS = 3000;

type Leaving = Pick<Parts, 'clock' | 'life' | 'listeners'>;

/** Whether a listener is of a direction; undefined: each is. */
export function appliesTo(direction: DrainRequest['direction']): (given: TrafficDirection) => boolean {
  return (given) => direction === undefined || given === direction;
}

/** See `RunningProxy.drain`. */
export async function drain({ clock, life, listeners }: Leaving, request: DrainRequest): Promise<void> {
  const { timeoutMs, direction } = request;
  const applies = appliesTo(direction);
  const endMs = clock.monotonicMs() + timeoutMs;
  let quietSinceMs = clock.monotonicMs();
  let served = listeners.served(applies);
  life.draining.begin(direction, 0);
  if (direction === undefined) life.state = 'DRAINING';
  await listeners.stopListening(applies);
  const openedMs = clock.monotonicMs() + OPENING_MS;
  const isOpening = () => clock.monotonicMs() < openedMs && listeners.opening(applies) > 0;
  while (clock.monotonicMs() < endMs && (listeners.connections(applies) > 0 || isOpening())) {
    const nowMs = clock.monotonicMs();
    const servedNow = listeners.served(applies);
    if (listeners.active(applies) > 0 || servedNow !== served || isOpening()) quietSinceMs = nowMs;
    served = servedNow;
    if (nowMs - quietSinceMs >= QUIET_MS) break;
    await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
  }
  listeners.drain(applies);
}

/** As `/drain_listeners` does. */
export function drainListeners(
  { clock, life, listeners }: Leaving,
  options: DrainListeners,
  { drainMs, drainStrategy }: Pick<ProxySettings, 'drainMs' | 'drainStrategy'>,
): void {
  const direction = options.inboundOnly ? 'INBOUND' : undefined;
  const stop = () => {
    if (!options.skipExit) void listeners.stopListening(appliesTo(direction));
  };
  if (!options.graceful) {
    stop();
    return;
  }
  life.draining.begin(direction, drainStrategy === 'immediate' ? 0 : drainMs);
  clock.after(drainMs, stop);
}
