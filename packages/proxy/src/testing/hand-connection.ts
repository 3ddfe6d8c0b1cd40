/** One end of a connection, by hand; for tests. */
import { connect, type Socket } from 'node:net';

/** How long what is waited for may take. */
const PATIENCE_MS = 20_000;

/** A connection on which a test sends bytes as they are; what comes back is for those that extend it to keep. */
export abstract class HandConnection implements Disposable {
  readonly socket: Socket;
  /** The far side sends no more. */
  isClosed = false;
  #wake: () => void = () => undefined;

  /** `target`: a port of this machine, or a connection that is there already. */
  constructor(target: number | Socket, allowHalfOpen = false) {
    const options = { host: '127.0.0.1', noDelay: true, allowHalfOpen };
    this.socket = typeof target === 'number' ? connect({ ...options, port: target }) : target;
    this.socket.on('data', (chunk: Buffer) => {
      this.keep(chunk);
      this.#wake();
    });
    const over = (): void => {
      this.isClosed = true;
      this.#wake();
    };
    this.socket.on('end', over).on('close', over).on('error', over);
  }

  protected abstract keep(chunk: Buffer): void;
  /** What came so far, in words for whoever waited for something else. */
  protected abstract told(): string;

  /** Sends bytes, those of text as latin1. */
  send(...parts: readonly (Uint8Array | string)[]): this {
    const bytes = parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part));
    if (this.socket.writable) this.socket.write(Buffer.concat(bytes));
    return this;
  }

  /** Waits until that holds; false where it does not within the time. */
  async comesTo(holds: (connection: this) => unknown, timeoutMs = PATIENCE_MS): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!holds(this)) {
      if (performance.now() > deadline) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 10);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }

  /** Waits until that holds; rejects after 20 s, telling what came. */
  protected async hold(holds: (connection: this) => unknown): Promise<void> {
    if (await this.comesTo(holds)) return;
    throw new Error(`${PATIENCE_MS / 1000} s passed, and only this came: ${this.told()}`);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
