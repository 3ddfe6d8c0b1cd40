import assert from 'node:assert/strict';
import type { ServerHttp2Stream } from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../clock.ts';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead, type ResponseHead } from '../http/message.ts';
import type { RequestStream, ResponseListener, UpstreamReset } from '../http/stream.ts';
import type { ClosedCause } from '../http1/client-connection.ts';
import { FlushQueue } from '../net/flush-queue.ts';
import { Http2Upstream } from '../pool/testing/http2-upstream.ts';
import { LocalServer } from '../testing/local-server.ts';
import { until } from '../testing/until.ts';
import { Http2ClientConnection, type Http2ConnectionOwner } from './client-connection.ts';
import { ERROR, FRAME, PREFACE, SETTING } from './frames.ts';
import type { Http2ClientOptions } from './options.ts';
import { data, frame, headers, OPTIONS, reset, settings, uint32 } from './testing/frames.ts';
import { RawPeer } from './testing/server.ts';

/** One request, and what became of it. */
class Call implements ResponseListener {
  head: ResponseHead | undefined;
  readonly informational: number[] = [];
  body = '';
  bytes = 0;
  trailers: readonly string[] | undefined;
  end: 'open' | 'whole' | UpstreamReset = 'open';
  drains = 0;
  onUpstreamInformational(head: ResponseHead): void {
    this.informational.push(head.status);
  }
  onUpstreamHead(head: ResponseHead): void {
    this.head = head;
  }
  onUpstreamBody(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.bytes < 1000) this.body += chunk.toString('latin1');
  }
  onUpstreamEnd(trailers: HeaderList | undefined): void {
    this.trailers = trailers?.flat;
    this.end = 'whole';
  }
  onUpstreamReset(reset: UpstreamReset): void {
    this.end = reset;
  }
  onUpstreamDrain(): void {
    this.drains++;
  }
  get isOver(): boolean {
    return this.end !== 'open';
  }
  get reset(): string {
    return typeof this.end === 'string' ? this.end : `${this.end.type}${this.end.isUnsent ? ' unsent' : ''}`;
  }
}

class Client implements Http2ConnectionOwner, Disposable {
  readonly connection: Http2ClientConnection;
  capacities: number[] = [];
  drains = 0;
  closed: ClosedCause | undefined;
  activeWhenClosed = -1;

  constructor(port: number, options: Partial<Http2ClientOptions> = {}) {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    this.connection = new Http2ClientConnection(
      socket,
      this,
      { ...OPTIONS, ...options },
      new FlushQueue(),
      systemClock,
    );
  }

  onCapacity({ capacity }: Http2ClientConnection): void {
    this.capacities.push(capacity);
  }
  onDraining(): void {
    this.drains++;
  }
  onClosed({ active }: Http2ClientConnection, cause: ClosedCause): void {
    this.closed = cause;
    this.activeWhenClosed = active;
  }
  onBytes(): void {
    // Nobody counts.
  }

  begin(head: RequestHead, isEnd = true): { readonly call: Call; readonly stream: RequestStream } {
    const call = new Call();
    const stream = this.connection.begin(call);
    stream.sendHead(head, isEnd);
    return { call, stream };
  }

  get(path = '/', method = 'GET'): Call {
    return this.begin(request(method, path)).call;
  }

  async answered(path = '/', method = 'GET'): Promise<Call> {
    const call = this.get(path, method);
    await until(() => call.isOver);
    return call;
  }

  [Symbol.dispose](): void {
    this.connection.socket.destroy();
  }
}

function request(method: string, path = '/', fields: string[] = []): RequestHead {
  return new RequestHead(method, path, 'up', 'http', new HeaderList(fields));
}

/** An upstream of raw frames; every connection says what it is told to. */
class RawUpstream extends LocalServer {
  readonly peers: RawPeer[] = [];
  settings: (readonly [number, number])[] = [];

  constructor() {
    const server = createServer((socket: Socket) => {
      const peer = new RawPeer(socket, PREFACE.length);
      this.peers.push(peer);
      peer.send(settings(...this.settings));
    });
    super(server);
  }

  /** The peer, once it has seen so many requests. */
  async seen(requests: number): Promise<RawPeer> {
    await until(() => (this.peers[0]?.of(FRAME.headers).length ?? 0) >= requests);
    return this.peers[0] as RawPeer;
  }
}

const OK = [[':status', '200']] as const;

