/**
 * Sockets with options that Node has no words for, by its foreign function interface. Loaded only by listeners that ask
 * for some.
 */
import { closeSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { WeftError } from '@weft/contracts/error';
import type { SocketOption } from '../config/socket-options.ts';
import { v4Number, v6Number } from './cidr.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const SOL_IPV6 = 41;
const IPV6_V6ONLY = 26;

/** Where a socket is bound, and who else may be. */
export interface BindPlace {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
  readonly ipv6Only: boolean;
  readonly reusePort: boolean;
}

export interface SystemSockets {
  /** Sets options of a socket that is there. Throws an error with the system's `code` where the system refuses one. */
  set(descriptor: number, options: readonly SocketOption[]): void;
  /** A stream socket, bound, with options that were set before. Throws as `set`. */
  bind(place: BindPlace, options: readonly SocketOption[]): number;
}

/** `sockaddr_in` or `sockaddr_in6`. */
function socketAddress({ host, port }: BindPlace): Buffer {
  if (isIPv4(host)) {
    const address = Buffer.alloc(16);
    address.writeUInt16LE(AF_INET, 0);
    address.writeUInt16BE(port, 2);
    address.writeUInt32BE(v4Number(host), 4);
    return address;
  }
  const address = Buffer.alloc(28);
  address.writeUInt16LE(AF_INET6, 0);
  address.writeUInt16BE(port, 2);
  const number = v6Number(host);
  address.writeBigUInt64BE(number >> 64n, 8);
  address.writeBigUInt64BE(number & 0xffff_ffff_ffff_ffffn, 16);
  return address;
}

function failed(what: string, errno: number): Error {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`${what}: ${code}`), { code });
}

/** Throws `WeftError` UNIMPLEMENTED on other systems than Linux. */
export async function systemSockets(): Promise<SystemSockets> {
  if (process.platform !== 'linux') {
    throw new WeftError(
      'UNIMPLEMENTED',
      `${process.platform} has not the options of sockets that this needs; Linux has`,
    );
  }
  const { dlopen, getInt32, getRawPointer } = await import('node:ffi');
  const { functions } = dlopen(null, {
    socket: { return: 'i32', arguments: ['i32', 'i32', 'i32'] },
    bind: { return: 'i32', arguments: ['i32', 'pointer', 'i32'] },
    setsockopt: { return: 'i32', arguments: ['i32', 'i32', 'i32', 'pointer', 'i32'] },
    __errno_location: { return: 'pointer', arguments: [] },
  });
  const check = (result: number, what: string): number => {
    if (result >= 0) return result;
    throw failed(what, getInt32(functions.__errno_location()));
  };
  const setOne = (descriptor: number, level: number, name: number, value: Buffer): void => {
    const result = functions.setsockopt(descriptor, level, name, getRawPointer(value), value.length);
    check(result, `the option ${name} of level ${level} cannot be set`);
  };
  const on = Buffer.from([1, 0, 0, 0]);
  const off = Buffer.alloc(4);
  const set: SystemSockets['set'] = (descriptor, options) => {
    for (const { level, name, value } of options) setOne(descriptor, level, name, value);
  };
  return {
    set,
    bind(place, options) {
      const isV6 = !isIPv4(place.host);
      const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
      const descriptor = check(functions.socket(isV6 ? AF_INET6 : AF_INET, type, 0), 'no socket');
      try {
        setOne(descriptor, SOL_SOCKET, SO_REUSEADDR, on);
        if (place.reusePort) setOne(descriptor, SOL_SOCKET, SO_REUSEPORT, on);
        if (isV6) setOne(descriptor, SOL_IPV6, IPV6_V6ONLY, place.ipv6Only ? on : off);
        set(descriptor, options);
        const address = socketAddress(place);
        check(functions.bind(descriptor, getRawPointer(address), address.length), 'the address cannot be bound');
        return descriptor;
      } catch (error) {
        closeSync(descriptor);
        throw error;
      }
    },
  };
}
