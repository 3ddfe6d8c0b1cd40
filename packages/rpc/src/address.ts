/** Addresses of servers: `host:port`, or `unix:<path>`. */
import { isIP } from 'node:net';
import { joinAddress, splitAddress } from '@weft/contracts/address';
import { WeftError } from '@weft/contracts/error';

export type Address =
  | { readonly type: 'tcp'; readonly host: string; readonly port: number; readonly text: string }
  | { readonly type: 'unix'; readonly path: string; readonly text: string };

/** What `sockaddr_un` holds, without its last zero: 107 on Linux, 103 elsewhere. */
const MAX_UNIX_PATH = process.platform === 'linux' ? 107 : 103;

/** Reads an address; throws `WeftError` INVALID_ARGUMENT for any other text. */
export function parseAddress(text: string): Address {
  if (!text.startsWith('unix:')) {
    const { host, port } = splitAddress(text);
    return { type: 'tcp', host, port, text: joinAddress(host, port) };
  }
  const path = text.slice('unix:'.length);
  if (path === '' || Buffer.byteLength(path) > MAX_UNIX_PATH) {
    throw new WeftError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(text)}: expected unix:<path> with a path of 1 to ${MAX_UNIX_PATH} bytes, the longest that a socket can have`,
    );
  }
  return { type: 'unix', path, text };
}

/** Whether only this machine can reach what listens there. */
export function isLocalAddress(address: Address): boolean {
  if (address.type === 'unix') return true;
  const { host } = address;
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
