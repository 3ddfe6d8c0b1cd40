/** Runs control-plane services in this process until it is asked to end; what `weft up` and `weft service` share. */
import { readFileSync } from 'node:fs';
import { checkAdminAddress } from '@weft/api';
import type { Bus } from '@weft/bus';
import { WeftError } from '@weft/contracts/error';
import { createLogger, type Host, type HostedService, LOG_LEVELS, openHost, type ServiceName } from '@weft/service';
import type { Logger } from 'pino';
import { weftVersion } from './commands/version.ts';
import { type Flags, parseAddress, parseDuration, parseLogLevel } from './flags.ts';
import type { StateFolder } from './state-folder.ts';

export const CONTROL_PLANE_FLAGS = {
  state: { type: 'string', value: '<folder>', help: 'where state is kept; else WEFT_STATE', default: '.weft' },
  nats: { type: 'list', value: '<url>', help: 'a NATS server with JetStream; repeatable; else WEFT_NATS' },
  'nats-credentials': { type: 'string', value: '<file>', help: 'a NATS credentials file; else WEFT_NATS_CREDENTIALS' },
  advertise: { type: 'string', value: '<host:port>', help: 'what others are told to connect to; default: as listened' },
  'admin-listen': { type: 'string', value: '<host:port>', default: '127.0.0.1:7445', help: 'the admin API' },
  'trust-domain': { type: 'string', value: '<name>', default: 'weft.local', help: 'the trust domain of a new mesh' },
  'svid-life': { type: 'string', value: '<duration>', default: '24h', help: 'how long certificates of workloads hold' },
  'join-token-file': { type: 'string', value: '<file>', help: 'where ca writes a join token for any workload' },
  'expires-after': { type: 'string', value: '<duration>', default: '15s', help: 'silent workloads are removed after' },
  'log-level': { type: 'string', value: LOG_LEVELS.join('|'), default: 'info', help: 'what is logged' },
} as const satisfies Flags;

type Given = { readonly [K in keyof typeof CONTROL_PLANE_FLAGS]: string | undefined | readonly string[] };

export interface ControlPlaneSettings {
  readonly services: readonly ServiceName[];
  readonly folder: StateFolder;
  readonly natsServers: readonly string[];
  readonly natsCredentials: string | undefined;
  readonly nodeListen: string;
  readonly adminListen: string;
  readonly httpListen: string;
  readonly advertise: string | undefined;
  readonly trustDomain: string;
  readonly svidLifeMs: number;
  readonly joinTokenFile: string | undefined;
  readonly expiresAfterMs: number;
  readonly adminToken: string | undefined;
  readonly passphrase: string | undefined;
  readonly log: Logger;
}

function text(value: string | undefined | readonly string[]): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** The settings that flags and environment give; the addresses of the ports are each command's own. */
export function controlPlaneSettings(
  flags: Given,
  env: NodeJS.ProcessEnv,
  own: Pick<ControlPlaneSettings, 'services' | 'folder' | 'nodeListen' | 'httpListen'>,
): ControlPlaneSettings {
  const list = flags.nats as readonly string[];
  const natsServers = list.length > 0 ? list : (env.WEFT_NATS?.split(',').filter(Boolean) ?? []);
  const adminListen = parseAddress('admin-listen', text(flags['admin-listen']) ?? '127.0.0.1:7445');
  const advertise = text(flags.advertise);
  const adminToken = env.WEFT_ADMIN_TOKEN || undefined;
  if (own.services.includes('api')) checkAdminAddress(adminListen, adminToken);
  return {
    ...own,
    natsServers,
    natsCredentials: text(flags['nats-credentials']) ?? env.WEFT_NATS_CREDENTIALS,
    adminListen,
    advertise: advertise === undefined ? undefined : parseAddress('advertise', advertise),
    trustDomain: text(flags['trust-domain']) ?? 'weft.local',
    svidLifeMs: parseDuration('svid-life', text(flags['svid-life']) ?? '24h'),
    joinTokenFile: text(flags['join-token-file']),
    expiresAfterMs: parseDuration('expires-after', text(flags['expires-after']) ?? '15s'),
    adminToken,
    passphrase: env.WEFT_CA_PASSPHRASE || undefined,
    log: createLogger({ name: 'weft', level: parseLogLevel(text(flags['log-level'])) }),
  };
}

