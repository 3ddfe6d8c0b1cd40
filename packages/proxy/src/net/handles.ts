/** What Node keeps with sockets and servers under no public name. Each is undefined where this version of Node keeps it elsewhere. */
import { type Server, Socket } from 'node:net';

/** What speaks to the operating system, or to TLS; undefined, too, of what is closed. */
export function handleOf(owner: Socket | Server): object | undefined {
  const handle: unknown = Reflect.get(owner, '_handle');
  return typeof handle === 'object' && handle !== null ? handle : undefined;
}

/** The connection below a socket of TLS. */
export function connectionBelow(socket: Socket): Socket | undefined {
  const below: unknown = Reflect.get(socket, '_parent');
  return below instanceof Socket ? below : undefined;
}
