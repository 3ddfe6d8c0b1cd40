// Generated from weft/admin/v1/admin.proto by scripts/generate.ts; do not edit.
import { createNativeCodec, type MessageType, messageType } from '@weft/protobuf';
import type { ChangeSet, Edge, Instance, Nack, Problem, Protocol, ProxyStatus, ResourceKey, Workload } from './bus.ts';

const codec = createNativeCodec({
  messages: {
    'weft.admin.v1.ApplyRequest':
      '1 documents *m weft.admin.v1.Document;2 deletions *m weft.bus.v1.ResourceKey;3 expected_revision ?I;4 author =s;5 reason =s;6 dry_run =b',
    'weft.admin.v1.ApplyResponse':
      '1 violations *m weft.admin.v1.Violation;2 revision =I;3 changes *m weft.admin.v1.Change',
    'weft.admin.v1.Change':
      '1 key ?m weft.bus.v1.ResourceKey;2 kind =e weft.admin.v1.ChangeKind',
    'weft.admin.v1.Conflict':
      '1 expected_revision =I;2 revision =I;3 author =s;4 at_ms =I',
    'weft.admin.v1.CreateTokenRequest':
      '1 namespace =s;2 service_accounts *s;3 life_ms =I',
    'weft.admin.v1.CreateTokenResponse':
      '1 token =s;2 id =s',
    'weft.admin.v1.Document':
      '1 source =s;2 json =s',
    'weft.admin.v1.GetStatusRequest':
      '',
    'weft.admin.v1.ListChangeSetsRequest':
      '1 limit =I',
    'weft.admin.v1.ListChangeSetsResponse':
      '1 change_sets *m weft.admin.v1.StoredChangeSet',
    'weft.admin.v1.ListEdgesRequest':
      '1 source =s;2 destination =s',
    'weft.admin.v1.ListEdgesResponse':
      '1 edges *m weft.bus.v1.Edge',
    'weft.admin.v1.ListProxiesRequest':
      '',
    'weft.admin.v1.ListProxiesResponse':
      '1 proxies *m weft.bus.v1.ProxyStatus;2 revision =I',
    'weft.admin.v1.ListResourcesRequest':
      '1 kind =s;2 namespace =s',
    'weft.admin.v1.ListResourcesResponse':
      '1 resources *m weft.admin.v1.StoredResource;2 revision =I',
    'weft.admin.v1.ListServicesRequest':
      '1 namespace =s',
    'weft.admin.v1.ListServicesResponse':
      '1 services *m weft.admin.v1.Service',
    'weft.admin.v1.ListWorkloadsRequest':
      '1 namespace =s;2 service =s',
    'weft.admin.v1.ListWorkloadsResponse':
      '1 workloads *m weft.bus.v1.Workload',
    'weft.admin.v1.ProxyNack':
      '1 proxy_id =s;2 nack ?m weft.bus.v1.Nack',
    'weft.admin.v1.RolloutStatus':
      '1 revision =I;2 proxies =I;3 acknowledged =I;4 nacks *m weft.admin.v1.ProxyNack',
    'weft.admin.v1.Service':
      '1 namespace =s;2 name =s;3 host_name =s;4 protocols +e weft.bus.v1.Protocol;5 ready =I;6 workloads =I;7 declared =b;8 identities *s',
    'weft.admin.v1.Status':
      '1 instances *m weft.bus.v1.Instance;2 revision =I;3 proxies =I;4 acknowledged =I;5 nacks *m weft.admin.v1.ProxyNack;6 problems *m weft.bus.v1.Problem;7 services =I;8 workloads =I;9 trust_domain =s;10 root_not_after_ms =I;11 bus =s;12 unconnected *s',
    'weft.admin.v1.StoredChangeSet':
      '1 revision =I;2 change_set ?m weft.bus.v1.ChangeSet',
    'weft.admin.v1.StoredResource':
      '1 key ?m weft.bus.v1.ResourceKey;2 json =s;3 revision =I;4 author =s;5 at_ms =I',
    'weft.admin.v1.Violation':
      '1 source =s;2 key ?m weft.bus.v1.ResourceKey;3 path =s;4 message =s',
    'weft.admin.v1.WatchRolloutRequest':
      '1 revision =I',
    'weft.bus.v1.ChangeSet':
      '1 author =s;2 at_ms =I;3 reason =s;4 operations *m weft.bus.v1.Operation',
    'weft.bus.v1.Edge':
      '1 source =s;2 destination =s;3 protocol =s;4 reporter =e weft.bus.v1.Reporter;5 requests =I;6 errors =I;7 by_status %sI;8 duration_ms_sum =d;9 duration_buckets +I;10 source_identities *s;11 destination_identities *s;12 last_seen_ms =I;13 sent_bytes =I;14 received_bytes =I',
    'weft.bus.v1.Instance':
      '1 id =s;2 service =s;3 address =s;4 started_at_ms =I;5 seen_at_ms =I;6 not_ready_because =s;7 version =s',
    'weft.bus.v1.Nack':
      '1 type_url =s;2 version =s;3 message =s;4 at_ms =I',
    'weft.bus.v1.Operation':
      '1 action =e weft.bus.v1.Action;2 key ?m weft.bus.v1.ResourceKey;3 json =s',
    'weft.bus.v1.Problem':
      '1 key ?m weft.bus.v1.ResourceKey;2 message =s;3 revision =I',
    'weft.bus.v1.ProxyStatus':
      '1 id =s;2 xds_instance =s;3 connected_at_ms =I;4 changed_at_ms =I;5 user_agent =s;6 acknowledged_revision =I;7 acknowledged_registry_revision =I;8 sent_revision =I;9 snapshot =s;10 nacks *m weft.bus.v1.Nack',
    'weft.bus.v1.ResourceKey':
      '1 kind =s;2 namespace =s;3 name =s',
    'weft.bus.v1.Upstream':
      '1 namespace =s;2 service =s;3 local_port =u',
    'weft.bus.v1.Workload':
      '1 id =s;2 namespace =s;3 service =s;4 spiffe_id =s;5 labels %ss;6 address =s;7 ports *m weft.bus.v1.WorkloadPort;8 outbound_port =u;9 upstreams *m weft.bus.v1.Upstream;10 data_plane =e weft.bus.v1.DataPlane;11 health =e weft.bus.v1.Health;12 registered_at_ms =I;13 incarnation =s;14 host =s',
    'weft.bus.v1.WorkloadPort':
      '1 application_port =u;2 protocol =e weft.bus.v1.Protocol;3 inbound_port =u',
  },
  enums: {
    'weft.admin.v1.ChangeKind': 'CREATED=0;CHANGED=1;UNCHANGED=2;DELETED=3',
    'weft.bus.v1.Action': 'PUT=0;DELETE=1',
    'weft.bus.v1.DataPlane': 'WEFT=0;ENVOY=1',
    'weft.bus.v1.Health': 'STARTING=0;READY=1;UNREADY=2;DRAINING=3',
    'weft.bus.v1.Protocol': 'HTTP=0;TCP=1',
    'weft.bus.v1.Reporter': 'SOURCE=0;DESTINATION=1',
  },
});

