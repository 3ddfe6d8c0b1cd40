import type { ResourceKey } from '@weft/contracts/bus';
import { ADMIN_FLAGS, withAdmin } from '../admin.ts';
import { CHANGE_FLAGS, sendChange } from '../change.ts';
import type { Command } from '../command.ts';
import { type Flags, usageError } from '../flags.ts';

const FLAGS = {
  namespace: { type: 'string', short: 'n', value: '<namespace>', default: 'default', help: 'where the resources are' },
  ...CHANGE_FLAGS,
  ...ADMIN_FLAGS,
} as const satisfies Flags;

function keyOf(text: string, namespace: string): ResourceKey {
  const [kind, name, ...more] = text.split('/');
  if (!kind || !name || more.length > 0) throw usageError(`${text}: expected <kind>/<name>, such as HTTPRoute/canary`);
  return { kind, name, namespace };
}

export const command: Command<typeof FLAGS> = {
  usage: '<kind>/<name> [<kind>/<name> …]',
  description: 'Deletes resources as one change-set: all of them, or none.',
  flags: FLAGS,
  positionals: 'any',
  async run(context) {
    const { flags, positionals, terminal, env } = context;
    if (positionals.length === 0) throw usageError('name what to delete: weft delete HTTPRoute/canary');
    const deletions = positionals.map((text) => keyOf(text, flags.namespace ?? 'default'));
    return withAdmin(context, (client) => sendChange(client, { documents: [], deletions }, flags, terminal, env));
  },
};