test('a request and its response go whole, with bodies, trailers and what comes before', async () => {
  await using upstream = await new Http2Upstream((stream) => {
    let body = '';
    stream.setEncoding('latin1').on('data', (text: string) => {
      body += text;
    });
    stream.on('end', () => {
      stream.additionalHeaders({ ':status': 103, link: 'x' });
      stream.respond({ ':status': 200, 'x-body': body }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end('answer');
    });
  }).start();
  using client = new Client(upstream.port);
  const { call, stream } = client.begin(request('POST', '/p?q', ['x-a', 'b', 'te', 'trailers']), false);
  stream.sendBody(Buffer.from('hello '));
  stream.sendBody(Buffer.from('world'));
  stream.sendEnd(undefined);
  await until(() => call.isOver);
  assert.equal(call.head?.headers.get('x-body'), 'hello world');
  assert.deepEqual(
    [call.reset, call.body, call.trailers, call.informational],
    ['whole', 'answer', ['grpc-status', '0'], [103]],
  );
  const [head] = upstream.heads;
  assert.deepEqual([head?.[':path'], head?.[':authority'], head?.['x-a'], head?.te], ['/p?q', 'up', 'b', 'trailers']);
});

test('trailers of a request that may not stand there are not sent', async () => {
  let trailers: object = {};
  await using upstream = await new Http2Upstream((stream) => {
    stream.on('trailers', (given) => {
      trailers = given;
    });
    stream.resume().on('end', () => stream.respond({ ':status': 200 }, { endStream: true }));
  }).start();
  using client = new Client(upstream.port);
  const { call, stream } = client.begin(request('POST', '/'), false);
  stream.sendBody(Buffer.from('body'));
  stream.sendEnd(new HeaderList(['x-a', '1', 'host', 'other', 'connection', 'close', 'authorization', 'me']));
  await until(() => call.isOver);
  assert.deepEqual([call.reset, Object.entries(trailers)], ['whole', [['x-a', '1']]]);
});

test('many large bodies go both ways at once, as windows allow', async () => {
  await using upstream = await new Http2Upstream((stream) => {
    stream.respond({ ':status': 200 });
    stream.pipe(stream);
  }).start();
  using client = new Client(upstream.port);
  await until(() => client.capacities.length > 0);
  const size = 1_000_000;
  const calls = Array.from({ length: 20 }, () => client.begin(request('POST'), false));
  for (const { stream } of calls) {
    assert.equal(stream.sendBody(Buffer.alloc(size, 'a')), false);
    stream.sendEnd(undefined);
  }
  calls[0]?.stream.pauseResponse();
  await until(() => calls.slice(1).every(({ call }) => call.isOver));
  assert.ok((calls[0]?.call.bytes ?? size) < size);
  calls[0]?.stream.resumeResponse();
  await until(() => calls.every(({ call }) => call.end === 'whole'));
  assert.ok(calls.every(({ call }) => call.bytes === size));
  assert.equal(client.connection.active, 0);
});

test('bodies are sent on after a slow upstream has taken what came before', async () => {
  await using upstream = await new Http2Upstream((stream) => setTimeout(() => stream.resume(), 50)).start();
  using client = new Client(upstream.port);
  const { call, stream } = client.begin(request('POST'), false);
  assert.equal(stream.sendBody(Buffer.alloc(500_000)), false);
  await until(() => call.drains > 0);
  assert.equal(stream.sendBody(Buffer.alloc(10)), true);
});

test('a response to HEAD has a length and no body', async () => {
  await using upstream = await new Http2Upstream((stream) => {
    stream.respond({ ':status': 200, 'content-length': '10' }, { endStream: true });
  }).start();
  using client = new Client(upstream.port);
  const call = await client.answered('/', 'HEAD');
  assert.deepEqual([call.end, call.head?.headers.get('content-length')], ['whole', '10']);
});

test('a stream that ends early is no whole response', async () => {
  const ends: ((stream: ServerHttp2Stream) => void)[] = [
    (stream) => stream.close(7),
    (stream) => stream.close(2),
    (stream) => {
      stream.respond({ ':status': 200 });
      stream.write('part', () => stream.close(0));
    },
    (stream) => {
      stream.respond({ ':status': 200 });
      stream.write('part', () => stream.session?.socket.destroy());
    },
  ];
  await using upstream = await new Http2Upstream((stream, index) => ends[index]?.(stream)).start();
  using client = new Client(upstream.port);
  const refused = await client.answered();
  const failed = await client.answered();
  assert.deepEqual([refused.reset, failed.reset], ['refused-stream unsent', 'remote-reset']);
  const closed = await client.answered();
  assert.notEqual(closed.end, 'open');
  const cut = await client.answered();
  assert.equal(cut.reset, 'connection-termination');
  assert.deepEqual([client.closed, client.activeWhenClosed], ['remote', 1]);
});

test('RST_STREAM with NO_ERROR part of the way through is no clean end; after the end it takes nothing away', async () => {
  await using upstream = await new RawUpstream().start();
  using client = new Client(upstream.port);
  const first = client.get();
  const { call: second, stream } = client.begin(request('POST'), false);
  const peer = await upstream.seen(2);
  stream.pauseResponse();
  peer.send(headers(1, OK, false), data(1, 'part'), reset(1, 0));
  peer.send(headers(3, OK, false), data(3, 'whole', true), reset(3, 0));
  await until(() => first.isOver);
  assert.equal(first.reset, 'remote-reset');
  stream.resumeResponse();
  await until(() => second.isOver);
  assert.deepEqual([second.reset, second.body], ['whole', 'whole']);
  assert.equal(client.connection.active, 0);
});

test('requests beyond the last one of a GOAWAY are safe to retry; those before it go on', async () => {
  await using upstream = await new RawUpstream().start();
  using client = new Client(upstream.port);
  const [first, second] = [client.get(), client.get()];
  const peer = await upstream.seen(2);
  peer.send(frame(FRAME.goaway, 0, 0, uint32(1, 0)));
  await until(() => second.isOver);
  assert.deepEqual(
    [first.reset, second.reset, client.drains, client.connection.capacity],
    ['open', 'refused-stream unsent', 1, 0],
  );
  peer.send(headers(1, OK));
  await until(() => first.isOver && client.closed !== undefined);
  assert.deepEqual([first.reset, client.closed], ['whole', 'remote']);
});

test('what an upstream said before it closed is heard though a request could not be sent', async () => {
  await using upstream = await new RawUpstream().start();
  using client = new Client(upstream.port);
  const [first, second] = [client.begin(request('POST'), false), client.begin(request('POST'), false)];
  const peer = await upstream.seen(2);
  peer.send(headers(1, [[':status', '413']]), frame(FRAME.goaway, 0, 0, uint32(1, 0)));
  peer.socket.resetAndDestroy();
  // In the same turn: the write that fails comes before what was said is read.
  first.stream.sendBody(Buffer.alloc(30_000));
  client.connection.writer.flush();
  second.stream.sendBody(Buffer.alloc(30_000));
  client.connection.writer.flush();
  await until(() => first.call.isOver && second.call.isOver && client.closed !== undefined);
  assert.deepEqual([first.call.head?.status, first.call.reset], [413, 'whole']);
  assert.equal(second.call.reset, 'refused-stream unsent');
});

test('a malformed response fails alone', async () => {
  await using upstream = await new RawUpstream().start();
  using client = new Client(upstream.port);
  const calls = Array.from({ length: 8 }, () => client.get());
  const peer = await upstream.seen(8);
  peer.send(headers(1, [['a', 'b']]), headers(3, [[':status', '101']]), headers(5, [...OK, ['Upper', 'x']]));
  peer.send(
    headers(7, [...OK, ['connection', 'close']]),
    headers(9, [...OK, ['content-length', '2']], false),
    data(9, 'a', true),
  );
  peer.send(data(11, 'before the head'), headers(13, [[':status', '99']]), headers(15, OK));
  await until(() => calls.every(({ isOver }) => isOver));
  assert.deepEqual(
    calls.map(({ reset }) => reset),
    [...Array.from({ length: 7 }, () => 'protocol-error'), 'whole'],
  );
});

test('a response without content says no length, and a reset for a violation is one', async () => {
  await using upstream = await new RawUpstream().start();
  using client = new Client(upstream.port);
  const [none, unmodified, violated, left] = [client.get(), client.get(), client.get(), client.get()] as const;
  const peer = await upstream.seen(4);
  const length = ['content-length', '5'] as const;
  peer.send(headers(1, [[':status', '103'], length], false), headers(1, [[':status', '204'], length]));
  peer.send(headers(3, [[':status', '304'], length]), reset(5, ERROR.protocol), reset(7, ERROR.connect));
  await until(() => [none, unmodified, violated, left].every(({ isOver }) => isOver));
  assert.deepEqual(none.head?.headers.flat, []);
  assert.deepEqual(unmodified.head?.headers.flat, length);
  assert.deepEqual([violated.reset, left.reset], ['protocol-error', 'remote-reset']);
});

test('what is no HTTP/2 ends the connection, and its requests with it', async () => {
  await using upstream = await new RawUpstream().start();
  using client = new Client(upstream.port);
  const call = client.get();
  const peer = await upstream.seen(1);
  peer.send(frame(FRAME.settings, 0, 1));
  await until(() => call.isOver);
  assert.deepEqual([call.reset, client.closed], ['protocol-error', 'protocol-error']);
});

test('as many requests are begun as the upstream allows, and more when one is over', async () => {
  await using upstream = await new RawUpstream().start();
  upstream.settings = [[SETTING.maxConcurrentStreams, 2]];
  using client = new Client(upstream.port);
  await until(() => client.capacities.length === 1);
  assert.equal(client.connection.capacity, 2);
  const calls = [client.get(), client.get()];
  assert.equal(client.connection.capacity, 0);
  const peer = await upstream.seen(2);
  peer.send(headers(3, OK));
  await until(() => calls[1]?.isOver === true);
  assert.deepEqual([client.capacities, client.connection.capacity], [[2, 1], 1]);
});

test('a connection that has served its requests takes no more, and closes', async () => {
  await using upstream = await new Http2Upstream((stream) =>
    stream.respond({ ':status': 200 }, { endStream: true }),
  ).start();
  using client = new Client(upstream.port, { maxRequests: 2 });
  await client.answered();
  await client.answered();
  await until(() => client.closed !== undefined);
  assert.deepEqual([client.drains, client.closed, client.connection.served], [1, 'max-requests', 2]);
});

test('an unused connection is closed after its time, a drained one at once', async () => {
  await using upstream = await new Http2Upstream((stream) =>
    stream.respond({ ':status': 200 }, { endStream: true }),
  ).start();
  using idle = new Client(upstream.port, { idleTimeoutMs: 100 });
  await idle.answered();
  await until(() => idle.closed !== undefined);
  assert.equal(idle.closed, 'idle');
  using drained = new Client(upstream.port);
  await drained.answered();
  drained.connection.drain();
  await until(() => drained.closed !== undefined);
  assert.equal(drained.closed, 'local');
});

test('an upstream that does not answer a PING is gone', async () => {
  await using upstream = await new RawUpstream().start();
  using client = new Client(upstream.port, { keepalive: { intervalMs: 50, jitterMs: 0, timeoutMs: 50 } });
  const call = client.get();
  await until(() => call.isOver);
  assert.equal(call.reset, 'connection-termination');
});

test('a request that is taken back is reset, and its connection serves on', async () => {
  await using upstream = await new RawUpstream().start();
  using client = new Client(upstream.port);
  const { call, stream } = client.begin(request('GET'));
  const peer = await upstream.seen(1);
  stream.abort();
  await peer.until(() => peer.resetErrorOf(1));
  assert.deepEqual([peer.resetErrorOf(1), call.reset], ['cancel', 'open']);
  const next = client.get();
  await upstream.seen(2);
  peer.send(headers(3, OK));
  await until(() => next.isOver);
});

test('an Upgrade is an extended CONNECT, sent once the upstream is known to take it', async () => {
  const upgrade = request('GET', '/chat', ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ==']);
  upgrade.upgrade = 'websocket';
  await using upstream = await new RawUpstream().start();
  upstream.settings = [[SETTING.enableConnectProtocol, 1]];
  using client = new Client(upstream.port);
  const { call, stream } = client.begin(upgrade, false);
  stream.sendBody(Buffer.from('early'));
  const peer = await upstream.seen(1);
  assert.match(peer.heads()[0]?.text ?? '', /:method: CONNECT\n:protocol: websocket\n:scheme: http/);
  const { streamId = 0 } = peer.heads()[0] ?? {};
  peer.send(headers(streamId, OK, false), data(streamId, 'hello', true));
  await until(() => call.isOver);
  assert.deepEqual([call.head?.status, call.head?.upgrade, call.body], [101, 'websocket', 'hello']);
  assert.equal(call.head?.headers.get('sec-websocket-accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  await peer.until(() => peer.body(streamId) === 'early');
  stream.sendEnd(undefined);
  await peer.until(() => peer.hasEnded(streamId));

  await using plain = await new RawUpstream().start();
  using other = new Client(plain.port);
  const { call: refused } = other.begin(upgrade, false);
  await until(() => refused.isOver);
  assert.equal(refused.reset, 'protocol-error unsent');
});
