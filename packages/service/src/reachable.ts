/** What others are told to connect to when nobody says. */
import { networkInterfaces } from 'node:os';
import { joinAddress, splitAddress } from '@weft/contracts/address';

type Interfaces = ReturnType<typeof networkInterfaces>;

/**
 * The address that a server is bound to, as others can use it: where it listens on all of the machine's addresses, the
 * first IPv4 address of the machine that is not its loopback, else 127.0.0.1.
 */
export function reachableAddress(bound: string, interfaces: () => Interfaces = networkInterfaces): string {
  const { host, port } = splitAddress(bound);
  if (host !== '0.0.0.0' && host !== '::') return bound;
  const found = Object.values(interfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  return joinAddress(found?.address ?? '127.0.0.1', port);
}
