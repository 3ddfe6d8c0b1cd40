/** Ports of this machine for tests. */
import { randomInt } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** The port that a server was given. */
export function portOf(server: Server): number {
  const bound = server.address();
  return typeof bound === 'object' && bound ? bound.port : 0;
}

/**
 * Has a server, of whatever protocol, listen on a free port until the test ends; what is still connected then is cut.
 * Gives the port.
 */
export async function listen(test: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return portOf(server);
}

/** Below those that the system gives to whoever asks for any port, clients among them. */
const FIRST_PORT = 12_000;
const LAST_PORT = 32_000;

function bind(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/**
 * A port that nobody listens on now, for what cannot be told to find one by itself. It stays free as long as nobody asks
 * for this very one: no connection is made from it, and other tests hardly choose the same.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    if (await bind(port)) return port;
  }
}
