/**
 * Reads of all sockets of a thread into one buffer. Node otherwise makes a buffer of 64 KiB for each read, cuts it to what
 * came, and leaves it to the garbage collector, which costs more than to look at what is in it. Node offers this as the
 * option `onread` of sockets that it connects; a socket that was accepted is given the same.
 */
import { Socket } from 'node:net';
import { handleOf } from './handles.ts';

const LENT_BYTES = 65_536;
/** The most that a record of TLS holds (RFC 8446, 5.1), which is as much as comes at once. */
const RECORD_BYTES = 16_384;
/** While bytes are there, the event loop reads up to 32 times of a socket before it looks at another one. */
const TURN_MS = 4;

/** Told of bytes that came; they are there only until it returns, and are copied by whoever keeps any. */
export type TakeLent = (chunk: Buffer) => void;

/** Told of bytes that came, the first of the buffer; gives the buffer to read into next. */
export type TakeInto = (bytes: Buffer, length: number) => Buffer;

/** Told of a record that came, or a part of one: the first bytes of the buffer. It copies them before all else. */
export type TakeRecord = (bytes: Buffer, length: number) => void;

interface ReadSymbols {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly next: symbol;
}

/** The names under which sockets keep the option; undefined where this version of Node has others. */
function findSymbols(): ReadSymbols | undefined {
  const sample = new Socket({ onread: { buffer: new Uint8Array(1), callback: () => true } });
  const symbols = Object.getOwnPropertySymbols(sample);
  sample.destroy();
  const buffer = symbols.find(({ description }) => description === 'kBuffer');
  const callback = symbols.find(({ description }) => description === 'kBufferCb');
  const next = symbols.find(({ description }) => description === 'kBufferGen');
  return buffer && callback && next && { buffer, callback, next };
}

function readOn(socket: Socket): void {
  if (!socket.destroyed && !socket.isPaused()) socket.resume();
}

export class LentReads {
  readonly #symbols = findSymbols();
  readonly #bytes = Buffer.allocUnsafeSlow(LENT_BYTES);
  /** Which socket was read last, and since when no other one was. */
  #reader: Socket | undefined;
  #readSinceMs = 0;
  readonly #record = Buffer.allocUnsafeSlow(RECORD_BYTES);

  /**
   * Has `take` told of what is read from the socket from now on. False: this socket cannot be read so, and tells by its
   * `data` events, as it tells of what it held before.
   */
  attach(socket: Socket, take: TakeLent): boolean {
    // Decrypted bytes can come while others are looked at, from within a write; those of TCP come one read at a time.
    if ('encrypted' in socket) return false;
    const bytes = this.#bytes;
    return this.#attach(socket, bytes, (length) => take(bytes.subarray(0, length)), undefined);
  }

  /** Has bytes read into buffers that `take` chooses; the first read goes into one that all sockets share. */
  attachInto(socket: Socket, take: TakeInto): boolean {
    if ('encrypted' in socket) return false;
    let bytes: Buffer = this.#bytes;
    const onRead = (length: number): void => {
      bytes = take(bytes, length);
    };
    return this.#attach(socket, this.#bytes, onRead, () => bytes);
  }

  /**
   * Has records of TLS read into one buffer. They can come from within a write of another connection, so they have to be
   * copied before anything else is done.
   */
  attachRecords(socket: Socket, take: TakeRecord): boolean {
    const bytes = this.#record;
    return this.#attach(socket, bytes, (length) => take(bytes, length), undefined);
  }

  /** Whether a socket has been read for so long that others come first; then it is read on after them. */
  #isTurnOver(socket: Socket): boolean {
    const nowMs = performance.now();
    if (this.#reader !== socket) {
      this.#reader = socket;
      this.#readSinceMs = nowMs;
    }
    if (nowMs - this.#readSinceMs < TURN_MS) return false;
    this.#reader = undefined;
    setImmediate(readOn, socket);
    return true;
  }

  /** What all sockets read into that have no buffer of their own. */
  get shared(): Buffer {
    return this.#bytes;
  }

  #attach(socket: Socket, bytes: Buffer, onRead: (length: number) => void, next: (() => Buffer) | undefined): boolean {
    const handle = handleOf(socket);
    const use: unknown = handle && Reflect.get(handle, 'useUserBuffer');
    if (!this.#symbols || typeof use !== 'function') return false;
    Reflect.set(socket, this.#symbols.buffer, bytes);
    Reflect.set(socket, this.#symbols.callback, (length: number) => {
      onRead(length);
      // A pause in the turn of a resume does not last: Node reads on once the turn is over. Here nothing bounds what comes.
      return !socket.isPaused() && !this.#isTurnOver(socket);
    });
    if (next) Reflect.set(socket, this.#symbols.next, next);
    Reflect.apply(use, handle, [bytes]);
    return true;
  }
}