export type ChangeKind = 'CREATED' | 'CHANGED' | 'UNCHANGED' | 'DELETED';

export interface ApplyRequest {
  readonly documents: readonly Document[];
  /** Resources to delete in the same change-set. */
  readonly deletions: readonly ResourceKey[];
  /** The revision that the caller has seen; unset: whatever is newest. */
  readonly expectedRevision?: number;
  readonly author: string;
  readonly reason: string;
  /** Validate and tell, but append nothing. */
  readonly dryRun: boolean;
}
export const ApplyRequest: MessageType<ApplyRequest> = messageType(codec, 'weft.admin.v1.ApplyRequest');

export interface Document {
  /** Where it comes from, for error texts: `canary.yaml#2`. */
  readonly source: string;
  /** One resource as JSON. */
  readonly json: string;
}
export const Document: MessageType<Document> = messageType(codec, 'weft.admin.v1.Document');

export interface ApplyResponse {
  /** Empty when it was applied. */
  readonly violations: readonly Violation[];
  /** The revision that the change-set became; when nothing changed, the newest. */
  readonly revision: number;
  readonly changes: readonly Change[];
}
export const ApplyResponse: MessageType<ApplyResponse> = messageType(codec, 'weft.admin.v1.ApplyResponse');

export interface Violation {
  readonly source: string;
  readonly key?: ResourceKey;
  /** `spec.rules[0].backendRefs[1].weight`. */
  readonly path: string;
  /** What was found and what was expected. */
  readonly message: string;
}
export const Violation: MessageType<Violation> = messageType(codec, 'weft.admin.v1.Violation');

export interface Change {
  readonly key?: ResourceKey;
  readonly kind: ChangeKind;
}
export const Change: MessageType<Change> = messageType(codec, 'weft.admin.v1.Change');

