import { ADMIN_FLAGS, withAdmin } from '../admin.ts';
import type { Command } from '../command.ts';
import { type Flags, parseDuration, usageError } from '../flags.ts';

const FLAGS = {
  service: {
    type: 'list',
    value: '<name>',
    help: 'the service (its service account) that the token allows; repeatable; * for any',
  },
  namespace: { type: 'string', short: 'n', value: '<namespace>', default: 'default', help: 'the namespace; * for any' },
  life: { type: 'string', value: '<duration>', default: '24h', help: 'how long it can be used; 0s: for ever' },
  ...ADMIN_FLAGS,
} as const satisfies Flags;

export const command: Command<typeof FLAGS> = {
  usage: 'create --service <name>',
  description: 'Makes a join token: what an agent proves itself with when it asks for its first certificate.',
  flags: FLAGS,
  positionals: ['create'],
  async run(context) {
    const { flags, terminal } = context;
    if (flags.service.length === 0) throw usageError('name the service that the token allows with --service');
    const lifeMs = parseDuration('life', flags.life ?? '24h');
    const request = { namespace: flags.namespace ?? 'default', serviceAccounts: flags.service, lifeMs };
    const { token } = await withAdmin(context, (client) => client.createToken(request));
    terminal.out(token);
    return 0;
  },
};
