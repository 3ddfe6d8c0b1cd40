// Generated from weft/node/v1/node.proto by scripts/generate.ts; do not edit.
import { createNativeCodec, type MessageType, messageType } from '@weft/protobuf';
import type { Health, Workload } from './bus.ts';

const codec = createNativeCodec({
  messages: {
    'weft.bus.v1.Upstream':
      '1 namespace =s;2 service =s;3 local_port =u',
    'weft.bus.v1.Workload':
      '1 id =s;2 namespace =s;3 service =s;4 spiffe_id =s;5 labels %ss;6 address =s;7 ports *m weft.bus.v1.WorkloadPort;8 outbound_port =u;9 upstreams *m weft.bus.v1.Upstream;10 data_plane =e weft.bus.v1.DataPlane;11 health =e weft.bus.v1.Health;12 registered_at_ms =I;13 incarnation =s;14 host =s',
    'weft.bus.v1.WorkloadPort':
      '1 application_port =u;2 protocol =e weft.bus.v1.Protocol;3 inbound_port =u',
    'weft.node.v1.DeregisterRequest':
      '1 workload_id =s;2 incarnation =s',
    'weft.node.v1.DeregisterResponse':
      '1 registry_revision =I',
    'weft.node.v1.HeartbeatRequest':
      '1 workload_id =s;2 incarnation =s;3 health =e weft.bus.v1.Health',
    'weft.node.v1.HeartbeatResponse':
      '1 registry_revision =I',
    'weft.node.v1.JoinRequest':
      '1 token =s;2 namespace =s;3 service_account =s;4 csr =B;5 now_ms =I',
    'weft.node.v1.JoinResponse':
      '1 chain *B;2 not_before_ms =I;3 not_after_ms =I;4 mesh ?m weft.node.v1.MeshInfo;5 now_ms =I',
    'weft.node.v1.MeshInfo':
      '1 trust_domain =s;2 roots *s;3 ca_addresses *s;4 discovery_addresses *s;5 xds_addresses *s;6 telemetry_addresses *s',
    'weft.node.v1.RegisterRequest':
      '1 workload ?m weft.bus.v1.Workload',
    'weft.node.v1.RegisterResponse':
      '1 heartbeat_every_ms =I;2 expires_after_ms =I;3 registry_revision =I',
    'weft.node.v1.RenewRequest':
      '1 csr =B;2 now_ms =I',
    'weft.node.v1.WaitPropagatedRequest':
      '1 registry_revision =I;2 timeout_ms =I',
    'weft.node.v1.WaitPropagatedResponse':
      '1 propagated =b;2 proxies =I',
    'weft.node.v1.WatchMeshRequest':
      '',
  },
  enums: {
    'weft.bus.v1.DataPlane': 'WEFT=0;ENVOY=1',
    'weft.bus.v1.Health': 'STARTING=0;READY=1;UNREADY=2;DRAINING=3',
    'weft.bus.v1.Protocol': 'HTTP=0;TCP=1',
  },
});

export interface JoinRequest {
  readonly token: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** PKCS #10, DER, signed by the key that it asks for. */
  readonly csr: Uint8Array;
  /** The caller's clock, milliseconds since 1970. */
  readonly nowMs: number;
}
export const JoinRequest: MessageType<JoinRequest> = messageType(codec, 'weft.node.v1.JoinRequest');

export interface RenewRequest {
  readonly csr: Uint8Array;
  readonly nowMs: number;
}
export const RenewRequest: MessageType<RenewRequest> = messageType(codec, 'weft.node.v1.RenewRequest');