/** In the details of a FAILED_PRECONDITION, as metadata `weft-conflict-bin`. */
export interface Conflict {
  readonly expectedRevision: number;
  /** The newest revision, and whose it is. */
  readonly revision: number;
  readonly author: string;
  readonly atMs: number;
}
export const Conflict: MessageType<Conflict> = messageType(codec, 'weft.admin.v1.Conflict');

export interface WatchRolloutRequest {
  readonly revision: number;
}
export const WatchRolloutRequest: MessageType<WatchRolloutRequest> = messageType(codec, 'weft.admin.v1.WatchRolloutRequest');

export interface RolloutStatus {
  readonly revision: number;
  /** Of the connected proxies. */
  readonly proxies: number;
  readonly acknowledged: number;
  readonly nacks: readonly ProxyNack[];
}
export const RolloutStatus: MessageType<RolloutStatus> = messageType(codec, 'weft.admin.v1.RolloutStatus');

export interface ProxyNack {
  readonly proxyId: string;
  readonly nack?: Nack;
}
export const ProxyNack: MessageType<ProxyNack> = messageType(codec, 'weft.admin.v1.ProxyNack');

export interface ListResourcesRequest {
  /** All kinds when empty. */
  readonly kind: string;
  readonly namespace: string;
}
export const ListResourcesRequest: MessageType<ListResourcesRequest> = messageType(codec, 'weft.admin.v1.ListResourcesRequest');

export interface ListResourcesResponse {
  readonly resources: readonly StoredResource[];
  readonly revision: number;
}
export const ListResourcesResponse: MessageType<ListResourcesResponse> = messageType(codec, 'weft.admin.v1.ListResourcesResponse');

export interface StoredResource {
  readonly key?: ResourceKey;
  readonly json: string;
  /** The revision that last changed it. */
  readonly revision: number;
  readonly author: string;
  readonly atMs: number;
}
export const StoredResource: MessageType<StoredResource> = messageType(codec, 'weft.admin.v1.StoredResource');

export interface ListChangeSetsRequest {
  /** 0: 50. */
  readonly limit: number;
}
export const ListChangeSetsRequest: MessageType<ListChangeSetsRequest> = messageType(codec, 'weft.admin.v1.ListChangeSetsRequest');

export interface ListChangeSetsResponse {
  readonly changeSets: readonly StoredChangeSet[];
}
export const ListChangeSetsResponse: MessageType<ListChangeSetsResponse> = messageType(codec, 'weft.admin.v1.ListChangeSetsResponse');

export interface StoredChangeSet {
  readonly revision: number;
  readonly changeSet?: ChangeSet;
}
export const StoredChangeSet: MessageType<StoredChangeSet> = messageType(codec, 'weft.admin.v1.StoredChangeSet');

export interface ListServicesRequest {
  readonly namespace: string;
}
export const ListServicesRequest: MessageType<ListServicesRequest> = messageType(codec, 'weft.admin.v1.ListServicesRequest');

export interface ListServicesResponse {
  readonly services: readonly Service[];
}
export const ListServicesResponse: MessageType<ListServicesResponse> = messageType(codec, 'weft.admin.v1.ListServicesResponse');

export interface Service {
  readonly namespace: string;
  readonly name: string;
  /** `stock.default.mesh`; callers of the same namespace may say `stock.mesh`. */
  readonly hostName: string;
  readonly protocols: readonly Protocol[];
  /** Of its workloads, how many take requests. */
  readonly ready: number;
  readonly workloads: number;
  /** Whether a Service resource declares it. */
  readonly declared: boolean;
  readonly identities: readonly string[];
}
export const Service: MessageType<Service> = messageType(codec, 'weft.admin.v1.Service');

export interface ListWorkloadsRequest {
  readonly namespace: string;
  readonly service: string;
}
export const ListWorkloadsRequest: MessageType<ListWorkloadsRequest> = messageType(codec, 'weft.admin.v1.ListWorkloadsRequest');

export interface ListWorkloadsResponse {
  readonly workloads: readonly Workload[];
}
export const ListWorkloadsResponse: MessageType<ListWorkloadsResponse> = messageType(codec, 'weft.admin.v1.ListWorkloadsResponse');

export interface ListProxiesRequest {
}
export const ListProxiesRequest: MessageType<ListProxiesRequest> = messageType(codec, 'weft.admin.v1.ListProxiesRequest');

