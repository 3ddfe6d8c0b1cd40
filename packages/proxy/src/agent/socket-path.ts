/** Where the agent's unix socket lies: in the workload's folder or, where that name is too long for a socket, elsewhere. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** sockaddr_un holds 108 bytes on Linux and 104 on macOS, with a NUL at the end. */
const MAX_BYTES = 100;

export interface SocketPath {
  readonly path: string;
  remove(): void;
}

export function makeSocketPath(folder: string): SocketPath {
  const path = join(folder, 'agent.sock');
  if (Buffer.byteLength(path) <= MAX_BYTES) {
    rmSync(path, { force: true });
    return { path, remove: () => rmSync(path, { force: true }) };
  }
  // Made with mode 0700.
  const shorter = mkdtempSync(join(tmpdir(), 'weft-'));
  return { path: join(shorter, 'agent.sock'), remove: () => rmSync(shorter, { recursive: true, force: true }) };
}
