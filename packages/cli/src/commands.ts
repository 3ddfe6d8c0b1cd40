/** The subcommands as one list; each is loaded when it is run, so that none pays for another. */
import type { Flags, Parsed } from './flags.ts';
import type { Terminal } from './terminal.ts';

export interface CommandContext<F extends Flags> extends Parsed<F> {
  readonly terminal: Terminal;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

export interface Command<F extends Flags = Flags> {
  /** What follows the name in the first line of the help. */
  readonly usage: string;
  readonly description: string;
  readonly flags: F;
  /** Hands all arguments to `run` as `rest`, unparsed. */
  readonly rawArguments?: boolean;
  /** Gives the exit code. Throws `WeftError` for what goes wrong. */
  run(context: CommandContext<F>): Promise<number>;
}

interface Listed {
  readonly summary: string;
  readonly hidden?: boolean;
  readonly load: () => Promise<{ readonly command: Command }>;
}

export const COMMANDS: Readonly<Record<string, Listed>> = {
  demo: { summary: 'start everything, send traffic, tell what happened', load: () => import('./commands/demo.ts') },
  up: { summary: 'start the control plane in one process', load: () => import('./commands/up.ts') },
  run: { summary: 'run a program with its sidecar', load: () => import('./commands/run.ts') },
  apply: { summary: 'put resources: one change-set, or nothing', load: () => import('./commands/apply.ts') },
  delete: { summary: 'delete resources: one change-set, or nothing', load: () => import('./commands/delete.ts') },
  get: { summary: 'list what is in the mesh', load: () => import('./commands/get.ts') },
  status: { summary: 'health, and how far the proxies are', load: () => import('./commands/status.ts') },
  token: { summary: 'make a join token', load: () => import('./commands/token.ts') },
  service: { summary: 'run one control-plane service alone', load: () => import('./commands/service.ts') },
  proxy: { summary: "run Weft's proxy on an Envoy bootstrap", load: () => import('./commands/proxy.ts') },
  binaries: { summary: 'find or fetch Envoy and nats-server', load: () => import('./commands/binaries.ts') },
  test: { summary: 'run the tests of this checkout', load: () => import('./commands/test.ts') },
  version: { summary: 'print the version', load: () => import('./commands/version.ts') },
  warm: { summary: 'load every module once', hidden: true, load: () => import('./commands/warm.ts') },
};

export async function loadCommand(name: string): Promise<Command | undefined> {
  if (!Object.hasOwn(COMMANDS, name)) return undefined;
  return (await COMMANDS[name]?.load())?.command;
}