export interface JoinResponse {
  /** DER, the leaf first, without the root. */
  readonly chain: readonly Uint8Array[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly mesh?: MeshInfo;
  /** The CA's clock. */
  readonly nowMs: number;
}
export const JoinResponse: MessageType<JoinResponse> = messageType(codec, 'weft.node.v1.JoinResponse');

export interface WatchMeshRequest {
}
export const WatchMeshRequest: MessageType<WatchMeshRequest> = messageType(codec, 'weft.node.v1.WatchMeshRequest');

export interface MeshInfo {
  readonly trustDomain: string;
  /** PEM. */
  readonly roots: readonly string[];
  /** `host:port` of each ready instance. */
  readonly caAddresses: readonly string[];
  readonly discoveryAddresses: readonly string[];
  readonly xdsAddresses: readonly string[];
  readonly telemetryAddresses: readonly string[];
}
export const MeshInfo: MessageType<MeshInfo> = messageType(codec, 'weft.node.v1.MeshInfo');

export interface RegisterRequest {
  /** `spiffe_id` and `registered_at_ms` are set by discovery, from the caller's certificate and clock. */
  readonly workload?: Workload;
}
export const RegisterRequest: MessageType<RegisterRequest> = messageType(codec, 'weft.node.v1.RegisterRequest');

export interface RegisterResponse {
  /** How often to send heartbeats, and after how long a silence the workload is removed. */
  readonly heartbeatEveryMs: number;
  readonly expiresAfterMs: number;
  readonly registryRevision: number;
}
export const RegisterResponse: MessageType<RegisterResponse> = messageType(codec, 'weft.node.v1.RegisterResponse');

export interface HeartbeatRequest {
  readonly workloadId: string;
  readonly incarnation: string;
  readonly health: Health;
}
export const HeartbeatRequest: MessageType<HeartbeatRequest> = messageType(codec, 'weft.node.v1.HeartbeatRequest');

export interface HeartbeatResponse {
  readonly registryRevision: number;
}
export const HeartbeatResponse: MessageType<HeartbeatResponse> = messageType(codec, 'weft.node.v1.HeartbeatResponse');

export interface DeregisterRequest {
  readonly workloadId: string;
  readonly incarnation: string;
}
export const DeregisterRequest: MessageType<DeregisterRequest> = messageType(codec, 'weft.node.v1.DeregisterRequest');

export interface DeregisterResponse {
  /** Wait for this revision to be propagated before going away. */
  readonly registryRevision: number;
}
export const DeregisterResponse: MessageType<DeregisterResponse> = messageType(codec, 'weft.node.v1.DeregisterResponse');

export interface WaitPropagatedRequest {
  readonly registryRevision: number;
  readonly timeoutMs: number;
}
export const WaitPropagatedRequest: MessageType<WaitPropagatedRequest> = messageType(codec, 'weft.node.v1.WaitPropagatedRequest');

export interface WaitPropagatedResponse {
  /** False after the timeout. */
  readonly propagated: boolean;
  /** Of how many proxies. */
  readonly proxies: number;
}
export const WaitPropagatedResponse: MessageType<WaitPropagatedResponse> = messageType(codec, 'weft.node.v1.WaitPropagatedResponse');

/** Served by ca. */
export const Identity = {
  /** Exchanges a join token and a certificate signing request for a certificate. The one call without a certificate. */
  join: {
    path: '/weft.node.v1.Identity/Join',
    kind: 'unary',
    request: JoinRequest,
    response: JoinResponse,
  },
  /** Exchanges the caller's certificate and a certificate signing request for a newer certificate of the same identity. */
  renew: {
    path: '/weft.node.v1.Identity/Renew',
    kind: 'unary',
    request: RenewRequest,
    response: JoinResponse,
  },
  /** Sends the trust bundle and the addresses of the control plane now and on each change. */
  watchMesh: {
    path: '/weft.node.v1.Identity/WatchMesh',
    kind: 'server-stream',
    request: WatchMeshRequest,
    response: MeshInfo,
  },
} as const;

/** Served by discovery. */
export const Registry = {
  /** Registers the caller's workload, in place of an earlier one of the same id. */
  register: {
    path: '/weft.node.v1.Registry/Register',
    kind: 'unary',
    request: RegisterRequest,
    response: RegisterResponse,
  },
  /** Tells that the workload lives, and its health. NOT_FOUND: register again. */
  heartbeat: {
    path: '/weft.node.v1.Registry/Heartbeat',
    kind: 'unary',
    request: HeartbeatRequest,
    response: HeartbeatResponse,
  },
  /** Takes the workload out of the registry; it gets no new requests once this is propagated. */
  deregister: {
    path: '/weft.node.v1.Registry/Deregister',
    kind: 'unary',
    request: DeregisterRequest,
    response: DeregisterResponse,
  },
} as const;

/** Served by xds-server. */
export const Rollout = {
  /** Returns when every connected proxy has acknowledged that revision of the registry, or after the timeout. */
  waitPropagated: {
    path: '/weft.node.v1.Rollout/WaitPropagated',
    kind: 'unary',
    request: WaitPropagatedRequest,
    response: WaitPropagatedResponse,
  },
} as const;
