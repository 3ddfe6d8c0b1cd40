/** What an agent is told, and what is wrong with it. */
import { hostname } from 'node:os';
import { WeftError } from '@weft/contracts/error';
import { isLabel } from '@weft/identity';
import type { Log } from './log.ts';

export interface AgentUpstream {
  readonly service: string;
  /** Default: the workload's own. */
  readonly namespace?: string;
  /** The port of 127.0.0.1 at which the application calls it. */
  readonly localPort: number;
}

export interface AgentOptions {
  /** `host:port` of the control plane: the one address that is needed to join. */
  readonly join: string;
  /** The join token, or the file that holds it, read again each time that it is needed. */
  readonly token?: string;
  readonly tokenFile?: string;
  readonly namespace: string;
  readonly service: string;
  /** Default: `service`. */
  readonly serviceAccount?: string;
  /** Default: `<service>-<host>-<port>`. */
  readonly id?: string;
  /** The port of 127.0.0.1 at which the application takes requests; absent of one that only calls. */
  readonly port?: number;
  readonly protocol: 'http' | 'tcp';
  readonly labels?: Readonly<Record<string, string>>;
  readonly upstreams?: readonly AgentUpstream[];
  /** Where other proxies reach this one; default: the address of this machine that reaches the control plane. */
  readonly address?: string;
  readonly dataPlane: 'weft' | 'envoy';
  /** The Envoy binary, of `dataPlane: 'envoy'`. */
  readonly envoyPath?: string;
  /** Where agents keep what outlives them; each workload has a folder of its own in it. */
  readonly stateDir: string;
  /** The application and its arguments; absent: the sidecar alone, until a signal. */
  readonly command?: readonly string[];
  /** How long requests may go on after the workload was taken out of the mesh; default 30,000. */
  readonly drainTimeoutMs?: number;
  /** An HTTP path of the application that answers 2xx or 3xx while it can take requests; default: its port accepts. */
  readonly health?: string;
  readonly log: Log;
  /** The environment of the application; default: that of this process. */
  readonly env?: NodeJS.ProcessEnv;
  /** Where signals come from; default: this process. */
  readonly signals?: SignalSource;
  /** How long a control plane that cannot be reached is waited for when there is nothing to start from; default 15,000. */
  readonly joinTimeoutMs?: number;
  /** How long the data plane may take until it is ready; default 30,000. */
  readonly readyTimeoutMs?: number;
  /** Called once the workload is ready: the data plane is, and the application takes requests. */
  readonly onReady?: (ready: AgentReady) => void;
}

export interface AgentReady {
  readonly workloadId: string;
  readonly inboundPort: number | undefined;
  readonly outboundPort: number;
  readonly adminPort: number;
}

/** The part of `process` that an agent listens to. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

/** The options with every default filled in and every value checked. */
export interface AgentSettings extends AgentOptions {
  readonly id: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly upstreams: readonly Required<AgentUpstream>[];
  readonly drainTimeoutMs: number;
  readonly joinTimeoutMs: number;
  readonly readyTimeoutMs: number;
  readonly env: NodeJS.ProcessEnv;
  readonly signals: SignalSource;
}

const WORKLOAD_ID = /^[a-z0-9](?:[a-z0-9-]{0,126}[a-z0-9])?$/;

/** `<service>-<host>-<port>`, of what an id may hold. */
export function defaultWorkloadId(service: string, host: string, port: number | undefined): string {
  const shortHost = host.split('.')[0] ?? host;
  const words = [service, shortHost, ...(port === undefined ? [] : [String(port)])];
  const text = words
    .join('-')
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-');
  return text.slice(0, 128).replace(/^-+|-+$/g, '');
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

function checkName(what: string, name: string): string[] {
  if (isLabel(name)) return [];
  return [`${what} ${JSON.stringify(name)}: expected at most 63 lower-case letters, digits and "-"`];
}

function checkAddress(join: string): string[] {
  const port = Number(/:(\d{1,5})$/.exec(join)?.[1] ?? 0);
  if (isPort(port) && !join.includes('://')) return [];
  return [`the address to join ${JSON.stringify(join)}: expected host:port, such as 127.0.0.1:7440`];
}

function checkPorts(options: AgentOptions): string[] {
  const wrong: string[] = [];
  const taken = new Map<number, string>();
  const take = (what: string, port: number): void => {
    if (!isPort(port)) wrong.push(`${what} ${port}: expected a port from 1 to 65535`);
    else if (taken.has(port)) wrong.push(`${what} ${port}: is ${taken.get(port)} too`);
    else taken.set(port, what);
  };
  if (options.port !== undefined) take("the application's port", options.port);
  for (const { service, localPort } of options.upstreams ?? [])
    take(`the local port of upstream ${service}`, localPort);
  return wrong;
}

function violationsOf(options: AgentOptions): string[] {
  const wrong = [
    ...checkAddress(options.join),
    ...checkName('namespace', options.namespace),
    ...checkName('service', options.service),
    ...(options.serviceAccount === undefined ? [] : checkName('service account', options.serviceAccount)),
    ...(options.upstreams ?? []).flatMap(({ service, namespace }) => [
      ...checkName('upstream', service),
      ...(namespace === undefined ? [] : checkName('namespace of an upstream', namespace)),
    ]),
    ...checkPorts(options),
  ];
  if (options.id !== undefined && !WORKLOAD_ID.test(options.id)) {
    wrong.push(`workload id ${JSON.stringify(options.id)}: expected at most 128 lower-case letters, digits and "-"`);
  }
  if (options.health !== undefined && options.port === undefined)
    wrong.push("a health path needs the application's port");
  if (options.health !== undefined && !options.health.startsWith('/')) {
    wrong.push(`health path ${JSON.stringify(options.health)}: expected a path that begins with /`);
  }
  if (options.command?.length === 0) wrong.push('the command is empty');
  return wrong;
}

/** Throws `WeftError` INVALID_ARGUMENT with all that is wrong. */
export function settingsOf(options: AgentOptions): AgentSettings {
  const wrong = violationsOf(options);
  if (wrong.length > 0) throw new WeftError('INVALID_ARGUMENT', wrong.join('; '));
  return {
    ...options,
    id: options.id ?? defaultWorkloadId(options.service, hostname(), options.port),
    serviceAccount: options.serviceAccount ?? options.service,
    labels: options.labels ?? {},
    upstreams: (options.upstreams ?? []).map((upstream) => ({ namespace: options.namespace, ...upstream })),
    drainTimeoutMs: options.drainTimeoutMs ?? 30_000,
    joinTimeoutMs: options.joinTimeoutMs ?? 15_000,
    readyTimeoutMs: options.readyTimeoutMs ?? 30_000,
    env: options.env ?? process.env,
    signals: options.signals ?? process,
  };
}
