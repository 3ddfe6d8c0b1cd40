import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderList } from '../http/header-list.ts';
import { ResponseHead } from '../http/message.ts';
import { FRAME, MAX_STREAM_ID, SETTING } from './frames.ts';
import { block, data, frame, GET, HELLO, headers, POST, reset, settings, uint32 } from './testing/frames.ts';
import { RawPeer, respond, TestServer } from './testing/server.ts';

test('requests of one chunk are answered, each on its stream, and what repeats is not sent again', async () => {
  await using server = await new TestServer().start();
  using peer = new RawPeer(server.port).send(HELLO, headers(1, GET), headers(3, GET), headers(5, GET));
  await peer.until(() => peer.hasEnded(1) && peer.hasEnded(3) && peer.hasEnded(5));
  assert.deepEqual(
    peer.heads().map(({ text }) => text),
    Array.from({ length: 3 }, () => ':status: 200\nx-path: /'),
  );
  assert.equal(peer.of(FRAME.headers, 5)[0]?.payload.length, 2);
  assert.equal(server.requests[0]?.head.protocol, 'HTTP/2');
});

test('bytes that come one by one are the same request', async () => {
  await using server = await new TestServer().start();
  using peer = new RawPeer(server.port);
  const padded = frame(FRAME.data, 0x9, 1, Buffer.concat([Buffer.from([3]), Buffer.from('body'), Buffer.alloc(3)]));
  for (const byte of Buffer.concat([HELLO, headers(1, POST, false), data(1, 'a '), padded])) {
    peer.send(Buffer.from([byte]));
    await new Promise(setImmediate);
  }
  await peer.until(() => peer.hasEnded(1));
  assert.equal(peer.body(1), 'a body');
});

test('trailers go both ways, and informational responses come before', async () => {
  await using server = await new TestServer(({ stream }, when) => {
    if (when !== 'end') return;
    stream.sendInformational(new ResponseHead(103, new HeaderList(['link', 'x'])));
    stream.sendHead(new ResponseHead(200), false);
    stream.sendBody(Buffer.from('body'));
    stream.sendEnd(new HeaderList(['grpc-status', '0']));
  }).start();
  using peer = new RawPeer(server.port).send(HELLO, headers(1, POST, false), data(1, 'x'), headers(1, [['a', 'b']]));
  await peer.until(() => peer.hasEnded(1));
  assert.deepEqual(
    peer.heads().map(({ text }) => text),
    [':status: 103\nlink: x', ':status: 200', 'grpc-status: 0'],
  );
  assert.deepEqual(server.requests[0]?.trailers, ['a', 'b']);
});

test('trailers that may not stand there are not sent, and a response without others ends with its body', async () => {
  await using server = await new TestServer(({ head, stream }, when) => {
    if (when !== 'head') return;
    stream.sendHead(new ResponseHead(200), false);
    stream.sendBody(Buffer.from('body'));
    stream.sendEnd(
      new HeaderList(['connection', 'close', 'content-length', '9', ...(head.authority === 'b' ? ['x', 'y'] : [])]),
    );
  }).start();
  const other = GET.map(([name, value]) => [name, name === ':authority' ? 'b' : value] as const);
  using peer = new RawPeer(server.port).send(HELLO, headers(1, GET), headers(3, other));
  await peer.until(() => peer.hasEnded(1) && peer.hasEnded(3));
  assert.deepEqual(
    peer.heads().map(({ text }) => text),
    [':status: 200', ':status: 200', 'x: y'],
  );
});

test('cookie crumbs are one field, Host gives way to the authority, and a lone Host is the authority', async () => {
  await using server = await new TestServer().start();
  const cookies = [['cookie', 'a=b'] as const, ['host', 'other'] as const, ['cookie', 'c=d'] as const];
  const hosted = [...GET.slice(0, 3), ['host', 'lone'] as const];
  using peer = new RawPeer(server.port).send(HELLO, headers(1, [...GET, ...cookies]), headers(3, hosted));
  await peer.until(() => peer.hasEnded(3));
  assert.deepEqual(server.requests[0]?.head.headers.flat, ['cookie', 'a=b; c=d']);
  assert.deepEqual(
    server.requests.map(({ head }) => head.authority),
    ['a', 'lone'],
  );
});

test('the scheme is told in lower case', async () => {
  await using server = await new TestServer().start();
  const shouted = GET.map(([name, value]) => [name, name === ':scheme' ? value.toUpperCase() : value] as const);
  using peer = new RawPeer(server.port).send(HELLO, headers(1, shouted));
  await peer.until(() => peer.hasEnded(1));
  assert.equal(server.requests[0]?.head.scheme, GET.find(([name]) => name === ':scheme')?.[1]);
});

