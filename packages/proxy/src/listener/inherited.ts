/** Sockets that a process took over from the one before it, until listeners bind their addresses. */
import { closeSync, rmSync } from 'node:fs';

/** A socket that listens. */
export interface ListeningSocket {
  /** As configured: `127.0.0.1:8080`. */
  readonly address: string;
  readonly descriptor: number;
}

/** Sockets of another process that listen, for whoever binds their address. */
export interface InheritedSockets {
  /**
   * Descriptors that listen at that address (`127.0.0.1:8080`): all that are left of the process before, which may have
   * had more threads, so that none of them is left with connections that nobody accepts. None where there is none left.
   */
  take(address: string): readonly number[];
  /** Lets go of those that nobody has taken, and of their paths: the process before still listens, until it drains. */
  closeRest(): void;
}

/** Of a port that is found when it is bound, so that several sockets may have the address. */
function isOfAnyPort(address: string): boolean {
  return address.endsWith(':0');
}

/** Gives sockets to the first who binds their address. */
export function inheritedSockets(sockets: readonly ListeningSocket[]): InheritedSockets {
  const left = Map.groupBy(sockets, ({ address }) => address);
  return {
    take(address) {
      const found = left.get(address) ?? [];
      const taken = isOfAnyPort(address) ? found.splice(0, 1) : found.splice(0);
      return taken.map(({ descriptor }) => descriptor);
    },
    closeRest() {
      for (const [address, sockets] of left) {
        for (const { descriptor } of sockets.splice(0)) {
          closeSync(descriptor);
          // The process before leaves paths to this one, which nobody will listen at.
          if (address.startsWith('/')) rmSync(address, { force: true });
        }
      }
    },
  };
}

/** Deals sockets out to workers: those of each address in turn. What cannot be shared is the first one's. */
export function shareOut(
  sockets: readonly ListeningSocket[],
  workers: number,
): readonly (readonly ListeningSocket[])[] {
  const shares: ListeningSocket[][] = Array.from({ length: workers }, () => []);
  for (const [address, same] of Map.groupBy(sockets, ({ address }) => address)) {
    const sharers = isOfAnyPort(address) ? 1 : workers;
    for (const [index, socket] of same.entries()) shares[index % sharers]?.push(socket);
  }
  return shares;
}
