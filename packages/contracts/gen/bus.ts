// Generated from weft/bus/v1/bus.proto by scripts/generate.ts; do not edit.
import { createNativeCodec, type MessageType, messageType } from '@weft/protobuf';

const codec = createNativeCodec({
  messages: {
    'weft.bus.v1.ChangeSet':
      '1 author =s;2 at_ms =I;3 reason =s;4 operations *m weft.bus.v1.Operation',
    'weft.bus.v1.CreateTokenRequest':
      '1 namespace =s;2 service_accounts *s;3 life_ms =I;4 created_by =s',
    'weft.bus.v1.CreateTokenResponse':
      '1 token =s;2 kept ?m weft.bus.v1.JoinToken',
    'weft.bus.v1.Edge':
      '1 source =s;2 destination =s;3 protocol =s;4 reporter =e weft.bus.v1.Reporter;5 requests =I;6 errors =I;7 by_status %sI;8 duration_ms_sum =d;9 duration_buckets +I;10 source_identities *s;11 destination_identities *s;12 last_seen_ms =I;13 sent_bytes =I;14 received_bytes =I',
    'weft.bus.v1.EdgesRequest':
      '1 source =s;2 destination =s',
    'weft.bus.v1.EdgesResponse':
      '1 edges *m weft.bus.v1.Edge',
    'weft.bus.v1.Heartbeats':
      '1 instance =s;2 workload_ids *s',
    'weft.bus.v1.Instance':
      '1 id =s;2 service =s;3 address =s;4 started_at_ms =I;5 seen_at_ms =I;6 not_ready_because =s;7 version =s',
    'weft.bus.v1.IssueServiceCertificateRequest':
      '1 service =s;2 csr =B',
    'weft.bus.v1.IssueServiceCertificateResponse':
      '1 chain *B;2 not_after_ms =I',
    'weft.bus.v1.JoinToken':
      '1 id =s;2 secret_sha256 =B;3 namespace =s;4 service_accounts *s;5 created_at_ms =I;6 expires_at_ms =I;7 created_by =s',
    'weft.bus.v1.Nack':
      '1 type_url =s;2 version =s;3 message =s;4 at_ms =I',
    'weft.bus.v1.Operation':
      '1 action =e weft.bus.v1.Action;2 key ?m weft.bus.v1.ResourceKey;3 json =s',
    'weft.bus.v1.Problem':
      '1 key ?m weft.bus.v1.ResourceKey;2 message =s;3 revision =I',
    'weft.bus.v1.Problems':
      '1 xds_instance =s;2 problems *m weft.bus.v1.Problem',
    'weft.bus.v1.Propagation':
      '1 xds_instance =s;2 registry_revision =I;3 revision =I;4 proxies =I',
    'weft.bus.v1.PropagationRequest':
      '',
    'weft.bus.v1.ProxyStatus':
      '1 id =s;2 xds_instance =s;3 connected_at_ms =I;4 changed_at_ms =I;5 user_agent =s;6 acknowledged_revision =I;7 acknowledged_registry_revision =I;8 sent_revision =I;9 snapshot =s;10 nacks *m weft.bus.v1.Nack',
    'weft.bus.v1.ResourceKey':
      '1 kind =s;2 namespace =s;3 name =s',
    'weft.bus.v1.TrustBundle':
      '1 trust_domain =s;2 roots *s',
    'weft.bus.v1.Upstream':
      '1 namespace =s;2 service =s;3 local_port =u',
    'weft.bus.v1.Workload':
      '1 id =s;2 namespace =s;3 service =s;4 spiffe_id =s;5 labels %ss;6 address =s;7 ports *m weft.bus.v1.WorkloadPort;8 outbound_port =u;9 upstreams *m weft.bus.v1.Upstream;10 data_plane =e weft.bus.v1.DataPlane;11 health =e weft.bus.v1.Health;12 registered_at_ms =I;13 incarnation =s;14 host =s',
    'weft.bus.v1.WorkloadPort':
      '1 application_port =u;2 protocol =e weft.bus.v1.Protocol;3 inbound_port =u',
  },
  enums: {
    'weft.bus.v1.Action': 'PUT=0;DELETE=1',
    'weft.bus.v1.DataPlane': 'WEFT=0;ENVOY=1',
    'weft.bus.v1.Health': 'STARTING=0;READY=1;UNREADY=2;DRAINING=3',
    'weft.bus.v1.Protocol': 'HTTP=0;TCP=1',
    'weft.bus.v1.Reporter': 'SOURCE=0;DESTINATION=1',
  },
});

export type Action = 'PUT' | 'DELETE';

export type Protocol = 'HTTP' | 'TCP';

export type DataPlane = 'WEFT' | 'ENVOY';

export type Health = 'STARTING' | 'READY' | 'UNREADY' | 'DRAINING';

export type Reporter = 'SOURCE' | 'DESTINATION';

