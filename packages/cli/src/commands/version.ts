import { createRequire } from 'node:module';
import type { Command } from '../command.ts';

/** The version in the package's manifest. */
export function weftVersion(): string {
  const manifest: unknown = createRequire(import.meta.url)('../../package.json');
  return String((manifest as { readonly version: string }).version);
}

export const command: Command = {
  usage: '',
  description: 'Prints the version of weft and of the Node that runs it.',
  flags: {},
  async run({ terminal }) {
    terminal.out(`weft ${weftVersion()} (node ${process.versions.node})`);
    return 0;
  },
};
