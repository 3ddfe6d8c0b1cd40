/** A check by gRPC's own health service (https://github.com/grpc/grpc/blob/master/doc/health-checking.md). */
import type { GrpcHealthCheckConfig } from '../../config/health-check.ts';
import { HeaderList } from '../../http/header-list.ts';
import { RequestHead, type ResponseHead } from '../../http/message.ts';
import type { RequestStream, ResponseListener } from '../../http/stream.ts';
import { applyChanges, changeLevels, type HeaderChanges } from '../../stack/header-changes.ts';
import type { Host } from '../host.ts';
import { checkedAddress, checkedName, ProbeConnection, type ProbeTransport } from './connection.ts';
import { USER_AGENT } from './http-probe.ts';
import { NO_ANSWER, PASSED, type Probe, type ProbeOwner, WRONG_ANSWER } from './probe.ts';
import { checkInfo } from './stream-info.ts';

const PATH = '/grpc.health.v1.Health/Check';
const SERVICE_TAG = 0x0a;
const STATUS_TAG = 0x08;
const SERVING = 1;
const FRAME_HEAD_BYTES = 5;
/** An answer that is longer is none of the health service. */
const MAX_BYTES = 1024;

export interface GrpcProbeOptions {
  readonly config: GrpcHealthCheckConfig;
  readonly transport: ProbeTransport;
  readonly clusterName: string;
  readonly reusesConnection: boolean;
  readonly timeoutMs: number;
}

function varint(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** `grpc.health.v1.HealthCheckRequest` in the frame of gRPC. */
export function healthRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message = service === '' ? name : Buffer.concat([Buffer.from([SERVICE_TAG, ...varint(name.length)]), name]);
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Whether a body is one `grpc.health.v1.HealthCheckResponse`, not compressed, that says SERVING. */
export function isServing(body: Buffer): boolean {
  if (body.length < FRAME_HEAD_BYTES || body[0] !== 0) return false;
  const message = body.subarray(FRAME_HEAD_BYTES);
  if (body.readUInt32BE(1) !== message.length || message.length % 2 !== 0) return false;
  let status = 0;
  for (let i = 0; i < message.length; i += 2) {
    if (message[i] !== STATUS_TAG) return false;
    status = message[i + 1] as number;
  }
  return status === SERVING;
}

export class GrpcProbe implements Probe, ResponseListener {
  readonly #host: Host;
  readonly #owner: ProbeOwner;
  readonly #options: GrpcProbeOptions;
  readonly #connection: ProbeConnection;
  readonly #changes: readonly HeaderChanges[];
  readonly #request: Buffer;
  #stream: RequestStream | undefined;
  #head: ResponseHead | undefined;
  #body: Buffer[] = [];
  #bytes = 0;
  #isRunning = false;

  constructor(host: Host, owner: ProbeOwner, options: GrpcProbeOptions) {
    this.#host = host;
    this.#owner = owner;
    this.#options = options;
    this.#connection = new ProbeConnection(checkedAddress(host), options.transport, 'HTTP/2');
    this.#changes = changeLevels([{ remove: [], add: options.config.initial_metadata }]);
    this.#request = healthRequest(options.config.service_name);
  }

  start(): void {
    this.#isRunning = true;
    this.#head = undefined;
    this.#body = [];
    this.#bytes = 0;
    this.#connection.request(this, (stream) => {
      this.#stream = stream;
      stream.sendHead(this.#requestHead(), false);
      stream.sendBody(this.#request);
      stream.sendEnd(undefined);
    });
  }

  #requestHead(): RequestHead {
    const { config, clusterName, transport, timeoutMs } = this.#options;
    const headers = new HeaderList([
      ...['content-type', 'application/grpc'],
      ...['te', 'trailers'],
      ...['user-agent', USER_AGENT],
    ]);
    const authority = checkedName(this.#host, config.authority, clusterName);
    const head = new RequestHead('POST', PATH, authority, transport.connect.tls ? 'https' : 'http', headers);
    head.protocol = 'HTTP/2';
    head.bodyLength = -1;
    applyChanges(this.#changes, headers, checkInfo(this.#host, head, clusterName, transport.clock));
    headers.set('grpc-timeout', `${Math.ceil(timeoutMs)}m`);
    return head;
  }

  // The answer.

  onUpstreamInformational(): void {
    // The answer proper follows.
  }

  onUpstreamHead(head: ResponseHead): void {
    this.#head = head;
  }

  onUpstreamBody(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes <= MAX_BYTES) this.#body.push(chunk);
  }

  onUpstreamEnd(trailers: HeaderList | undefined): void {
    const head = this.#head;
    if (!this.#isRunning || !head) return;
    const isGrpc = /^application\/grpc(?:\+|$)/.test(head.headers.get('content-type') ?? '');
    const status = trailers?.get('grpc-status') ?? head.headers.get('grpc-status');
    const isServed = head.status === 200 && isGrpc && status === '0' && isServing(Buffer.concat(this.#body));
    this.#end();
    this.#owner.onOutcome(isServed ? PASSED : WRONG_ANSWER);
  }

  onUpstreamReset(): void {
    if (!this.#isRunning) return;
    this.#end();
    this.#owner.onOutcome(NO_ANSWER);
  }

  onUpstreamDrain(): void {
    // What is sent is short.
  }

  #end(): void {
    this.#isRunning = false;
    this.#stream = undefined;
    if (!this.#options.reusesConnection) this.#connection.close();
  }

  giveUp(): void {
    this.#isRunning = false;
    const stream = this.#stream;
    this.#stream = undefined;
    // The stream is of no use any more; the connection may be.
    if (stream && this.#options.reusesConnection) stream.abort();
    else this.#connection.close();
  }

  close(): void {
    this.#isRunning = false;
    this.#connection.close();
  }
}
