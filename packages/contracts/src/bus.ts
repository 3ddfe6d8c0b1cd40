/**
 * The bus's contract: one table of everything that the control plane's services say to one another.
 *
 * | what | on NATS |
 * | --- | --- |
 * | a log | JetStream stream `WEFT_<NAME>`, subject `weft.log.<name>`; the sequence is the revision |
 * | a state | JetStream KV bucket `weft_<name>`, history 1 |
 * | a call | request and reply on `weft.call.<name>`, queue group `weft` |
 * | an event | publish on `weft.event.<name>`, to whoever listens |
 *
 * Messages are the protobuf bytes. A call's request carries the header `Weft-Timeout-Ms`; an answer that is an error
 * carries `Weft-Error-Code` (gRPC's code by name), `Weft-Error-Message` (percent-encoded) and `Weft-Error-Retryable`
 * (`true`, `false`). A key that begins or ends with a dot stands between slashes in its bucket: `/.key/`.
 */
import type { MessageType } from '@weft/protobuf';
import {
  ChangeSet,
  CreateTokenRequest,
  CreateTokenResponse,
  Edge,
  EdgesRequest,
  EdgesResponse,
  Heartbeats,
  Instance,
  IssueServiceCertificateRequest,
  IssueServiceCertificateResponse,
  JoinToken,
  Problems,
  Propagation,
  ProxyStatus,
  TrustBundle,
  Workload,
} from '../gen/bus.ts';

export * from '../gen/bus.ts';

/** An append-only log; each entry has a sequence from 1, without gaps. */
export interface LogContract<T> {
  readonly name: string;
  readonly value: MessageType<T>;
}

/** Values by key, each with the revision that wrote it; revisions grow over the whole state. */
export interface StateContract<T> {
  readonly name: string;
  readonly value: MessageType<T>;
}

/** A question that one instance of a service answers. */
export interface CallContract<Request, Response> {
  readonly name: string;
  readonly request: MessageType<Request>;
  readonly response: MessageType<Response>;
}

/** Something said to whoever listens now; it is kept nowhere. */
export interface EventContract<T> {
  readonly name: string;
  readonly value: MessageType<T>;
}

export const logs = {
  /** The configuration; api appends, api and xds-server read. */
  config: { name: 'config', value: ChangeSet } satisfies LogContract<ChangeSet>,
} as const;

export const states = {
  /** By `<namespace>/<workload id>`; discovery writes, xds-server and api read. */
  workloads: { name: 'workloads', value: Workload } satisfies StateContract<Workload>,
  /** By `<service>/<instance id>`; every control-plane service writes its own, all read. */
  instances: { name: 'instances', value: Instance } satisfies StateContract<Instance>,
  /** One key, `bundle`; ca writes, all read. */
  trust: { name: 'trust', value: TrustBundle } satisfies StateContract<TrustBundle>,
  /** By token id; ca alone. */
  tokens: { name: 'tokens', value: JoinToken } satisfies StateContract<JoinToken>,
  /** By `<namespace>/<workload id>`; xds-server writes, api reads. */
  proxies: { name: 'proxies', value: ProxyStatus } satisfies StateContract<ProxyStatus>,
  /** By xds-server instance; xds-server writes, api reads. */
  problems: { name: 'problems', value: Problems } satisfies StateContract<Problems>,
  /** By a hash of what names the edge; telemetry alone, so that its counts outlive it. */
  edges: { name: 'edges', value: Edge } satisfies StateContract<Edge>,
} as const;

export const calls = {
  /** Answered by ca. */
  createToken: {
    name: 'ca.create-token',
    request: CreateTokenRequest,
    response: CreateTokenResponse,
  } satisfies CallContract<CreateTokenRequest, CreateTokenResponse>,
  /** Answered by ca: certificates for the control plane's own servers; the bus's credentials are the proof. */
  issueServiceCertificate: {
    name: 'ca.issue-service-certificate',
    request: IssueServiceCertificateRequest,
    response: IssueServiceCertificateResponse,
  } satisfies CallContract<IssueServiceCertificateRequest, IssueServiceCertificateResponse>,
  /** Answered by telemetry. */
  edges: {
    name: 'telemetry.edges',
    request: EdgesRequest,
    response: EdgesResponse,
  } satisfies CallContract<EdgesRequest, EdgesResponse>,
} as const;

export const events = {
  /** discovery tells the other instances of discovery whom it heard. */
  heartbeats: { name: 'discovery.heartbeats', value: Heartbeats } satisfies EventContract<Heartbeats>,
  /** xds-server tells the other instances how far all of its proxies are. */
  propagation: { name: 'xds-server.propagation', value: Propagation } satisfies EventContract<Propagation>,
} as const;
