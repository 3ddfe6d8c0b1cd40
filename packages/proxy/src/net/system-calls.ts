/**
 * The few system calls of Linux that Node has no words for, by its foreign function interface
 * (https://nodejs.org/docs/latest-v26.x/api/ffi.html). Loaded only by those who need one.
 */
import { closeSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { WeftError } from '@weft/contracts/error';
import { ipText } from './address-text.ts';
import { handleOf } from './handles.ts';

/** The same on all processors since Linux 5.6. */
const PIDFD_OPEN = 434n;
const PIDFD_GETFD = 438n;
/** `prctl`: which process may look into this one. */
const PR_SET_PTRACER = 0x5961_6d61;
const SOL_SOCKET = 1;
const SO_REUSEPORT = 15;
const SO_ATTACH_FILTER = 26;
const SOL_TCP = 6;
const TCP_INFO = 11;
/** The first byte: the state of the connection. */
const TCP_CLOSE = 7;
/** As far as `tcpi_unacked`, which is the length of the queue where a socket listens. */
const TCP_INFO_BYTES = 28;
const TCP_INFO_UNACKED = 24;
const SOL_IP = 0;
const SOL_IPV6 = 41;
const SO_ORIGINAL_DST = 80;
const AF_INET = 2;
const SOCKADDR_BYTES = 28;
/** `struct pollfd`: a descriptor, what is asked for, and what there is. */
const POLLFD_BYTES = 8;
const POLLFD_EVENTS = 4;
const POLLFD_REVENTS = 6;
const POLLERR = 0x8;
const POLLHUP = 0x10;
const POLLRDHUP = 0x2000;

/** A program of the kernel's packet filter: code, how far to jump if so and if not, operand. */
type FilterStep = readonly [code: number, ifSo: number, ifNot: number, operand: number];
const FILTER_STEP_BYTES = 8;
/** `struct sock_fprog`: how many steps, and where they are. */
const FILTER_BYTES = 16;
const FILTER_POINTER = 8;
/** Lets through all but segments of TCP (RFC 9293, 3.1) that have SYN and no ACK, which begin a connection. */
const NO_BEGINNINGS: readonly FilterStep[] = [
  // Loads the byte with the flags,
  [0x30, 0, 0, 13],
  // leaves ACK and SYN of it,
  [0x54, 0, 0, 0x12],
  // and looks whether that is SYN alone.
  [0x15, 0, 1, 0x02],
  [0x06, 0, 0, 0],
  [0x06, 0, 0, 0xffff_ffff],
];

function filterBytes(program: readonly FilterStep[]): Buffer {
  const bytes = Buffer.alloc(program.length * FILTER_STEP_BYTES);
  for (const [index, [code, ifSo, ifNot, operand]] of program.entries()) {
    const at = bytes.writeUInt16LE(code, index * FILTER_STEP_BYTES);
    bytes.writeUInt32LE(operand, bytes.writeUInt8(ifNot, bytes.writeUInt8(ifSo, at)));
  }
  return bytes;
}

/**
 * How far the far side of a connection has ended it: it sends no more; it has all of this side, too, and the end of that, so
 * that only what it sent before is left; or the connection broke.
 */
export type PeerEnd = 'none' | 'ended' | 'closed' | 'broken';

export interface SystemCalls {
  /** Lets that process take descriptors of this one, where the kernel asks for more than the same user (Yama). */
  allowTakingBy(pid: number): void;
  /** A descriptor of another process of the same user, as one of this process. Throws `WeftError` PERMISSION_DENIED. */
  takeDescriptor(pid: number, descriptor: number): number;
  /** Lets others of this user bind the address of a socket that listens, each with a share of its connections. */
  shareAddress(descriptor: number): void;
  /**
   * Has a TCP socket that listens take no more connections, without a word: clients try again a second later. Those that
   * have begun go on. Holds for whoever else has the same socket, too.
   */
  takeNoMore(descriptor: number): void;
  /** How many connections wait to be accepted at a TCP socket that listens; 0 where that cannot be told. */
  waitingConnections(descriptor: number): number;
  /** How far connections have ended, whatever of them is not read yet; in the order of the descriptors. */
  endsOf(descriptors: readonly number[]): readonly PeerEnd[];
  /** Where a connection was going before netfilter redirected it here; undefined where it was not redirected. */
  originalDestination(socket: Socket): { readonly host: string; readonly port: number } | undefined;
}

/** The descriptor below a socket or a server that listens; undefined where it is closed. */
export function descriptorOf(owner: Socket | Server): number | undefined {
  const handle = handleOf(owner);
  const descriptor: unknown = handle && Reflect.get(handle, 'fd');
  return typeof descriptor === 'number' && descriptor >= 0 ? descriptor : undefined;
}

/** `sockaddr_in` or `sockaddr_in6`. */
function readAddress(bytes: Buffer): { readonly host: string; readonly port: number } {
  const port = bytes.readUInt16BE(2);
  if (bytes.readUInt16LE(0) === AF_INET) return { host: bytes.subarray(4, 8).join('.'), port };
  return { host: ipText(bytes.subarray(8, 24)) ?? '', port };
}

/** `state`: gives that of TCP, which is asked for only where both sides have ended. */
function peerEnd(events: number, state: () => number): PeerEnd {
  if ((events & POLLERR) !== 0) return 'broken';
  if ((events & POLLHUP) !== 0) return state() === TCP_CLOSE ? 'closed' : 'ended';
  return (events & POLLRDHUP) === 0 ? 'none' : 'ended';
}

/** Throws `WeftError` UNIMPLEMENTED on other systems than Linux. */
export async function systemCalls(): Promise<SystemCalls> {
  if (process.platform !== 'linux') {
    throw new WeftError('UNIMPLEMENTED', `${process.platform} has not the system calls that this needs; Linux has`);
  }
  const { dlopen, getRawPointer } = await import('node:ffi');
  const { functions } = dlopen(null, {
    syscall: { return: 'i64', arguments: ['i64', 'i64', 'i64', 'i64', 'i64', 'i64', 'i64'] },
    prctl: { return: 'i32', arguments: ['i32', 'u64', 'u64', 'u64', 'u64'] },
    setsockopt: { return: 'i32', arguments: ['i32', 'i32', 'i32', 'pointer', 'i32'] },
    poll: { return: 'i32', arguments: ['pointer', 'u64', 'i32'] },
    getsockopt: { return: 'i32', arguments: ['i32', 'i32', 'i32', 'pointer', 'pointer'] },
  });
  const call = (number: bigint, a: bigint, b: bigint): bigint => functions.syscall(number, a, b, 0n, 0n, 0n, 0n);
  /** Undefined where it is no socket of TCP. */
  const tcpInfo = (descriptor: number): Buffer | undefined => {
    const info = Buffer.alloc(TCP_INFO_BYTES);
    const length = Buffer.alloc(4);
    length.writeInt32LE(TCP_INFO_BYTES);
    const result = functions.getsockopt(descriptor, SOL_TCP, TCP_INFO, getRawPointer(info), getRawPointer(length));
    return result === 0 ? info : undefined;
  };
  return {
    allowTakingBy(pid) {
      functions.prctl(PR_SET_PTRACER, BigInt(pid), 0n, 0n, 0n);
    },
    takeDescriptor(pid, descriptor) {
      const process = call(PIDFD_OPEN, BigInt(pid), 0n);
      const taken = process < 0n ? -1n : call(PIDFD_GETFD, process, BigInt(descriptor));
      if (process >= 0n) closeSync(Number(process));
      if (taken >= 0n) return Number(taken);
      throw new WeftError(
        'PERMISSION_DENIED',
        `the kernel does not let this process take a socket of process ${pid}: both must run as the same user, and may need CAP_SYS_PTRACE`,
      );
    },
    shareAddress(descriptor) {
      const on = Buffer.alloc(4);
      on.writeInt32LE(1);
      functions.setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, getRawPointer(on), on.length);
    },
    takeNoMore(descriptor) {
      const steps = filterBytes(NO_BEGINNINGS);
      const filter = Buffer.alloc(FILTER_BYTES);
      filter.writeUInt16LE(NO_BEGINNINGS.length);
      filter.writeBigUInt64LE(BigInt(getRawPointer(steps)), FILTER_POINTER);
      functions.setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, getRawPointer(filter), filter.length);
    },
    waitingConnections(descriptor) {
      return tcpInfo(descriptor)?.readUInt32LE(TCP_INFO_UNACKED) ?? 0;
    },
    endsOf(descriptors) {
      if (descriptors.length === 0) return [];
      const asked = Buffer.alloc(descriptors.length * POLLFD_BYTES);
      for (const [index, descriptor] of descriptors.entries()) {
        asked.writeInt32LE(descriptor, index * POLLFD_BYTES);
        asked.writeInt16LE(POLLRDHUP, index * POLLFD_BYTES + POLLFD_EVENTS);
      }
      functions.poll(getRawPointer(asked), BigInt(descriptors.length), 0);
      return descriptors.map((descriptor, index) => {
        const events = asked.readUInt16LE(index * POLLFD_BYTES + POLLFD_REVENTS);
        return peerEnd(events, () => tcpInfo(descriptor)?.readUInt8(0) ?? 0);
      });
    },
    originalDestination(socket) {
      const descriptor = descriptorOf(socket);
      if (descriptor === undefined) return undefined;
      const address = Buffer.alloc(SOCKADDR_BYTES);
      const length = Buffer.alloc(4);
      length.writeInt32LE(SOCKADDR_BYTES);
      const level = socket.localFamily === 'IPv6' && !socket.localAddress?.startsWith('::ffff:') ? SOL_IPV6 : SOL_IP;
      const result = functions.getsockopt(
        descriptor,
        level,
        SO_ORIGINAL_DST,
        getRawPointer(address),
        getRawPointer(length),
      );
      return result === 0 ? readAddress(address) : undefined;
    },
  };
}
