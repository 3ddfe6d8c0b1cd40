/** Addresses of a connection, as they are shown. */
import type { Socket } from 'node:net';
import { joinAddress } from '@weft/contracts/address';

/** `::ffff:10.0.0.1` is how a socket of both families writes 10.0.0.1. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

export interface SocketAddresses {
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localHost: string;
  readonly localPort: number;
}

export function addressesOf(socket: Socket): SocketAddresses {
  return {
    remoteHost: plainAddress(socket.remoteAddress),
    remotePort: socket.remotePort ?? 0,
    localHost: plainAddress(socket.localAddress),
    localPort: socket.localPort ?? 0,
  };
}

/** This side's address as logs show it: `10.0.0.2:8080`; '' of a socket that is not connected. */
export function localAddressOf({ localAddress, localPort }: Socket): string {
  return localAddress === undefined ? '' : joinAddress(plainAddress(localAddress), localPort ?? 0);
}