export interface ListProxiesResponse {
  readonly proxies: readonly ProxyStatus[];
  readonly revision: number;
}
export const ListProxiesResponse: MessageType<ListProxiesResponse> = messageType(codec, 'weft.admin.v1.ListProxiesResponse');

export interface ListEdgesRequest {
  readonly source: string;
  readonly destination: string;
}
export const ListEdgesRequest: MessageType<ListEdgesRequest> = messageType(codec, 'weft.admin.v1.ListEdgesRequest');

export interface ListEdgesResponse {
  readonly edges: readonly Edge[];
}
export const ListEdgesResponse: MessageType<ListEdgesResponse> = messageType(codec, 'weft.admin.v1.ListEdgesResponse');

export interface GetStatusRequest {
}
export const GetStatusRequest: MessageType<GetStatusRequest> = messageType(codec, 'weft.admin.v1.GetStatusRequest');

export interface Status {
  readonly instances: readonly Instance[];
  readonly revision: number;
  /** Of connected proxies: how many, and how many acknowledged the newest revision. */
  readonly proxies: number;
  readonly acknowledged: number;
  readonly nacks: readonly ProxyNack[];
  readonly problems: readonly Problem[];
  readonly services: number;
  readonly workloads: number;
  readonly trustDomain: string;
  /** When the newest root of the mesh ends, milliseconds since 1970. */
  readonly rootNotAfterMs: number;
  /** `embedded` or `nats`. */
  readonly bus: string;
  /**
   * `<namespace>/<workload id>` of registered workloads whose proxy is connected to no xds-server: they go on with what
   * they had.
   */
  readonly unconnected: readonly string[];
}
export const Status: MessageType<Status> = messageType(codec, 'weft.admin.v1.Status');

export interface CreateTokenRequest {
  readonly namespace: string;
  readonly serviceAccounts: readonly string[];
  readonly lifeMs: number;
}
export const CreateTokenRequest: MessageType<CreateTokenRequest> = messageType(codec, 'weft.admin.v1.CreateTokenRequest');

export interface CreateTokenResponse {
  readonly token: string;
  readonly id: string;
}
export const CreateTokenResponse: MessageType<CreateTokenResponse> = messageType(codec, 'weft.admin.v1.CreateTokenResponse');

export const Admin = {
  /**
   * Validates a change-set whole and appends it to the configuration, or changes nothing.
   * FAILED_PRECONDITION with a Conflict when the expected revision is not the newest; INVALID_ARGUMENT never: what is
   * wrong with the resources is in the response.
   */
  apply: {
    path: '/weft.admin.v1.Admin/Apply',
    kind: 'unary',
    request: ApplyRequest,
    response: ApplyResponse,
  },
  /** Sends how far the proxies are with a revision, now and on each change, until all that can have it do. */
  watchRollout: {
    path: '/weft.admin.v1.Admin/WatchRollout',
    kind: 'server-stream',
    request: WatchRolloutRequest,
    response: RolloutStatus,
  },
  /** The resources that stand. */
  listResources: {
    path: '/weft.admin.v1.Admin/ListResources',
    kind: 'unary',
    request: ListResourcesRequest,
    response: ListResourcesResponse,
  },
  /** The change-sets, newest first. */
  listChangeSets: {
    path: '/weft.admin.v1.Admin/ListChangeSets',
    kind: 'unary',
    request: ListChangeSetsRequest,
    response: ListChangeSetsResponse,
  },
  listServices: {
    path: '/weft.admin.v1.Admin/ListServices',
    kind: 'unary',
    request: ListServicesRequest,
    response: ListServicesResponse,
  },
  listWorkloads: {
    path: '/weft.admin.v1.Admin/ListWorkloads',
    kind: 'unary',
    request: ListWorkloadsRequest,
    response: ListWorkloadsResponse,
  },
  listProxies: {
    path: '/weft.admin.v1.Admin/ListProxies',
    kind: 'unary',
    request: ListProxiesRequest,
    response: ListProxiesResponse,
  },
  listEdges: {
    path: '/weft.admin.v1.Admin/ListEdges',
    kind: 'unary',
    request: ListEdgesRequest,
    response: ListEdgesResponse,
  },
  getStatus: {
    path: '/weft.admin.v1.Admin/GetStatus',
    kind: 'unary',
    request: GetStatusRequest,
    response: Status,
  },
  createToken: {
    path: '/weft.admin.v1.Admin/CreateToken',
    kind: 'unary',
    request: CreateTokenRequest,
    response: CreateTokenResponse,
  },
} as const;
