/** Which process listens on a TCP port of this machine, as far as Linux lets this one see. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const LISTENING = '0A';

function readLines(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    // Not Linux, or no IPv6.
    return [];
  }
}

/** Inodes of the sockets that listen on the port, from /proc/net/tcp: https://man7.org/linux/man-pages/man5/proc_pid_net.5.html. */
function listeningInodes(port: number): ReadonlySet<string> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes = new Set<string>();
  for (const line of [...readLines('/proc/net/tcp'), ...readLines('/proc/net/tcp6')]) {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state === LISTENING && local.endsWith(suffix) && inode) inodes.add(inode);
  }
  return inodes;
}

function holds(pid: string, inodes: ReadonlySet<string>): boolean {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).some((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${fd}`))?.[1];
      return inode !== undefined && inodes.has(inode);
    });
  } catch {
    // Another user's process, or one that has just ended.
    return false;
  }
}

/** `node (process 4711)`; undefined when it cannot be seen. */
export function portOwner(port: number): string | undefined {
  const inodes = listeningInodes(port);
  if (inodes.size === 0) return undefined;
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const pid = pids.find((candidate) => holds(candidate, inodes));
  return pid && `${readLines(`/proc/${pid}/comm`)[0] ?? 'a program'} (process ${pid})`;
}

/** ` by node (process 4711)`, or nothing. */
export function byOwner(port: number): string {
  const owner = portOwner(port);
  return owner ? ` by ${owner}` : '';
}
