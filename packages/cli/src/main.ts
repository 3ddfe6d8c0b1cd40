/** The command `weft`: finds the subcommand, runs it, turns errors into one sentence and an exit code. */
import { toWeftError, type WeftError } from '@weft/contracts/error';
import type { Command } from './command.ts';
import { COMMANDS, loadCommand, warm } from './commands.ts';
import { type Flags, helpOf, hint, parseFlags, usageError } from './flags.ts';
import { processTerminal, type Terminal } from './terminal.ts';

const OVERVIEW = `weft: a service mesh

  weft demo                        start a mesh and a sample shop, send traffic, tell what happened
  weft up                          start the control plane in this process
  weft run --service <name> -- …   run a program with its sidecar
  weft apply -f <file>             change the mesh
  weft get <what>                  services, workloads, routes, proxies, edges, changes
  weft status                      are all services up, what do the proxies run
`;

function overview(): string {
  const rest = Object.entries(COMMANDS);
  const width = Math.max(...rest.map(([name]) => name.length));
  const lines = rest.map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  const codes = 'exit codes: 0 done, 1 failed, 2 wrong input (nothing was changed), 3 lost a race with another change';
  return `${OVERVIEW}\nall commands (weft <command> --help):\n${lines.join('\n')}\n\n${codes}`;
}

function commandHelp(name: string, command: Command): string {
  return [`weft ${name} ${command.usage}`.trim(), '', command.description, '', helpOf(command.flags)].join('\n');
}

async function run(name: string, argv: readonly string[], terminal: Terminal): Promise<number> {
  const command = await loadCommand(name);
  if (!command) {
    const meant = hint(name, Object.keys(COMMANDS), ';');
    terminal.err(`weft: there is no command ${JSON.stringify(name)}${meant} weft --help lists what there is`);
    return 2;
  }
  const own = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  if (!command.rawArguments && (own.includes('--help') || own.includes('-h'))) {
    terminal.out(commandHelp(name, command));
    return 0;
  }
  const parsed = command.rawArguments
    ? { flags: {}, positionals: [], rest: argv }
    : parseFlags<Flags>(name, command.flags, argv);
  checkPositionals(command, parsed.positionals);
  return command.run({ ...parsed, terminal, env: process.env, cwd: process.cwd() });
}

function checkPositionals({ positionals: allowed }: Command, [first, ...more]: readonly string[]): void {
  if (allowed === 'any') return;
  if (allowed === undefined) {
    if (first !== undefined) throw usageError(`${JSON.stringify(first)} is not expected here: it takes flags alone`);
    return;
  }
  const list = `expected one of ${allowed.join(', ')}`;
  if (first === undefined) throw usageError(list);
  if (!allowed.includes(first)) throw usageError(`${JSON.stringify(first)}: ${list}${hint(first, allowed, '')}`);
  if (more.length > 0) throw usageError(`unexpected ${more.join(' ')} after ${first}`);
}

/** As the overview tells. */
async function exitCodeOf({ code, metadata }: WeftError): Promise<number> {
  if (code === 'FAILED_PRECONDITION') {
    // Loaded here, so that commands which do not fail so do without it.
    const { CONFLICT_METADATA } = await import('@weft/contracts/admin');
    if (Object.hasOwn(metadata, CONFLICT_METADATA)) return 3;
  }
  return code === 'INVALID_ARGUMENT' ? 2 : 1;
}

/** Runs the command line `argv` (without node and script) and gives the exit code: 2 for bad input, 1 for failure. */
export async function main(argv: readonly string[], terminal: Terminal = processTerminal()): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    terminal.out(overview());
    return name === undefined ? 2 : 0;
  }
  try {
    if (name === 'warm') {
      await warm();
      return 0;
    }
    return await run(name === '--version' ? 'version' : name, rest, terminal);
  } catch (thrown) {
    const error = toWeftError(thrown);
    terminal.err(`weft ${name}: ${error.message}`);
    if (error.code === 'INTERNAL' && process.env.WEFT_DEBUG) terminal.err(String((thrown as Error).stack));
    return await exitCodeOf(error);
  }
}