const malformed: Readonly<Record<string, Parameters<typeof headers>[1]>> = {
  'an upper-case name': [...GET, ['X-A', 'b']],
  'a field of the connection': [...GET, ['connection', 'close']],
  'te that is not trailers': [...GET, ['te', 'gzip']],
  'no path': GET.filter(([name]) => name !== ':path'),
  'an undefined pseudo-header field': [...GET, [':x', 'y']],
  'two paths': [...GET, [':path', '/']],
  'a pseudo-header field after another field': [...GET.slice(1), ['a', 'b'], [':method', 'GET']],
  'a status': [...GET, [':status', '200']],
  'a value that begins with a blank': [...GET, ['a', ' b']],
  'a value with a line end': [...GET, ['a', 'b\r\nc: d']],
  'a value with NUL': [...GET, ['a', '\0']],
  'a name with a blank': [...GET, ['a b', 'c']],
  'an empty name': [...GET, ['', 'c']],
  'two lengths': [...GET, ['content-length', '0'], ['content-length', '0']],
  'a length that is no number': [...GET, ['content-length', '+1']],
  'a length without content': [...GET, ['content-length', '1']],
  'two hosts': [...GET.slice(0, 3), ['host', 'a'], ['host', 'b']],
  'user information': [...GET.slice(0, 3), [':authority', 'u@a']],
  'a path in absolute form': [...GET.slice(0, 2), [':path', 'http://b/'], [':authority', 'a']],
  'CONNECT with a path': [[':method', 'CONNECT'], ...GET.slice(2)],
  'a protocol without CONNECT': [...GET, [':protocol', 'websocket']],
};

for (const [what, fields] of Object.entries(malformed)) {
  test(`${what} ends the stream, or the connection, and is nobody's request`, async () => {
    for (const invalidMessageEndsStream of [true, false]) {
      await using server = await new TestServer(undefined, { invalidMessageEndsStream }).start();
      using peer = new RawPeer(server.port).send(HELLO, headers(1, fields), headers(3, GET));
      if (invalidMessageEndsStream) await peer.until(() => peer.hasEnded(3));
      else await peer.until(() => peer.isClosed);
      assert.equal(invalidMessageEndsStream ? peer.resetErrorOf(1) : peer.goawayError, 'protocol');
      assert.equal(server.requests.length, invalidMessageEndsStream ? 1 : 0);
    }
  });
}

test('content that is not as long as declared ends the stream', async () => {
  await using server = await new TestServer().start();
  const sized = [...POST, ['content-length', '3'] as const];
  using peer = new RawPeer(server.port).send(HELLO, headers(1, sized, false), data(1, 'ab', true));
  peer.send(headers(3, sized, false), data(3, 'abcd', true), headers(5, sized, false), data(5, 'abc', true));
  await peer.until(() => peer.hasEnded(5));
  assert.deepEqual([peer.resetErrorOf(1), peer.resetErrorOf(3)], ['protocol', 'protocol']);
  assert.deepEqual(
    server.requests.map(({ state }) => state),
    ['malformed', 'malformed', 'complete'],
  );
});

test('a head that is too large ends its stream; the connection goes on with its table in step', async () => {
  await using server = await new TestServer().start();
  const indexed = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('a'), Buffer.from([1]), Buffer.from('b')]);
  const large = Buffer.concat([block(GET), indexed, block([['x', 'y'.repeat(9000)]])]);
  using peer = new RawPeer(server.port).send(HELLO, frame(FRAME.headers, 5, 1, large));
  peer.send(frame(FRAME.headers, 5, 3, Buffer.concat([block(GET), Buffer.from([0xbe])])));
  await peer.until(() => peer.hasEnded(3));
  assert.equal(peer.resetErrorOf(1), 'internal');
  assert.equal(server.stats.header_overflow, 1);
  assert.deepEqual(server.requests[0]?.head.headers.flat, ['a', 'b']);
});

test('streams beyond the limit are refused, and told to be safe to retry', async () => {
  await using server = await new TestServer(() => undefined, { maxConcurrentStreams: 2 }).start();
  using peer = new RawPeer(server.port).send(HELLO, headers(1, GET), headers(3, GET), headers(5, GET));
  await peer.until(() => peer.resetErrorOf(5));
  assert.equal(peer.resetErrorOf(5), 'refusedStream');
  peer.send(reset(1, 8), headers(7, GET));
  while (server.requests.length < 3) await new Promise(setImmediate);
  assert.equal(server.requests[0]?.state, 'reset');
});

