/** What a subcommand is. */
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
  /** What the first argument can be; others are refused. Absent: it takes none. */
  readonly positionals?: readonly string[] | 'any';
  /** Hands all arguments to `run` as `rest`, unparsed. */
  readonly rawArguments?: boolean;
  /** Gives the exit code. Throws `WeftError` for what goes wrong. */
  run(context: CommandContext<F>): Promise<number>;
}
