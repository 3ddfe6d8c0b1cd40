/** `weft proxy`: the flags are Envoy's, and read by the proxy itself. */
import { runProxyCommand } from '@weft/proxy/command';
import type { Command } from '../command.ts';
import { weftVersion } from './version.ts';

export const command: Command = {
  usage: '-c <bootstrap>',
  description: "Runs Weft's proxy on an Envoy bootstrap; weft proxy --help lists the flags, which are Envoy's.",
  flags: {},
  rawArguments: true,
  run: ({ rest, terminal }) => runProxyCommand(rest, terminal, weftVersion()),
};