test('a client that leaves resets every request', async () => {
  await using server = await new TestServer(() => undefined).start();
  using peer = new RawPeer(server.port).send(HELLO, headers(1, GET), headers(3, GET));
  while (server.requests.length < 2) await new Promise(setImmediate);
  peer.socket.destroy();
  while (server.connections.size > 0) await new Promise(setImmediate);
  assert.deepEqual(
    server.requests.map(({ state }) => state),
    ['reset', 'reset'],
  );
  assert.equal(server.stats.streams_active, 0);
});

test('a response is sent as windows allow, and whoever sends it is told when there is room', async () => {
  const body = 'x'.repeat(100_000);
  await using server = await new TestServer(({ stream, head }) => {
    stream.sendHead(new ResponseHead(200), false);
    assert.equal(stream.sendBody(Buffer.from(body)), false);
    if (head.path === '/') stream.sendEnd(undefined);
  }).start();
  using peer = new RawPeer(server.port).send(HELLO, settings([SETTING.initialWindowSize, 10]), headers(1, GET));
  await peer.until(() => peer.body(1).length === 10);
  peer.send(frame(FRAME.windowUpdate, 0, 1, uint32(200_000)));
  await peer.until(() => peer.body(1).length === 65_535);
  peer.send(frame(FRAME.windowUpdate, 0, 0, uint32(200_000)));
  await peer.until(() => peer.hasEnded(1));
  assert.equal(peer.body(1), body);
  assert.equal(server.stats.pending_send_bytes, 0);
  const other = [...GET.slice(0, 2), [':path', '/x'] as const, [':authority', 'a'] as const];
  peer.send(settings([SETTING.initialWindowSize, 1_000_000]), headers(3, other));
  await peer.until(() => peer.body(3).length === body.length);
  while (server.requests[1]?.drains === 0) await new Promise(setImmediate);
});

