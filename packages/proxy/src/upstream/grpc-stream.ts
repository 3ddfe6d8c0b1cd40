/**
 * A bidirectional gRPC stream to a cluster of this proxy, over the pools that requests use too: the control plane's
 * streams and access logs (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
 */
import { toWeftError, WeftError } from '@weft/contracts/error';
import type { RawStream } from '@weft/rpc';
import { codeName, codeOfHttpStatus, decodeMessage, FrameReader, frame, streamOver, type Wire } from '@weft/rpc/wire';
import type { Clock } from '../clock.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import { AttemptCount } from '../filters/router/upstream-attempt.ts';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead, type ResponseHead } from '../http/message.ts';
import type { RequestStream, ResponseListener, UpstreamReset } from '../http/stream.ts';
import type { Pool, PoolConnection, PoolWaiter } from '../pool/pool.ts';
import type { StreamFactory, StreamHead } from '../streams.ts';
import { peerNameOf } from './peer-name.ts';

/**
 * Control planes say all clusters or endpoints of a large mesh in one message, and other clients of theirs take whatever
 * comes; this bound only keeps a broken server from filling the memory.
 */
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

class GrpcStream implements ResponseListener, PoolWaiter, Wire {
  readonly #name: string;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #said: StreamHead;
  readonly #near = streamOver(this);
  readonly #reader = new FrameReader(MAX_MESSAGE_BYTES);
  /** What was sent while there was no connection yet. */
  #early: { readonly bytes: Buffer; readonly done: () => void }[] = [];
  /** Told when the connection takes more. */
  #waiting: (() => void)[] = [];
  #cluster: Cluster | undefined;
  #host: Host | undefined;
  #pool: Pool | undefined;
  #stream: RequestStream | undefined;
  #count: AttemptCount | undefined;
  #head: ResponseHead | undefined;
  #isEnded = false;
  #isPaused = false;
  #isOver = false;
  #stopListening: () => void = () => undefined;

  constructor(clusterName: string, path: string, clock: Clock, head: StreamHead) {
    this.#name = clusterName;
    this.#path = path;
    this.#clock = clock;
    this.#said = head;
  }

  get stream(): RawStream {
    return this.#near.stream;
  }

