/** The address at which other machines reach this one: that of the socket which reaches the control plane. */
import { connect } from 'node:net';

const TIMEOUT_MS = 2000;

/** `127.0.0.1:7440` and `[::1]:7440` as host and port. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(colon + 1)) };
}

/** Undefined when the address cannot be reached. */
export function localAddressTowards(address: string): Promise<string | undefined> {
  const { host, port } = splitAddress(address);
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (found: string | undefined) => {
      socket.destroy();
      // An IPv4 address as a dual-stack socket shows it.
      resolve(found?.replace(/^::ffff:(?=\d+\.)/, ''));
    };
    socket.setTimeout(TIMEOUT_MS, () => end(undefined));
    socket.once('error', () => end(undefined));
    socket.once('connect', () => end(socket.localAddress));
  });
}
