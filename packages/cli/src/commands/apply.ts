import { ADMIN_FLAGS, withAdmin } from '../admin.ts';
import { CHANGE_FLAGS, sendChange } from '../change.ts';
import type { Command } from '../command.ts';
import { loadDocuments } from '../documents.ts';
import { type Flags, usageError } from '../flags.ts';

const FLAGS = {
  file: { type: 'list', short: 'f', value: '<file>', help: 'a YAML or JSON file, a folder of them, or - ; repeatable' },
  ...CHANGE_FLAGS,
  ...ADMIN_FLAGS,
} as const satisfies Flags;

export const command: Command<typeof FLAGS> = {
  usage: '-f <file> [-f <file> …]',
  description:
    'Puts resources as one change-set: all of them, or none. Everything that is wrong is told at once (exit code 2).\n' +
    'Waits until the proxies have acknowledged it.',
  flags: FLAGS,
  async run(context) {
    const { flags, terminal, env } = context;
    if (flags.file.length === 0) throw usageError('name what to apply: weft apply -f <file>');
    const { documents, violations } = loadDocuments(flags.file);
    if (violations.length > 0) {
      for (const { source, message } of violations) terminal.err(`${source}: ${message}`);
      terminal.err(`${violations.length} ${violations.length === 1 ? 'violation' : 'violations'}; nothing was applied`);
      return 2;
    }
    if (documents.length === 0) throw usageError(`${flags.file.join(', ')}: no resource in it`);
    return withAdmin(context, (client) => sendChange(client, { documents, deletions: [] }, flags, terminal, env));
  },
};
