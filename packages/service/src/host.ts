/** A control-plane process: one service or several, on shared ports, over one bus. */
import { randomBytes } from 'node:crypto';
import type { Bus } from '@weft/bus';
import { toWeftError, WeftError } from '@weft/contracts/error';
import { type GrpcServer, listen } from '@weft/rpc';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { type Announced, announce, clearGone } from './announce.ts';
import { serverCertificate } from './certificate.ts';
import { systemClock } from './clock.ts';
import { type HttpServer, serveHttp } from './http.ts';
import { reachableAddress } from './reachable.ts';
import { Switchboard } from './switchboard.ts';
import type { Clock, RunningService, ServiceContext, ServiceName } from './types.ts';

/** A service to run, with its options already given. */
export interface HostedService {
  readonly name: ServiceName;
  readonly start: (context: ServiceContext) => Promise<RunningService>;
}

export interface HostOptions {
  readonly bus: Bus;
  readonly log: Logger;
  /** In the order in which they start. */
  readonly services: readonly HostedService[];
  /** `host:port` for agents, of the services that they call; shared by all of this process. */
  readonly nodeListen: string;
  /** `host:port` of the admin API, where it is one of the services. */
  readonly adminListen: string;
  /** `host:port` of /live, /ready and /metrics. */
  readonly httpListen: string;
  /** What agents and administrators are told to connect to; default: as bound, where that is one address. */
  readonly advertise?: string;
  readonly version: string;
  readonly clock?: Clock;
}

export interface Host {
  /** Resolves when every port is open; rejects with a `WeftError` when one cannot be, or a service cannot start. */
  readonly listening: Promise<void>;
  /** As bound; undefined before `listening` has resolved, and where no service has such a port. */
  nodeAddress(): string | undefined;
  adminAddress(): string | undefined;
  httpAddress(): string;
  /** Why the process is not ready, a line each; empty when it is. */
  notReadyBecause(): readonly string[];
  /** Stops a service and starts it again, as a restart of its process would. Throws `WeftError` NOT_FOUND. */
  restart(name: string): Promise<void>;
  /** Stops all services, then closes the ports. The bus is the caller's to close. */
  stop(): Promise<void>;
}

/** How long calls that run may take to end as a server closes. */
const CLOSE_GRACE_MS = 1000;

class Slot {
  readonly hosted: HostedService;
  readonly node: Switchboard;
  readonly admin: Switchboard;
  running: RunningService | undefined;
  registry = new Registry();
  instanceId = '';
  startedAtMs = 0;
  #over = new AbortController();

  constructor(hosted: HostedService) {
    this.hosted = hosted;
    this.node = new Switchboard(hosted.name);
    this.admin = new Switchboard(hosted.name);
  }

  async start({ bus, log, clock = systemClock }: HostOptions): Promise<void> {
    this.#over = new AbortController();
    this.registry = new Registry();
    this.instanceId = randomBytes(6).toString('hex');
    this.startedAtMs = clock.now();
    const context: ServiceContext = {
      bus,
      log: log.child({ service: this.hosted.name }),
      metrics: this.registry,
      clock,
      instanceId: this.instanceId,
      signal: this.#over.signal,
    };
    const running = await this.hosted.start(context);
    this.node.connect(running.node);
    this.admin.connect(running.admin);
    this.running = running;
  }

  async stop(): Promise<void> {
    const { running } = this;
    this.running = undefined;
    this.#over.abort(new WeftError('CANCELLED', `${this.hosted.name} is stopping`));
    this.node.disconnect();
    this.admin.disconnect();
    await running?.stop();
  }
}

