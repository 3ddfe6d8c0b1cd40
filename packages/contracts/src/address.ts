/** `host:port`, as it is written everywhere in Weft; an IPv6 address stands in brackets. */
import { WeftError } from './error.ts';

export interface HostPort {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port`; throws `WeftError` INVALID_ARGUMENT for any other text. Port 0 is allowed: any free port. */
export function splitAddress(address: string): HostPort {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65_535) {
    throw new WeftError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(address)}: expected <host>:<port>, such as 127.0.0.1:7440`,
    );
  }
  return { host, port };
}

/** The text of an address; brackets around an IPv6 host. */
export function joinAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
