/** The address at which other machines reach this one: that of the socket which reaches the control plane. */
import { connect } from 'node:net';
import { splitAddress } from '@weft/contracts/address';

const TIMEOUT_MS = 2000;

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
