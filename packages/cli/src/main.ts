/** The command `weft`: finds the subcommand, runs it, turns errors into one sentence and an exit code. */
import { toWeftError } from '@weft/contracts/error';
import type { Command } from './command.ts';
import { COMMANDS, loadCommand, warm } from './commands.ts';
import { type Flags, helpOf, parseFlags } from './flags.ts';
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
  return `${OVERVIEW}\nall commands (weft <command> --help):\n${lines.join('\n')}`;
}

function commandHelp(name: string, command: Command): string {
  return [`weft ${name} ${command.usage}`.trim(), '', command.description, '', helpOf(command.flags)].join('\n');
}

async function run(name: string, argv: readonly string[], terminal: Terminal): Promise<number> {
  const command = await loadCommand(name);
  if (!command) {
    terminal.err(`weft: there is no command ${JSON.stringify(name)}; weft --help lists what there is`);
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
  return command.run({ ...parsed, terminal, env: process.env, cwd: process.cwd() });
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
    return error.code === 'INVALID_ARGUMENT' ? 2 : 1;
  }
}