test('a request that is not taken is held up to the window, and goes on where it was', async () => {
  await using server = await new TestServer(({ stream }, when) => {
    if (when === 'head') stream.pauseRequest();
    else respond(stream, 200, '');
  }).start();
  using peer = new RawPeer(server.port).send(HELLO, headers(1, POST, false));
  const piece = 'abcdefghij'.repeat(100);
  for (let i = 0; i < 60; i++) peer.send(data(1, piece));
  await peer.until(() => server.requests.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(server.requests[0]?.body, '');
  assert.equal(peer.of(FRAME.windowUpdate, 1).length, 0);
  server.requests[0]?.stream.resumeRequest();
  peer.send(data(1, '', true));
  await peer.until(() => peer.hasEnded(1));
  assert.equal(server.requests[0]?.body, piece.repeat(60));
  assert.ok(peer.of(FRAME.windowUpdate, 1).length > 0);
});

test('more than a window ends the stream, more than that of the connection ends it', async () => {
  const options = { connectionWindowBytes: 70_000 };
  await using server = await new TestServer(({ stream }) => stream.pauseRequest(), options).start();
  using peer = new RawPeer(server.port).send(HELLO, headers(1, POST, false), headers(3, POST, false));
  for (let i = 0; i < 5; i++) peer.send(data(1, Buffer.alloc(14_000)));
  await peer.until(() => peer.resetErrorOf(1));
  assert.equal(peer.resetErrorOf(1), 'flowControl');
  for (let i = 0; i < 6; i++) peer.send(data(3, Buffer.alloc(12_000)));
  await peer.until(() => peer.resetErrorOf(3) ?? peer.goawayError);
});

test('an extended CONNECT is told as an Upgrade, and 101 as 200; what comes before is held', async () => {
  await using server = await new TestServer(({ stream, head, state }, when) => {
    if (when === 'end') stream.sendEnd(undefined);
    if (when === 'end' || state !== 'open') return;
    const granted = new ResponseHead(101);
    granted.upgrade = head.upgrade;
    setImmediate(() => {
      stream.becomeTunnel();
      stream.sendHead(granted, false);
      stream.sendBody(Buffer.from('hello'));
    });
  }).start();
  const fields = [[':method', 'CONNECT'] as const, [':protocol', 'websocket'] as const, ...GET.slice(1)];
  using peer = new RawPeer(server.port).send(HELLO, headers(1, fields, false), data(1, 'early'));
  await peer.until(() => peer.body(1) === 'hello');
  const [request] = server.requests;
  assert.deepEqual([request?.head.method, request?.head.upgrade], ['GET', 'websocket']);
  assert.match(request?.head.headers.get('sec-websocket-key') ?? '', /^[\w+/]{22}==$/);
  peer.send(data(1, ' late', true));
  await peer.until(() => peer.hasEnded(1));
  assert.equal(request?.body, 'early late');
  assert.equal(peer.heads()[0]?.text, ':status: 200');
});

test('a tunnel of which the far connection breaks is reset with the code for that', async () => {
  await using server = await new TestServer(({ stream, head }, when) => {
    if (when === 'end') return;
    setImmediate(() => {
      stream.becomeTunnel();
      stream.sendHead(new ResponseHead(head.method === 'CONNECT' ? 200 : 101), false);
      stream.abort();
    });
  }).start();
  const connect = [':method', 'CONNECT'] as const;
  using peer = new RawPeer(server.port).send(
    HELLO,
    headers(1, [connect, [':authority', 'a:80']], false),
    headers(3, [connect, [':protocol', 'websocket'], ...GET.slice(1)], false),
  );
  await peer.until(() => peer.resetErrorOf(1) && peer.resetErrorOf(3));
  assert.deepEqual([peer.resetErrorOf(1), peer.resetErrorOf(3)], ['connect', 'cancel']);
});

test('a drain tells the client, serves what is under way, and closes', async () => {
  await using server = await new TestServer(() => undefined).start();
  using peer = new RawPeer(server.port).send(HELLO, headers(1, GET));
  await peer.until(() => server.requests.length === 1);
  for (const connection of server.connections) connection.drain();
  await peer.until(() => peer.of(FRAME.goaway).length === 1);
  assert.equal(peer.of(FRAME.goaway)[0]?.payload.readUInt32BE(0), MAX_STREAM_ID);
  const ping = peer.of(FRAME.ping)[0]?.payload ?? Buffer.alloc(0);
  peer.send(headers(3, GET), frame(FRAME.ping, 1, 0, ping), headers(5, GET));
  await peer.until(() => peer.of(FRAME.goaway).length === 2);
  assert.equal(peer.of(FRAME.goaway)[1]?.payload.readUInt32BE(0), 3);
  assert.equal(server.requests.length, 2);
  // What else comes on streams beyond the last one is ignored, too (RFC 9113, 6.8).
  peer.send(headers(7, POST, false), data(7, 'late'), frame(FRAME.windowUpdate, 0, 7, uint32(1)));
  peer.send(headers(7, [['x-late', '1']]), headers(9, POST, false), reset(9), frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
  await peer.until(() => peer.of(FRAME.ping).some(({ flags }) => flags === 1));
  assert.equal(peer.goawayError, 'none');
  for (const { stream } of server.requests) respond(stream, 200, 'done');
  await peer.until(() => peer.isClosed);
  assert.deepEqual([peer.body(1), peer.body(3)], ['done', 'done']);
});

test('an unused connection is closed after its time; so is one that does not answer a PING', async () => {
  await using idle = await new TestServer(undefined, { idleTimeoutMs: 100 }).start();
  using first = new RawPeer(idle.port).send(HELLO);
  await first.until(() => first.isClosed);
  assert.equal(first.goawayError, 'none');
  assert.deepEqual(idle.errors, ['idle']);
  await using silent = await new TestServer(undefined, {
    keepalive: { intervalMs: 50, jitterMs: 0, timeoutMs: 50 },
  }).start();
  using second = new RawPeer(silent.port).send(HELLO);
  await second.until(() => second.isClosed);
  assert.equal(silent.stats.keepalive_timeout, 1);
});

test('a head that does not come whole in time is answered, and the connection ends', async () => {
  await using server = await new TestServer(undefined, { requestHeadersTimeoutMs: 100 }).start();
  using peer = new RawPeer(server.port).send(HELLO, frame(FRAME.headers, 1, 1, block(GET)));
  await peer.until(() => peer.isClosed);
  assert.equal(peer.heads()[0]?.text, ':status: 408');
});

test('an answer that nobody takes frees its stream in time', async () => {
  const options = { flushTimeoutMs: 100 };
  await using server = await new TestServer(({ stream }) => respond(stream, 200, 'body'), options).start();
  using peer = new RawPeer(server.port).send(HELLO, settings([SETTING.initialWindowSize, 0]), headers(1, GET));
  await peer.until(() => peer.resetErrorOf(1));
  assert.equal(server.stats.tx_flush_timeout, 1);
  assert.equal(server.stats.streams_active, 0);
});

test('a request that is answered before its end may end a while later, and is then told to stop', async () => {
  await using server = await new TestServer(({ stream }) => respond(stream, 200, 'early')).start();
  using peer = new RawPeer(server.port).send(HELLO, headers(1, POST, false));
  await peer.until(() => peer.hasEnded(1));
  peer.send(data(1, 'more'));
  await peer.until(() => peer.resetErrorOf(1));
  assert.equal(peer.resetErrorOf(1), 'none');
});
