import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { WeftError } from '@weft/contracts/error';
import type { Command } from '../command.ts';

export const command: Command = {
  usage: '[<package> …]',
  description:
    'Runs the checks and tests of this checkout that need no container engine; of the packages named, or all.',
  flags: {},
  rawArguments: true,
  async run({ rest }) {
    const script = fileURLToPath(new URL('../../../../scripts/test.ts', import.meta.url));
    if (!existsSync(script)) throw new WeftError('FAILED_PRECONDITION', 'tests are run from a checkout of weft');
    return spawnSync(process.execPath, [script, ...rest], { stdio: 'inherit' }).status ?? 1;
  },
};
