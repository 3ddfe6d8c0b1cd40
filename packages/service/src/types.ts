/** The seams of this package: what a control-plane service takes and gives. */
import type { Bus } from '@weft/bus';
import type { MountedService } from '@weft/rpc';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';

export const SERVICE_NAMES = ['ca', 'discovery', 'xds-server', 'telemetry', 'api'] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

/** Time, as a service sees it; tests give their own. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
}

/** What every service is given. Nothing else comes from outside: no environment, no module state. */
export interface ServiceContext {
  readonly bus: Bus;
  readonly log: Logger;
  /** Where the service registers its own metrics; they are named `weft_<service>_…`. */
  readonly metrics: Registry;
  readonly clock: Clock;
  /** Unique to this process and start. */
  readonly instanceId: string;
  /** Aborts when the service is to stop; every wait and loop takes it. */
  readonly signal: AbortSignal;
}

/** A service that runs. */
export interface RunningService {
  readonly name: ServiceName;
  /** What agents and proxies call, on the node port, with mutual TLS. */
  readonly node: readonly MountedService[];
  /** Paths of methods in `node` that need no certificate. */
  readonly anonymousMethods: readonly string[];
  /** What administrators call, on the admin port; of api alone. */
  readonly admin: readonly MountedService[];
  /** Undefined when the service is ready, else why it is not, in one sentence. */
  notReadyBecause(): string | undefined;
  /** Ends loops and lets go of what is held; called after `context.signal` has aborted. */
  stop(): Promise<void>;
}

/** How each service package starts: `export const startDiscovery: StartService<DiscoveryOptions>`. */
export type StartService<Options> = (context: ServiceContext, options: Options) => Promise<RunningService>;
