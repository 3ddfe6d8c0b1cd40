import type { AgentUpstream } from '@weft/proxy/agent';
import type { Command } from '../command.ts';
import { type Flags, type FlagValues, parseDuration, parseLogLevel, parsePort, usageError } from '../flags.ts';
import { programTrouble } from '../program.ts';
import { findStateFolder, readControlPlaneFile, type StateFolder } from '../state-folder.ts';

const FLAGS = {
  service: {
    type: 'string',
    value: '<name>',
    help: 'the service that the program is an instance of; else WEFT_SERVICE',
  },
  port: { type: 'string', value: '<port>', help: 'the port of 127.0.0.1 at which the program takes requests' },
  protocol: { type: 'string', value: 'http|tcp', default: 'http', help: 'what is spoken at that port' },
  upstream: { type: 'list', value: '<service>:<port>', help: 'a local port that leads to a service; repeatable' },
  version: { type: 'string', value: '<version>', help: 'the label `version`' },
  label: { type: 'list', value: '<name>=<value>', help: 'a label; repeatable' },
  namespace: { type: 'string', short: 'n', value: '<name>', default: 'default', help: 'else WEFT_NAMESPACE' },
  'service-account': { type: 'string', value: '<name>', help: 'the identity to ask for; default: the service' },
  id: { type: 'string', value: '<id>', help: 'the name of the workload; default: <service>-<host>-<port>' },
  address: { type: 'string', value: '<ip>', help: 'where other proxies reach this one; default: found out' },
  'data-plane': { type: 'string', value: 'weft|envoy', default: 'weft', help: 'the proxy; else WEFT_DATA_PLANE' },
  health: { type: 'string', value: '<path>', help: 'an HTTP path that answers 2xx while the program is well' },
  join: {
    type: 'string',
    value: '<host:port>',
    help: 'the control plane; else WEFT_JOIN, else that of the nearest .weft',
  },
  token: {
    type: 'string',
    value: '<token>',
    help: 'the join token; else WEFT_JOIN_TOKEN (flags are seen by others: prefer a file)',
  },
  'token-file': { type: 'string', value: '<file>', help: 'the file that holds it; else WEFT_JOIN_TOKEN_FILE' },
  'join-timeout': { type: 'string', value: '<duration>', default: '15s', help: 'how long to wait for a control plane' },
  'drain-timeout': {
    type: 'string',
    value: '<duration>',
    default: '30s',
    help: 'how long requests may go on at the end',
  },
  state: { type: 'string', value: '<folder>', help: 'the state folder; else WEFT_STATE, else the nearest .weft' },
  'log-level': { type: 'string', value: '<level>', default: 'info', help: 'what the sidecar logs' },
} as const satisfies Flags;

type Values = FlagValues<typeof FLAGS>;

const DEFAULT_JOIN = '127.0.0.1:7440';

function oneOf<T extends string>(name: string, given: string | undefined, allowed: readonly [T, ...T[]]): T {
  const found = allowed.find((candidate) => candidate === (given ?? allowed[0]));
  if (!found) throw usageError(`--${name} ${given}: expected ${allowed.join(' or ')}`);
  return found;
}

/** `stock:9001`, or `stock.shop:9001` for a service of another namespace. */
function upstream(text: string): AgentUpstream {
  const [service, namespace, ...more] = text.slice(0, text.lastIndexOf(':')).split('.');
  if (!service || more.length > 0 || !text.includes(':')) {
    throw usageError(
      `--upstream ${text}: expected <service>:<port> or <service>.<namespace>:<port>, such as stock:9001`,
    );
  }
  const localPort = parsePort('upstream', text.slice(text.lastIndexOf(':') + 1));
  return { service, localPort, ...(namespace ? { namespace } : {}) };
}