function readCredentials(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new WeftError('INVALID_ARGUMENT', `--nats-credentials ${path}: the file cannot be read`, { cause });
  }
}

async function openBus({ natsServers, natsCredentials, folder, log }: ControlPlaneSettings): Promise<Bus> {
  if (natsServers.length === 0) {
    const { openEmbeddedBus } = await import('@weft/bus/embedded');
    return openEmbeddedBus({ path: folder.busFile });
  }
  const { openNatsBus } = await import('@weft/bus/nats');
  return openNatsBus({
    servers: natsServers,
    name: 'weft',
    log,
    ...(natsCredentials ? { credentials: { type: 'creds', text: readCredentials(natsCredentials) } } : {}),
  });
}

/** Each service with its options; a service that is not run here is not loaded. */
function hosted(settings: ControlPlaneSettings): readonly HostedService[] {
  const { folder, trustDomain, svidLifeMs, joinTokenFile, passphrase, expiresAfterMs, adminToken } = settings;
  const start: { readonly [K in ServiceName]: HostedService['start'] } = {
    ca: async (context) => {
      const { startCa } = await import('@weft/ca');
      return startCa(context, {
        dir: folder.caFolder,
        trustDomain,
        svidLifeMs,
        ...(joinTokenFile ? { bootstrapTokenFile: joinTokenFile } : {}),
        ...(passphrase ? { passphrase } : {}),
      });
    },
    discovery: async (context) => {
      const { startDiscovery } = await import('@weft/discovery');
      return startDiscovery(context, {
        expiresAfterMs,
        heartbeatEveryMs: Math.max(50, Math.floor(expiresAfterMs / 3)),
      });
    },
    'xds-server': async (context) => (await import('@weft/xds-server')).startXdsServer(context, {}),
    telemetry: async (context) => (await import('@weft/telemetry')).startTelemetry(context, {}),
    api: async (context) => (await import('@weft/api')).startApi(context, adminToken ? { adminToken } : {}),
  };
  return settings.services.map((name) => ({ name, start: start[name] }));
}

/** Lets the process that started this one restart single services: it sends `restart <service>`. */
function serveParent(host: Host, log: Logger): void {
  process.on('message', (message) => {
    const name = /^restart (\S+)$/.exec(String(message))?.[1];
    if (!name) return;
    host.restart(name).then(
      () => process.send?.(`done ${message}`),
      (err: unknown) => log.error({ err }, `${name} could not be restarted`),
    );
  });
}

function interrupted(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
  });
}

/** Runs the services; calls `onListening` once all is open; resolves when a signal has ended them. */
export async function runControlPlane(
  settings: ControlPlaneSettings,
  onListening: (host: Host) => void,
): Promise<void> {
  const signalled = interrupted();
  const bus = await openBus(settings);
  try {
    const { nodeListen, adminListen, httpListen, advertise, log } = settings;
    const host = await openHost({
      bus,
      log,
      services: hosted(settings),
      nodeListen,
      adminListen,
      httpListen,
      version: weftVersion(),
      ...(advertise ? { advertise } : {}),
    });
    if (process.send) serveParent(host, log);
    try {
      const early = await Promise.race([host.listening, signalled]);
      if (early === undefined) {
        onListening(host);
        await signalled;
      }
    } finally {
      await host.stop();
    }
  } finally {
    await bus.close();
    if (process.connected) process.disconnect?.();
  }
}

/** Refuses what only a control plane of several processes can be asked of one that has no bus between them. */
export function requireNats(settings: ControlPlaneSettings): void {
  if (settings.natsServers.length > 0) return;
  throw new WeftError(
    'INVALID_ARGUMENT',
    'a service alone meets the others on NATS: name a server with --nats nats://<host>:4222 or WEFT_NATS',
  );
}
