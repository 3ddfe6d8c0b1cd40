export {
  type Clock,
  type RunningService,
  SERVICE_NAMES,
  type ServiceContext,
  type ServiceName,
  type StartService,
} from './types.ts';
