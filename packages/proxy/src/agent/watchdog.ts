/**
 * Ends the agent's children when the agent itself is killed without a chance to do so. A small shell waits for the end of a
 * pipe that only the agent holds; what is written to it before is the list of process groups to end then.
 */
import { type ChildProcess, spawn } from 'node:child_process';

const SCRIPT = `
groups=
while read -r line; do groups=$line; done
[ -z "$groups" ] && exit 0
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; done
sleep 1
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
exit 0
`;

export class Watchdog {
  readonly #shell: ChildProcess;
  readonly #groups = new Set<number>();

  constructor() {
    this.#shell = spawn('/bin/sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    // Without a shell there is no watchdog, and nothing else changes.
    this.#shell.on('error', () => undefined);
    this.#shell.stdin?.on('error', () => undefined);
    this.#shell.unref();
  }

  /** Ends this process group with the agent. */
  guard(group: number): void {
    this.#groups.add(group);
    this.#tell();
  }

  /** The process group has ended by itself. */
  forget(group: number): void {
    this.#groups.delete(group);
    this.#tell();
  }

  /** Ends the watchdog, and nothing else. */
  close(): void {
    this.#groups.clear();
    this.#tell();
    this.#shell.stdin?.end();
  }

  #tell(): void {
    this.#shell.stdin?.write(`${[...this.#groups].join(' ')}\n`);
  }
}
