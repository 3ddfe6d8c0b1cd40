/** `grpc.health.v1`: https://github.com/grpc/grpc/blob/master/doc/health-checking.md. */
import { setTimeout as delay } from 'node:timers/promises';
import { WeftError } from '@weft/contracts/error';
import { createNativeCodec, type MessageType, messageType } from '@weft/protobuf';
import { type MountedService, typedService } from '@weft/rpc';

export type ServingStatus = 'UNKNOWN' | 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';

export interface HealthCheckRequest {
  readonly service: string;
}

export interface HealthCheckResponse {
  readonly status: ServingStatus;
}

const codec = createNativeCodec({
  messages: {
    'grpc.health.v1.HealthCheckRequest': '1 service =s',
    'grpc.health.v1.HealthCheckResponse': '1 status =e grpc.health.v1.HealthCheckResponse.ServingStatus',
  },
  enums: {
    'grpc.health.v1.HealthCheckResponse.ServingStatus': 'UNKNOWN=0;SERVING=1;NOT_SERVING=2;SERVICE_UNKNOWN=3',
  },
});
const request: MessageType<HealthCheckRequest> = messageType(codec, 'grpc.health.v1.HealthCheckRequest');
const response: MessageType<HealthCheckResponse> = messageType(codec, 'grpc.health.v1.HealthCheckResponse');

export const Health = {
  check: { path: '/grpc.health.v1.Health/Check', kind: 'unary', request, response },
  watch: { path: '/grpc.health.v1.Health/Watch', kind: 'server-stream', request, response },
} as const;

/** How often a watch looks whether the status has changed. */
const WATCH_EVERY_MS = 250;

/** Tells whether the services of the admin port can serve now; the empty name is the server. */
export function healthService(known: readonly string[], isReady: () => boolean): MountedService {
  const statusOf = (service: string): ServingStatus => {
    if (service !== '' && !known.includes(service)) return 'SERVICE_UNKNOWN';
    return isReady() ? 'SERVING' : 'NOT_SERVING';
  };
  return typedService(Health, {
    check: async ({ service }) => {
      const status = statusOf(service);
      if (status === 'SERVICE_UNKNOWN') {
        throw new WeftError('NOT_FOUND', `there is no service ${service} here; there is ${known.join(' and ')}`);
      }
      return { status };
    },
    async *watch({ service }, call) {
      let told: ServingStatus | undefined;
      while (!call.signal.aborted) {
        const status = statusOf(service);
        if (status !== told) yield { status };
        told = status;
        await delay(WATCH_EVERY_MS, undefined, { signal: call.signal }).catch(() => undefined);
      }
    },
  });
}
