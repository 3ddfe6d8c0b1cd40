/** The subcommands as one list; each is loaded when it is run, so that none pays for another. */
import { flushCompileCache } from 'node:module';
import type { Command } from './command.ts';

interface Listed {
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: Command }>;
}

export const COMMANDS: Readonly<Record<string, Listed>> = {
  demo: { summary: 'start everything, send traffic, tell what happened', load: () => import('./commands/demo.ts') },
  up: { summary: 'start the control plane in one process', load: () => import('./commands/up.ts') },
  run: { summary: 'run a program with its sidecar', load: () => import('./commands/run.ts') },
  apply: { summary: 'put resources: one change-set, or nothing', load: () => import('./commands/apply.ts') },
  delete: { summary: 'delete resources: one change-set, or nothing', load: () => import('./commands/delete.ts') },
  get: { summary: 'list what is in the mesh', load: () => import('./commands/get.ts') },
  status: { summary: 'health, and how far the proxies are', load: () => import('./commands/status.ts') },
  token: { summary: 'make a join token', load: () => import('./commands/token.ts') },
  service: { summary: 'run one control-plane service alone', load: () => import('./commands/service.ts') },
  proxy: { summary: "run Weft's proxy on an Envoy bootstrap", load: () => import('./commands/proxy.ts') },
  binaries: { summary: 'find or fetch Envoy and nats-server', load: () => import('./commands/binaries.ts') },
  test: { summary: 'run the tests of this checkout', load: () => import('./commands/test.ts') },
  version: { summary: 'print the version', load: () => import('./commands/version.ts') },
};

/** What commands load when they need it. */
const LATER: readonly (() => Promise<unknown>)[] = [
  () => import('@weft/api'),
  () => import('@weft/binaries'),
  () => import('@weft/bus/embedded'),
  () => import('@weft/bus/nats'),
  () => import('@weft/ca'),
  () => import('@weft/discovery'),
  () => import('@weft/proxy'),
  () => import('@weft/proxy/admin'),
  () => import('@weft/proxy/agent'),
  () => import('@weft/service/log'),
  () => import('@weft/telemetry'),
  () => import('@weft/xds-server'),
];

export async function loadCommand(name: string): Promise<Command | undefined> {
  if (!Object.hasOwn(COMMANDS, name)) return undefined;
  return (await COMMANDS[name]?.load())?.command;
}

/** Loads all that commands use once, and writes the compile cache, so that no later start has to strip types. */
export async function warm(): Promise<void> {
  for (const { load } of Object.values(COMMANDS)) await load();
  for (const load of LATER) await load();
  flushCompileCache();
}
