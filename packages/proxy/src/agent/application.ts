/** The application: a child process in a process group of its own, which the agent starts, signals and outlives. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { WeftError } from '@weft/contracts/error';
import type { Watchdog } from './watchdog.ts';

export interface ApplicationOptions {
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly watchdog: Watchdog;
}

export interface ApplicationEnvironment {
  readonly outboundPort: number;
  readonly workloadId: string;
  readonly service: string;
  readonly namespace: string;
}

/** The environment that lets the application call the mesh without knowing of it. */
export function applicationEnvironment(base: NodeJS.ProcessEnv, told: ApplicationEnvironment): NodeJS.ProcessEnv {
  const proxy = `http://127.0.0.1:${told.outboundPort}`;
  const direct = 'localhost,127.0.0.1,::1';
  return {
    ...base,
    HTTP_PROXY: proxy,
    http_proxy: proxy,
    NO_PROXY: direct,
    no_proxy: direct,
    NODE_USE_ENV_PROXY: '1',
    WEFT_WORKLOAD: told.workloadId,
    WEFT_SERVICE: told.service,
    WEFT_NAMESPACE: told.namespace,
  };
}

/** The exit code of shells: the program's own, or 128 and the number of the signal that ended it. */
export function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  if (code !== null) return code;
  return 128 + (signal === null ? 0 : constants.signals[signal]);
}

export class Application {
  /** Resolves with the exit code once the process and its group are gone. */
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, watchdog: Watchdog) {
    this.#child = child;
    const group = child.pid;
    if (group !== undefined) watchdog.guard(group);
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        // What the application started and left behind.
        this.kill('SIGKILL');
        if (group !== undefined) watchdog.forget(group);
        resolve(exitCodeOf(code, signal));
      });
    });
  }

  /** Throws `WeftError` NOT_FOUND or PERMISSION_DENIED when there is no such program, or it cannot be run. */
  static async start({ command, env, watchdog }: ApplicationOptions): Promise<Application> {
    const [program = '', ...args] = command;
    const child = spawn(program, args, { stdio: 'inherit', detached: true, env });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (cause) => reject(startError(program, cause)));
    });
    return new Application(child, watchdog);
  }

  /** Signals the whole group; nothing happens when it is gone. */
  kill(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch {
      // ESRCH: it has ended by itself.
    }
  }
}

function startError(program: string, cause: Error): WeftError {
  const code = 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') {
    return new WeftError('NOT_FOUND', `there is no program ${program}: check the command after --`, { cause });
  }
  if (code === 'EACCES') {
    return new WeftError('PERMISSION_DENIED', `${program} cannot be run: is it executable?`, { cause });
  }
  return new WeftError('INTERNAL', `${program} cannot be started: ${cause.message}`, { cause });
}
