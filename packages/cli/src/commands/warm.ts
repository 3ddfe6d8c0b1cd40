import { flushCompileCache } from 'node:module';
import { type Command, COMMANDS } from '../commands.ts';

export const command: Command = {
  usage: '',
  description: 'Loads every command once, so that the compile cache holds all modules.',
  flags: {},
  async run() {
    for (const [name, { load }] of Object.entries(COMMANDS)) if (name !== 'warm') await load();
    flushCompileCache();
    return 0;
  },
};