class ServiceHost implements Host {
  readonly listening: Promise<void>;
  readonly #options: HostOptions;
  readonly #slots: readonly Slot[];
  readonly #over = new AbortController();
  readonly #loops: Promise<void>[] = [];
  readonly #processMetrics = new Registry();
  readonly #http: HttpServer;
  readonly #onFault = (err: unknown, path: string): void => {
    this.#options.log.error({ err, path }, 'a call failed by a fault of the program');
  };
  #node: GrpcServer | undefined;
  #admin: GrpcServer | undefined;
  #trouble: string | undefined = 'the services have not started yet';

  static async open(options: HostOptions): Promise<Host> {
    let host: ServiceHost | undefined;
    const http = await serveHttp({
      address: options.httpListen,
      metrics: async () => (host ? host.#metricsPage() : ''),
      notReadyBecause: () => host?.notReadyBecause() ?? ['starting'],
    });
    host = new ServiceHost(options, http);
    return host;
  }

  private constructor(options: HostOptions, http: HttpServer) {
    this.#options = options;
    this.#http = http;
    this.#slots = options.services.map((hosted) => new Slot(hosted));
    collectDefaultMetrics({ register: this.#processMetrics });
    this.listening = this.#start();
    this.listening.catch((thrown: unknown) => {
      this.#trouble = toWeftError(thrown).message;
    });
  }

  async #start(): Promise<void> {
    const { bus, log, clock = systemClock } = this.#options;
    const { signal } = this.#over;
    const [first, ...others] = this.#slots;
    await first?.start(this.#options);
    await Promise.all(others.map((slot) => slot.start(this.#options)));
    this.#trouble = undefined;
    this.#loop(clearGone({ bus, clock, log, signal }));
    await Promise.all([this.#openNode(), this.#openAdmin()]);
    this.#loop(announce({ bus, clock, log, signal, announced: () => this.#announced() }));
  }

  /** Keeps a loop; one that breaks is told, and makes the process not ready. */
  #loop(loop: Promise<void>): void {
    this.#loops.push(
      loop.catch((err: unknown) => {
        if (this.#over.signal.aborted) return;
        this.#trouble = toWeftError(err).message;
        this.#options.log.error({ err }, 'a loop of this process broke');
      }),
    );
  }

  async #openNode(): Promise<void> {
    const { bus, log, clock = systemClock, nodeListen } = this.#options;
    const serving = this.#slots.filter(({ running }) => (running?.node.length ?? 0) > 0);
    const [slot] = serving;
    if (!slot) return;
    const service = slot.hosted.name;
    const certificate = await serverCertificate({ bus, service, log, clock, signal: this.#over.signal });
    this.#loop(certificate.keep());
    this.#node = await listen({
      address: nodeListen,
      services: serving.map(({ node }) => node.mounted()),
      tls: certificate.tls,
      anonymousMethods: serving.flatMap(({ running }) => running?.anonymousMethods ?? []),
      onFault: this.#onFault,
      now: () => clock.now(),
    });
  }

  async #openAdmin(): Promise<void> {
    const serving = this.#slots.filter(({ running }) => (running?.admin.length ?? 0) > 0);
    if (serving.length === 0) return;
    const services = serving.map(({ admin }) => admin.mounted());
    const address = this.#options.adminListen;
    // The service judges its callers itself, and has refused an address that would be open to all.
    this.#admin = await listen({ address, services, authorize: () => undefined, onFault: this.#onFault });
  }

  #announced(): readonly Announced[] {
    const { advertise, version } = this.#options;
    return this.#slots.flatMap(({ hosted, running, instanceId: id, startedAtMs }) => {
      if (!running) return [];
      const bound = running.node.length > 0 ? this.nodeAddress() : this.adminAddress();
      const notReadyBecause = () => running.notReadyBecause();
      const address = advertise ?? (bound === undefined || bound.startsWith('unix:') ? '' : reachableAddress(bound));
      return [{ service: hosted.name, id, address, startedAtMs, version, notReadyBecause }];
    });
  }

  async #metricsPage(): Promise<string> {
    const registries = [this.#processMetrics, ...this.#slots.map(({ registry }) => registry)];
    const pages = await Promise.all(registries.map((registry) => registry.metrics()));
    return pages
      .map((page) => page.trim())
      .filter(Boolean)
      .join('\n')
      .concat('\n');
  }

  nodeAddress(): string | undefined {
    return this.#node?.address;
  }

  adminAddress(): string | undefined {
    return this.#admin?.address;
  }

  httpAddress(): string {
    return this.#http.address;
  }

  notReadyBecause(): readonly string[] {
    const own = this.#trouble ? [this.#trouble] : [];
    const needsNode = this.#slots.some(({ running }) => (running?.node.length ?? 0) > 0);
    if (needsNode && !this.#node) own.push('the node port is not open yet: it waits for a certificate from ca');
    const services = this.#slots.flatMap(({ hosted, running }) => {
      const reason = running ? running.notReadyBecause() : 'it is not running';
      return reason === undefined ? [] : [`${hosted.name}: ${reason}`];
    });
    return [...own, ...services];
  }

  async restart(name: string): Promise<void> {
    const slot = this.#slots.find(({ hosted }) => hosted.name === name);
    if (!slot) throw new WeftError('NOT_FOUND', `this process runs no service ${name}`);
    this.#options.log.info({ restarted: name }, 'a service is restarted');
    await slot.stop();
    await slot.start(this.#options);
  }

  async stop(): Promise<void> {
    // Entries on the bus are taken back first, so that nobody is sent to what is about to close.
    this.#over.abort(new WeftError('CANCELLED', 'the process is stopping'));
    await Promise.all(this.#loops);
    await Promise.all(this.#slots.map((slot) => slot.stop()));
    await Promise.all([this.#node?.close(CLOSE_GRACE_MS), this.#admin?.close(CLOSE_GRACE_MS), this.#http.close()]);
  }
}

/**
 * Starts the services of one process. Resolves once HTTP is served, so that /ready can tell what the rest waits for;
 * `listening` resolves when all is open. Throws `WeftError` when the HTTP address cannot be listened on.
 */
export function openHost(options: HostOptions): Promise<Host> {
  return ServiceHost.open(options);
}