/** One entry of the configuration log. Its sequence in the log is the revision of the mesh after it. */
export interface ChangeSet {
  /** Who made the change: a user or program, as the admin API was told. */
  readonly author: string;
  /** When, in milliseconds since 1970. */
  readonly atMs: number;
  /** Why, in the author's words; may be empty. */
  readonly reason: string;
  /** In the order given; each key at most once. */
  readonly operations: readonly Operation[];
}
export const ChangeSet: MessageType<ChangeSet> = messageType(codec, 'weft.bus.v1.ChangeSet');

/** One resource put or deleted. */
export interface Operation {
  readonly action: Action;
  readonly key?: ResourceKey;
  /** The resource as JSON, as its author wrote it. Empty when deleted. */
  readonly json: string;
}
export const Operation: MessageType<Operation> = messageType(codec, 'weft.bus.v1.Operation');

export interface ResourceKey {
  /** `HTTPRoute`. */
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}
export const ResourceKey: MessageType<ResourceKey> = messageType(codec, 'weft.bus.v1.ResourceKey');

/** One running instance of a service, as its agent registered it. */
export interface Workload {
  /** Unique in the mesh and stable over restarts: `<service>-<host>-<port>`, unless the user named it. */
  readonly id: string;
  readonly namespace: string;
  readonly service: string;
  /** The identity that its certificate carries: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`. */
  readonly spiffeId: string;
  /** Free labels; `version` is one. */
  readonly labels: Readonly<Record<string, string>>;
  /** Where other proxies reach it: an IP address. */
  readonly address: string;
  /** Empty of a workload that only calls. */
  readonly ports: readonly WorkloadPort[];
  /** The local port of its proxy for HTTP_PROXY; 0 when there is none. */
  readonly outboundPort: number;
  readonly upstreams: readonly Upstream[];
  readonly dataPlane: DataPlane;
  readonly health: Health;
  readonly registeredAtMs: number;
  /** Changes with each start of the agent, so that an old process cannot speak for a new one. */
  readonly incarnation: string;
  /** The machine's host name, for people. */
  readonly host: string;
}
export const Workload: MessageType<Workload> = messageType(codec, 'weft.bus.v1.Workload');

export interface WorkloadPort {
  /** The port that the application listens on, at 127.0.0.1. */
  readonly applicationPort: number;
  readonly protocol: Protocol;
  /** The port at the workload's address that its proxy listens on for the mesh. */
  readonly inboundPort: number;
}
export const WorkloadPort: MessageType<WorkloadPort> = messageType(codec, 'weft.bus.v1.WorkloadPort');

/** A service that the workload calls by a local port of its own. */
export interface Upstream {
  readonly namespace: string;
  readonly service: string;
  readonly localPort: number;
}
export const Upstream: MessageType<Upstream> = messageType(codec, 'weft.bus.v1.Upstream');

/** Workloads that were heard of, gathered by the discovery instance that heard them, so that every instance knows. */
export interface Heartbeats {
  /** The discovery instance that sends. */
  readonly instance: string;
  readonly workloadIds: readonly string[];
}
export const Heartbeats: MessageType<Heartbeats> = messageType(codec, 'weft.bus.v1.Heartbeats');

/** One running process of one control-plane service. */
export interface Instance {
  readonly id: string;
  /** `ca`, `discovery`, `xds-server`, `telemetry` or `api`. */
  readonly service: string;
  /** Where agents or, of api, administrators reach it: `host:port`. */
  readonly address: string;
  readonly startedAtMs: number;
  /** Written anew every few seconds; an instance that is not heard of for 15 s is gone. */
  readonly seenAtMs: number;
  /** Why it is not ready; empty when it is. */
  readonly notReadyBecause: string;
  readonly version: string;
}
export const Instance: MessageType<Instance> = messageType(codec, 'weft.bus.v1.Instance');

/** What everyone in the mesh trusts. */
export interface TrustBundle {
  readonly trustDomain: string;
  /** Root certificates, PEM, the newest first. */
  readonly roots: readonly string[];
}
export const TrustBundle: MessageType<TrustBundle> = messageType(codec, 'weft.bus.v1.TrustBundle');

/** A join token as the CA keeps it: never the secret itself. */
export interface JoinToken {
  readonly id: string;
  /** SHA-256 of the secret. */
  readonly secretSha256: Uint8Array;
  /** The namespace that it allows; `*` allows any. */
  readonly namespace: string;
  /** The service accounts that it allows; `*` allows any. */
  readonly serviceAccounts: readonly string[];
  readonly createdAtMs: number;
  /** 0: does not expire. */
  readonly expiresAtMs: number;
  readonly createdBy: string;
}
export const JoinToken: MessageType<JoinToken> = messageType(codec, 'weft.bus.v1.JoinToken');

