/** Load over HTTP/2: connections with a number of streams each, every stream followed by the next as its answer ends. */
import { connect, type Socket } from 'node:net';
import { Http2Connection, type Http2Events } from './http2-connection.ts';
import { firstFrames, PREFACE, type Template } from './http2-frames.ts';
import { answerBytes, type Exchange, requestTemplates, type Templates } from './http2-messages.ts';
import { type Counted, Meter, type Window } from './meter.ts';

export interface Http2Load {
  readonly port: number;
  readonly connections: number;
  /** At a time, on each connection. */
  readonly streams: number;
  /** One for each connection, in turn. */
  readonly authorities: readonly string[];
  readonly paths: readonly string[];
  readonly exchange: Exchange;
}

/** `:status: 200` of the static table (RFC 7541, appendix A); every encoder writes it so. */
const STATUS_200 = 0x88;

interface Stream {
  readonly sentMs: number;
  hasHead: boolean;
  bytes: number;
}

class Client implements Http2Events {
  readonly #socket: Socket;
  readonly #connection: Http2Connection;
  readonly #templates: Templates;
  readonly #meter: Meter;
  readonly #answerBytes: number;
  readonly #endsWithHead: boolean;
  readonly #streams = new Map<number, Stream>();
  #nextStreamId = 1;
  #next = 0;
  isLoading = false;

  constructor(load: Http2Load, authority: string, meter: Meter) {
    this.#templates = requestTemplates(load.exchange, authority, load.paths);
    this.#meter = meter;
    this.#answerBytes = answerBytes(load.exchange);
    this.#endsWithHead = load.exchange.type === 'grpc';
    this.#socket = connect({ port: load.port, host: '127.0.0.1', noDelay: true });
    this.#connection = new Http2Connection(this.#socket, this);
    this.#socket.on('error', (error) => meter.fail(`a connection to port ${load.port} failed: ${error.message}`));
    this.#socket.on('close', () => meter.fail(`a connection to port ${load.port} was closed`));
    this.#socket.on('data', (chunk: Buffer) => this.#connection.read(chunk));
    this.#connection.sendBytes(Buffer.concat([PREFACE, firstFrames()]));
  }

  send(): void {
    const { first, later } = this.#templates;
    const streamId = this.#nextStreamId;
    this.#nextStreamId += 2;
    this.#streams.set(streamId, { sentMs: performance.now(), hasHead: false, bytes: 0 });
    if (streamId === 1) this.#connection.send(first, streamId);
    else {
      this.#connection.send(later[this.#next] as Template, streamId);
      this.#next = this.#next + 1 === later.length ? 0 : this.#next + 1;
    }
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.on('error', () => undefined);
    this.#socket.destroy();
  }

  onHead(streamId: number, first: number, isEnd: boolean): void {
    const stream = this.#streams.get(streamId);
    if (!stream) this.onBroken(`there was an answer on stream ${streamId}, which is not open`);
    else if (!stream.hasHead && first !== STATUS_200) {
      this.onBroken(`the head of an answer begins with ${first.toString(16)}, which is not status 200`);
    } else if (stream.hasHead !== isEnd) this.onBroken(isEnd ? 'an answer had no body' : 'an answer had two heads');
    else {
      stream.hasHead = true;
      if (isEnd) this.#end(streamId, stream, true);
    }
  }

  onData(streamId: number, bytes: number, isEnd: boolean): void {
    const stream = this.#streams.get(streamId);
    if (stream) stream.bytes += bytes;
    if (!stream) this.onBroken(`there was a body on stream ${streamId}, which is not open`);
    else if (isEnd) this.#end(streamId, stream, false);
  }

  #end(streamId: number, stream: Stream, isHead: boolean): void {
    const { bytes, sentMs } = stream;
    if (bytes !== this.#answerBytes || isHead !== this.#endsWithHead) {
      this.onBroken(`an answer had ${bytes} bytes, not ${this.#answerBytes}, or ended in the wrong way`);
      return;
    }
    this.#streams.delete(streamId);
    this.#meter.completed(sentMs);
    this.send();
  }

  onBroken(reason: string): void {
    this.#meter.fail(reason);
  }
}

/** Rejects where an answer was not 200, had another length, or a stream or connection ended before its time. */
export async function runHttp2Load(load: Http2Load & Window): Promise<Counted> {
  const meter = new Meter();
  const clients = Array.from(
    { length: load.connections },
    (_, index) => new Client(load, load.authorities[index % load.authorities.length] ?? '', meter),
  );
  try {
    for (const client of clients) for (let stream = 0; stream < load.streams; stream++) client.send();
    return await meter.count(load);
  } finally {
    for (const client of clients) client.close();
  }
}