function labels(flags: Values): Readonly<Record<string, string>> {
  const entries = flags.label.map((text) => {
    const split = text.indexOf('=');
    if (split < 1) throw usageError(`--label ${text}: expected <name>=<value>`);
    return [text.slice(0, split), text.slice(split + 1)] as const;
  });
  return Object.fromEntries([...(flags.version ? [['version', flags.version] as const] : []), ...entries]);
}

/** The token itself, or where it is read from when it is needed: an agent that has its certificate needs none. */
function tokenOf(
  flags: Values,
  env: NodeJS.ProcessEnv,
  folder: StateFolder,
): { token: string } | { tokenFile: string } {
  if (flags.token) return { token: flags.token };
  const file = flags['token-file'] ?? env.WEFT_JOIN_TOKEN_FILE;
  if (file) return { tokenFile: file };
  return env.WEFT_JOIN_TOKEN ? { token: env.WEFT_JOIN_TOKEN } : { tokenFile: folder.joinTokenFile };
}

async function envoyPath(dataPlane: 'weft' | 'envoy'): Promise<{ envoyPath?: string }> {
  if (dataPlane === 'weft') return {};
  const { resolveBinary } = await import('@weft/binaries');
  return { envoyPath: (await resolveBinary('envoy')).path };
}

export const command: Command<typeof FLAGS> = {
  usage: '--service <name> [--port <port>] -- <program> [<arguments>]',
  description:
    'Runs a program with its sidecar. The program starts once the sidecar is ready, reaches other services as\n' +
    'http://<service>.mesh through HTTP_PROXY (set for it) or by --upstream, and is drained before it is stopped.\n' +
    "The exit code is the program's. Without a program the sidecar runs alone.",
  flags: FLAGS,
  positionals: 'any',
  async run({ flags, positionals, rest, env, cwd, terminal }) {
    if (positionals.length > 0) throw usageError(`unexpected ${positionals[0]}; the program stands after --`);
    const service = flags.service ?? env.WEFT_SERVICE;
    if (!service) throw usageError('name the service with --service');
    const trouble = programTrouble(rest[0], env, cwd);
    if (trouble) {
      terminal.err(`weft run: ${trouble.message}`);
      return trouble.exitCode;
    }
    const folder = findStateFolder(flags.state ?? env.WEFT_STATE, cwd);
    const dataPlane = oneOf('data-plane', flags['data-plane'] ?? env.WEFT_DATA_PLANE, ['weft', 'envoy']);
    const [{ runAgent }, { createLogger }] = await Promise.all([
      import('@weft/proxy/agent'),
      import('@weft/service/log'),
    ]);
    return runAgent({
      join: flags.join ?? env.WEFT_JOIN ?? readControlPlaneFile(folder)?.node ?? DEFAULT_JOIN,
      ...tokenOf(flags, env, folder),
      namespace: flags.namespace ?? env.WEFT_NAMESPACE ?? 'default',
      service,
      ...(flags['service-account'] ? { serviceAccount: flags['service-account'] } : {}),
      ...(flags.id ? { id: flags.id } : {}),
      ...(flags.port ? { port: parsePort('port', flags.port) } : {}),
      protocol: oneOf('protocol', flags.protocol, ['http', 'tcp']),
      labels: labels(flags),
      upstreams: flags.upstream.map(upstream),
      ...(flags.address ? { address: flags.address } : {}),
      dataPlane,
      ...(await envoyPath(dataPlane)),
      stateDir: folder.agentsFolder,
      ...(rest.length > 0 ? { command: rest } : {}),
      joinTimeoutMs: parseDuration('join-timeout', flags['join-timeout'] ?? env.WEFT_JOIN_TIMEOUT ?? '15s'),
      drainTimeoutMs: parseDuration('drain-timeout', flags['drain-timeout'] ?? '30s'),
      ...(flags.health ? { health: flags.health } : {}),
      log: createLogger({
        name: `weft run ${service}`,
        level: parseLogLevel(flags['log-level'] ?? env.WEFT_LOG_LEVEL),
      }),
    });
  },
};