/** What the xds-server knows of one proxy. */
export interface ProxyStatus {
  /** The id of its workload. */
  readonly id: string;
  /** The xds-server instance that it hangs on; empty when it is not connected. */
  readonly xdsInstance: string;
  readonly connectedAtMs: number;
  readonly changedAtMs: number;
  /** What the proxy calls itself: `envoy 1.40.0`, `weft 0.1.0`. */
  readonly userAgent: string;
  /** The newest revision of the configuration, and of the registry, that the proxy acknowledged in full. */
  readonly acknowledgedRevision: number;
  readonly acknowledgedRegistryRevision: number;
  /** The newest that was sent. */
  readonly sentRevision: number;
  /** The content hash that names the acknowledged snapshot. */
  readonly snapshot: string;
  /** Refusals that stand: one for each type whose newest version the proxy refused. */
  readonly nacks: readonly Nack[];
}
export const ProxyStatus: MessageType<ProxyStatus> = messageType(codec, 'weft.bus.v1.ProxyStatus');

export interface Nack {
  readonly typeUrl: string;
  /** The version that was refused. */
  readonly version: string;
  /** The proxy's own words. */
  readonly message: string;
  readonly atMs: number;
}
export const Nack: MessageType<Nack> = messageType(codec, 'weft.bus.v1.Nack');

/** Resources that were kept out of the snapshots: they passed validation and could not be translated. */
export interface Problem {
  readonly key?: ResourceKey;
  readonly message: string;
  readonly revision: number;
}
export const Problem: MessageType<Problem> = messageType(codec, 'weft.bus.v1.Problem');

export interface Problems {
  readonly xdsInstance: string;
  readonly problems: readonly Problem[];
}
export const Problems: MessageType<Problems> = messageType(codec, 'weft.bus.v1.Problems');

/** How far the proxies of one xds-server instance are: every one of them has acknowledged these revisions. */
export interface Propagation {
  readonly xdsInstance: string;
  readonly registryRevision: number;
  readonly revision: number;
  readonly proxies: number;
}
export const Propagation: MessageType<Propagation> = messageType(codec, 'weft.bus.v1.Propagation');

export interface CreateTokenRequest {
  readonly namespace: string;
  readonly serviceAccounts: readonly string[];
  /** 0: does not expire. */
  readonly lifeMs: number;
  readonly createdBy: string;
}
export const CreateTokenRequest: MessageType<CreateTokenRequest> = messageType(codec, 'weft.bus.v1.CreateTokenRequest');

export interface CreateTokenResponse {
  /** Told once, kept nowhere. */
  readonly token: string;
  readonly kept?: JoinToken;
}
export const CreateTokenResponse: MessageType<CreateTokenResponse> = messageType(codec, 'weft.bus.v1.CreateTokenResponse');

export interface IssueServiceCertificateRequest {
  /** `xds-server`; the identity is made of it: `spiffe://<trust domain>/ns/weft-system/sa/<service>`. */
  readonly service: string;
  /** PKCS #10, DER. */
  readonly csr: Uint8Array;
}
export const IssueServiceCertificateRequest: MessageType<IssueServiceCertificateRequest> = messageType(codec, 'weft.bus.v1.IssueServiceCertificateRequest');

export interface IssueServiceCertificateResponse {
  /** DER, the leaf first, without the root. */
  readonly chain: readonly Uint8Array[];
  readonly notAfterMs: number;
}
export const IssueServiceCertificateResponse: MessageType<IssueServiceCertificateResponse> = messageType(codec, 'weft.bus.v1.IssueServiceCertificateResponse');

export interface PropagationRequest {
}
export const PropagationRequest: MessageType<PropagationRequest> = messageType(codec, 'weft.bus.v1.PropagationRequest');

export interface EdgesRequest {
  /** Only edges of these services when not empty. */
  readonly source: string;
  readonly destination: string;
}
export const EdgesRequest: MessageType<EdgesRequest> = messageType(codec, 'weft.bus.v1.EdgesRequest');

export interface EdgesResponse {
  readonly edges: readonly Edge[];
}
export const EdgesResponse: MessageType<EdgesResponse> = messageType(codec, 'weft.bus.v1.EdgesResponse');

/** Calls from one service to another since the telemetry service first saw one. */
export interface Edge {
  /** `<namespace>/<service>`; `unknown` when the caller proved no identity. */
  readonly source: string;
  readonly destination: string;
  /** `http`, `tcp`. */
  readonly protocol: string;
  /** Which side of the call told: at the source also calls that never arrived are seen. */
  readonly reporter: Reporter;
  readonly requests: number;
  /** Of them, 5xx or without any answer. */
  readonly errors: number;
  readonly byStatus: Readonly<Record<string, number>>;
  /** Sum of durations, in milliseconds, to the last byte. */
  readonly durationMsSum: number;
  /** Counts in the buckets that `bucket_bounds_ms` of the metrics page name; the last is without bound. */
  readonly durationBuckets: readonly number[];
  /** SPIFFE IDs that were proved by certificate on this edge. */
  readonly sourceIdentities: readonly string[];
  readonly destinationIdentities: readonly string[];
  readonly lastSeenMs: number;
  /** Bytes of bodies or, of TCP, of the connection, from the source to the destination and back. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}
export const Edge: MessageType<Edge> = messageType(codec, 'weft.bus.v1.Edge');
