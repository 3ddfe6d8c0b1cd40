import { ADMIN_FLAGS, withAdmin } from '../admin.ts';
import { CHANGE_FLAGS, sendChange } from '../change.ts';
import type { Command } from '../command.ts';
import { loadDocuments } from '../documents.ts';
import { type Flags, isJson, usageError } from '../flags.ts';

const FLAGS = {
  file: { type: 'list', short: 'f', value: '<file>', help: 'a YAML or JSON file, a folder of them, or - ; repeatable' },
  ...CHANGE_FLAGS,
  ...ADMIN_FLAGS,
} as const satisfies Flags;

export const command: Command<typeof FLAGS> = {
  usage: '-f <file> [-f <file> …]',
  description:
    'Puts resources as one change-set: all of them, or none. Everything that is wrong is told at once (exit code 2).\n' +
    'Waits until the proxies have acknowledged it; exit code 1 when not all do. Exit code 3 when --expect-revision is not\n' +
    'the newest: somebody else has changed the mesh.',
  flags: FLAGS,
  positionals: 'any',
  async run(context) {
    const { flags, positionals, terminal, env } = context;
    const [stray] = positionals;
    if (stray !== undefined) throw usageError(`${stray} stands alone: expected weft apply -f ${stray}`);
    if (flags.file.length === 0) throw usageError('name what to apply: weft apply -f <file>');
    const { documents, violations } = loadDocuments(flags.file);
    if (violations.length > 0) {
      if (isJson(flags.output)) {
        terminal.out(JSON.stringify({ violations: violations.map((one) => ({ path: '', ...one })), changes: [] }));
        return 2;
      }
      for (const { source, message } of violations) terminal.err(`${source}: ${message}`);
      terminal.err(`${violations.length} ${violations.length === 1 ? 'violation' : 'violations'}; nothing was applied`);
      return 2;
    }
    if (documents.length === 0) throw usageError(`${flags.file.join(', ')}: no resource in it`);
    return withAdmin(context, (client) => sendChange(client, { documents, deletions: [] }, flags, terminal, env));
  },
};
