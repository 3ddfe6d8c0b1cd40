/**
 * The path of a Unix socket that listens. Node removes the path that it has bound as it closes, even where another
 * process has taken the socket over and still listens: so the socket is bound at a path of its own beside it, which is
 * then renamed. Thereby the path also never is without a socket while one process follows another.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, renameSync, rmSync, type Stats } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import type { NetworkAddress } from '../config/core.ts';

type UnixAddress = Extract<NetworkAddress, { type: 'unix' }>;

/** What `sun_path` holds, without the 0 at its end. */
const MAX_PATH_BYTES = 107;

function found(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function fault(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

export class SocketPath {
  readonly path: string;
  /** Where it is bound first. */
  readonly boundAs: string;
  readonly #mode: number;
  /** What tells this socket from another one at the same path. */
  #inode: number | undefined;

  private constructor({ path, mode = 0 }: UnixAddress, boundAs: string, inode?: number) {
    this.path = path;
    this.boundAs = boundAs;
    this.#mode = mode;
    this.#inode = inode;
  }

  /** Of a socket that was taken over, and listens there already. */
  static inherited(address: UnixAddress): SocketPath {
    return new SocketPath(address, '', found(address.path)?.ino);
  }

  /**
   * Looks whether the path may be taken: a socket that nobody listens at any more is left by a process that was killed.
   * Throws EADDRINUSE where somebody listens, EEXIST where there is a file of another kind.
   */
  static async prepare(address: UnixAddress): Promise<SocketPath> {
    const { path } = address;
    const before = found(path);
    if (before && !before.isSocket()) throw fault('EEXIST', path);
    if (before && !(await isDead(path))) throw fault('EADDRINUSE', path);
    const beside = join(dirname(path), `.${randomBytes(4).toString('hex')}`);
    if (Buffer.byteLength(beside) <= MAX_PATH_BYTES) return new SocketPath(address, beside);
    if (before) rmSync(path, { force: true });
    return new SocketPath(address, path);
  }

  /** The socket listens: from now on it is at its path. */
  publish(): void {
    if (this.#mode !== 0) chmodSync(this.boundAs, this.#mode);
    if (this.boundAs !== this.path) renameSync(this.boundAs, this.path);
    this.#inode = found(this.path)?.ino;
  }

  /** Whether the path stays when the server closes that has bound it. */
  get outlivesServer(): boolean {
    return this.boundAs !== this.path;
  }

  /** Removes the path, unless another socket is there by now. */
  remove(): void {
    if (this.#inode !== undefined && found(this.path)?.ino === this.#inode) rmSync(this.path, { force: true });
  }
}

function isDead(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}