  start(cluster: Cluster | undefined, signal: AbortSignal): void {
    const onAbort = (): void => this.#abort(new WeftError('CANCELLED', `${this.#path} was cancelled`));
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    this.#stopListening = () => signal.removeEventListener('abort', onAbort);
    const host = cluster?.pick();
    if (!cluster || !host) {
      const why = cluster ? 'has no host that can be used' : 'is not there';
      this.#over(this.#unavailable(`the cluster ${this.#name} ${why}`));
      return;
    }
    this.#cluster = cluster;
    this.#host = host;
    const peer = peerNameOf(cluster, { authority: this.#said.authority ?? this.#name, headers: new HeaderList([]) });
    this.#pool = cluster.pool(host, 'HTTP/2', 'DEFAULT', undefined, peer);
    this.#pool.acquire(this);
  }

  onPoolReady(connection: PoolConnection): void {
    const cluster = this.#cluster as Cluster;
    this.#pool = undefined;
    if (connection.protocol !== 'HTTP/2') {
      this.#over(this.#unavailable(`the cluster ${this.#name} speaks ${connection.protocol}; gRPC needs HTTP/2`));
      return;
    }
    const headers = ['te', 'trailers', 'content-type', 'application/grpc', 'user-agent', 'weft'];
    for (const [name, value] of this.#said.metadata ?? []) headers.push(name, value);
    const scheme = cluster.connectOf(this.#host as Host).tls ? 'https' : 'http';
    const head = new RequestHead(
      'POST',
      this.#path,
      this.#said.authority ?? this.#name,
      scheme,
      new HeaderList(headers),
    );
    head.protocol = 'HTTP/2';
    head.bodyLength = -1;
    this.#count = new AttemptCount(cluster, this.#host as Host, this.#clock, {
      protocol: 'HTTP/2',
      origin: 'internal',
    });
    this.#stream = connection.begin(this);
    this.#stream.sendHead(head, false);
    const early = this.#early;
    this.#early = [];
    for (const { bytes, done } of early) this.#send(bytes, done);
    if (this.#isEnded) this.#stream?.sendEnd(undefined);
    if (this.#isPaused) this.#stream?.pauseResponse();
  }

  onPoolFailure(reset: UpstreamReset): void {
    this.#pool = undefined;
    this.onUpstreamReset(reset);
  }

  // What the near side does.

  write(message: Buffer, done: () => void): void {
    if (this.#isOver) done();
    else if (this.#stream) this.#send(frame(message), done);
    else this.#early.push({ bytes: frame(message), done });
  }

  #send(bytes: Buffer, done: () => void): void {
    if (this.#stream?.sendBody(bytes) === false) this.#waiting.push(done);
    else done();
  }

  finish(error?: unknown): void {
    if (error !== undefined) this.#abort(toWeftError(error));
    else if (!this.#isOver) {
      this.#isEnded = true;
      this.#stream?.sendEnd(undefined);
    }
  }

  pause(): void {
    this.#isPaused = true;
    this.#stream?.pauseResponse();
  }

  resume(): void {
    this.#isPaused = false;
    this.#stream?.resumeResponse();
  }

  // What the far side does.

  onUpstreamInformational(): void {
    // The answer proper follows.
  }

  onUpstreamHead(head: ResponseHead): void {
    this.#head = head;
    this.#count?.answered(head, true);
    const type = head.headers.get('content-type') ?? '';
    if (head.status === 200 && type.startsWith('application/grpc')) return;
    const code = head.status === 200 ? 'UNKNOWN' : codeOfHttpStatus(head.status);
    this.#abort(this.#error(code, `answered with HTTP status ${head.status} and ${type || 'no content-type'}`));
  }

  onUpstreamBody(chunk: Buffer): void {
    try {
      for (const message of this.#reader.push(chunk)) this.#near.deliver(message);
    } catch (thrown) {
      this.#abort(toWeftError(thrown));
    }
  }

  onUpstreamEnd(trailers: HeaderList | undefined): void {
    this.#stream = undefined;
    const fields = trailers ?? this.#head?.headers;
    const status = fields?.get('grpc-status');
    if (status === '0' && !this.#reader.isInside) this.#over();
    else if (status === undefined) this.#over(this.#error('UNKNOWN', 'ended the stream without a status'));
    else if (status === '0') this.#over(this.#error('INTERNAL', 'ended the stream within a message'));
    else {
      const text = decodeMessage(fields?.get('grpc-message') ?? '');
      this.#over(this.#error(codeName(Number(status)), text === '' ? `ended with status ${status}` : text));
    }
  }

  onUpstreamReset(reset: UpstreamReset): void {
    this.#stream = undefined;
    this.#count?.broken(reset);
    const type = reset.type.replaceAll('-', ' ');
    this.#over(this.#unavailable(`the cluster ${this.#name}: ${reset.text === '' ? type : `${type}: ${reset.text}`}`));
  }

  onUpstreamDrain(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done();
  }

  // The end.

  #error(code: WeftError['code'], text: string): WeftError {
    return new WeftError(code, `the cluster ${this.#name}: ${this.#path}: ${text}`, { source: 'control-plane' });
  }

  #unavailable(text: string): WeftError {
    return new WeftError('UNAVAILABLE', text, { source: 'control-plane', retryable: true });
  }

  #abort(error: WeftError): void {
    const stream = this.#stream;
    const pool = this.#pool;
    if (stream) this.#count?.takenBack();
    this.#over(error);
    pool?.cancel(this);
    stream?.abort();
  }

  #over(error?: WeftError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopListening();
    this.#count?.end(error === undefined);
    this.#stream = undefined;
    this.#pool = undefined;
    for (const { done } of this.#early.splice(0)) done();
    this.onUpstreamDrain();
    if (!error) this.#near.remoteEnd();
    this.#near.close(error);
  }
}

/** Streams over the pools of the clusters that `findCluster` knows. One to a cluster that is not there breaks at once. */
export function clusterStreams(findCluster: (name: string) => Cluster | undefined, clock: Clock): StreamFactory {
  return (clusterName, path, signal, head = {}) => {
    const stream = new GrpcStream(clusterName, path, clock, head);
    stream.start(findCluster(clusterName), signal);
    return stream.stream;
  };
}
