/** Ends a connection so that nobody takes it for the end of what was sent. */
import type { Socket } from 'node:net';

/** The far side sees a reset; within TLS, whose close_notify is missing then, an end is enough. */
export function breakOff(socket: Socket): void {
  if ('encrypted' in socket) socket.destroy();
  else socket.resetAndDestroy();
}
