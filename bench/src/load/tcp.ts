/** Bytes through TCP: an application that sends or takes as many as it is told, and a client that tells it. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { cpuSeconds } from '../plane/proc.ts';

/** First byte of a connection: what the client wants; a length of 8 bytes follows. */
const DOWN = 0x64;
const UP = 0x75;
const ORDER_BYTES = 9;
/** What the application says once it has taken everything. */
const TAKEN = 0x6b;

const CHUNK = Buffer.alloc(256 * 1024, 'weft');

/** Writes `bytes` bytes, no faster than they are taken. */
function pour(socket: Socket, bytes: number): void {
  let left = bytes;
  const more = () => {
    while (left > 0) {
      const chunk = left >= CHUNK.length ? CHUNK : CHUNK.subarray(0, left);
      left -= chunk.length;
      if (!socket.write(chunk)) return;
    }
  };
  socket.on('drain', more);
  more();
}

export function createTcpUpstream(): Server {
  return createServer({ noDelay: true, highWaterMark: CHUNK.length }, (socket) => {
    let order: Buffer = Buffer.alloc(0);
    let left = -1;
    const taken = (bytes: number) => {
      left -= bytes;
      if (left === 0) socket.write(Uint8Array.of(TAKEN));
    };
    socket.on('data', (chunk: Buffer) => {
      if (left >= 0) return taken(chunk.length);
      order = Buffer.concat([order, chunk]);
      if (order.length < ORDER_BYTES) return;
      left = Number(order.readBigUInt64BE(1));
      if (order[0] === DOWN) pour(socket, left);
      else taken(order.length - ORDER_BYTES);
    });
    socket.on('error', () => socket.destroy());
  });
}

export interface TcpLoad {
  readonly port: number;
  readonly direction: 'down' | 'up';
  readonly connections: number;
  /** Of all connections together. */
  readonly bytes: number;
  readonly pids: readonly number[];
}

export interface Moved {
  readonly bytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

function move(load: TcpLoad, bytes: number, buffer: Buffer): Promise<void> {
  const { port, direction } = load;
  return new Promise((resolve, reject) => {
    let left = direction === 'down' ? bytes : 1;
    const onRead = (count: number): boolean => {
      left -= count;
      if (left > 0) return true;
      if (left < 0 || (direction === 'up' && buffer[0] !== TAKEN))
        reject(new Error('there came more than was asked for'));
      else resolve();
      socket.destroy();
      return false;
    };
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer, callback: onRead } });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`a connection to port ${port} was closed before everything had come`)));
    const order = Buffer.alloc(ORDER_BYTES);
    order[0] = direction === 'down' ? DOWN : UP;
    order.writeBigUInt64BE(BigInt(bytes), 1);
    socket.write(order);
    if (direction === 'up') pour(socket, bytes);
  });
}

/** Moves all bytes one way; rejects where a connection ended before or more came than was asked for. */
export async function runTcpLoad(load: TcpLoad): Promise<Moved> {
  const bytes = Math.floor(load.bytes / load.connections);
  const buffers = Array.from({ length: load.connections }, () => Buffer.allocUnsafe(CHUNK.length));
  const cpuBefore = cpuSeconds(load.pids);
  const startedMs = performance.now();
  await Promise.all(buffers.map((buffer) => move(load, bytes, buffer)));
  return {
    bytes: bytes * load.connections,
    seconds: (performance.now() - startedMs) / 1000,
    cpuSeconds: cpuSeconds(load.pids) - cpuBefore,
  };
}
