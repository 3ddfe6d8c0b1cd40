export { systemClock } from './clock.ts';
export { type Host, type HostedService, type HostOptions, openHost } from './host.ts';
export { INSTANCE_GONE_MS, type InstanceDirectory, instanceDirectory } from './instances.ts';
export { createLogger, LOG_LEVELS, type LogLevel, type LogOptions } from './log.ts';
export { pause, type RetryOptions, retryForever } from './retry.ts';
export {
  type Clock,
  type RunningService,
  SERVICE_NAMES,
  type ServiceContext,
  type ServiceName,
  type StartService,
} from './types.ts';
