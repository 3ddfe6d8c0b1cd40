import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { until } from '../testing/until.ts';
import { Upstream } from './testing/upstream.ts';

const OK = 'HTTP/1.1 200 OK\r\n';

/** Responses that are complete; `true`: the connection serves another request. */
const COMPLETE: readonly (readonly [
  what: string,
  bytes: string,
  told: readonly string[],
  isKept: boolean,
  options?: object,
])[] = [
  ['a length', `${OK}Content-Length: 5\r\n\r\nhello`, ['head 200 5 content-length 5', 'body hello', 'end'], true],
  ['a length of 0', `${OK}Content-Length: 0\r\n\r\n`, ['head 200 0 end content-length 0', 'end'], true],
  [
    'chunks and trailers',
    `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n`,
    ['head 200 -1', 'body hello', 'end x y'],
    true,
  ],
  ['no reason phrase', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', ['head 200 0 end content-length 0', 'end'], true],
  [
    'the end of the connection as the end of the body',
    `${OK}\r\nhello`,
    ['head 200 -1', 'body hello', 'end'],
    false,
    { ends: true },
  ],
  [
    'Connection: close',
    `${OK}Connection: close\r\nContent-Length: 0\r\n\r\n`,
    ['head 200 0 end content-length 0', 'end'],
    false,
  ],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n', ['head 200 0 end content-length 0', 'end'], false],
  [
    'HTTP/1.0 that keeps alive',
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n',
    ['head 200 0 end content-length 0', 'end'],
    true,
  ],
  ['204 without a length', 'HTTP/1.1 204 No Content\r\n\r\n', ['head 204 0 end', 'end'], true],
  [
    '204 with a length, which means nothing',
    'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n',
    ['head 204 0 end', 'end'],
    true,
  ],
  [
    '204 with a length of what may come nevertheless',
    'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n',
    ['head 204 0 end', 'end'],
    false,
  ],
  [
    '204 with chunks that may come nevertheless',
    'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n',
    ['head 204 0 end', 'end'],
    false,
  ],
  [
    'a later minor version',
    'HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n',
    ['head 200 0 end content-length 0', 'end'],
    true,
  ],
  [
    '304 with the length of what it stands for',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
    ['head 304 0 end content-length 5', 'end'],
    true,
  ],
  [
    'the answer to HEAD',
    `${OK}Content-Length: 5\r\n\r\n`,
    ['head 200 0 end content-length 5', 'end'],
    true,
    { method: 'HEAD' },
  ],
  [
    'the answer to HEAD with an encoding',
    `${OK}Transfer-Encoding: chunked\r\n\r\n`,
    ['head 200 0 end', 'end'],
    true,
    { method: 'HEAD' },
  ],
  [
    'informational answers before it',
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${OK}Content-Length: 0\r\n\r\n`,
    ['informational 100', 'informational 103', 'head 200 0 end content-length 0', 'end'],
    true,
  ],
  [
    'fields of this hop',
    `${OK}Connection: x-a\r\nX-A: 1\r\nKeep-Alive: timeout=60\r\nContent-Length: 0\r\n\r\n`,
    ['head 200 0 end content-length 0', 'end'],
    true,
  ],
  [
    'a server that closes in a second',
    `${OK}Keep-Alive: timeout=1\r\nContent-Length: 0\r\n\r\n`,
    ['head 200 0 end content-length 0', 'end'],
    false,
  ],
  [
    'another answer behind it',
    `${OK}Content-Length: 0\r\n\r\n${OK}Content-Length: 0\r\n\r\n`,
    ['head 200 0 end content-length 0', 'end'],
    false,
  ],
  [
    'more bytes than its length',
    `${OK}Content-Length: 5\r\n\r\nhelloX`,
    ['head 200 5 content-length 5', 'body hello', 'end'],
    false,
  ],
  ['more bytes than its chunks', `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n\r\n`, ['head 200 -1', 'end'], false],
  ['a body where none may be', 'HTTP/1.1 204 No Content\r\n\r\nhello', ['head 204 0 end', 'end'], false],
  [
    'a refusal of CONNECT',
    'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno',
    ['head 403 2 content-length 2', 'body no', 'end'],
    false,
    { method: 'CONNECT' },
  ],
];

for (const [what, bytes, told, isKept, options] of COMPLETE) {
  test(`a response with ${what} is complete, and its connection is ${isKept ? 'kept' : 'not used again'}`, async () => {
    await using upstream = await new Upstream().start();
    assert.deepEqual(await upstream.answer(bytes, options), told);
    assert.equal(upstream.connection.isUsable, isKept);
    assert.equal(upstream.idle, isKept ? 1 : 0);
    if (isKept) assert.deepEqual((await upstream.answer(`${OK}Content-Length: 0\r\n\r\n`)).at(-1), 'end');
    else
      await until(
        () => upstream.isGone,
        () => 'the connection is still there',
      );
  });
}

/** Responses that break the protocol; what was told of them before may have been passed on. */
const BROKEN: readonly (readonly [what: string, bytes: string, options?: object])[] = [
  ['a length beside an encoding', `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['two lengths', `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`],
  ['two equal lengths', `${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  ['a negative length', `${OK}Content-Length: -1\r\n\r\n`],
  ['an encoding that is not chunked', `${OK}Transfer-Encoding: identity\r\n\r\nhello`],
  ['a coding that is not undone', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ['an encoding in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a bare LF', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
  ['a bare LF in a value', `${OK}X: a\nY: b\r\nContent-Length: 0\r\n\r\n`],
  ['a bare CR in a value', `${OK}X: a\rY: b\r\nContent-Length: 0\r\n\r\n`],
  ['a NUL', `${OK}X: a\0\r\nContent-Length: 0\r\n\r\n`],
  ['a folded field', `${OK}X: a\r\n b\r\nContent-Length: 0\r\n\r\n`],
  ['a space before a colon', `${OK}X : a\r\nContent-Length: 0\r\n\r\n`],
  ['an empty line before it', `\r\n${OK}Content-Length: 0\r\n\r\n`],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a status beyond 599', 'HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n'],
  ['a status below 100', 'HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n'],
  ['another version', 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
  ['a control character in the reason', 'HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n'],
  [
    'a switch that nobody asked for',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  ],
  [
    'a switch to what was not asked for',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
    { upgrade: 'websocket' },
  ],
  ['a switch to nothing', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', { upgrade: 'websocket' }],
  [
    'a switch for CONNECT',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
    { method: 'CONNECT' },
  ],
  ['a chunk size that is none', `${OK}Transfer-Encoding: chunked\r\n\r\nx\r\n`],
  ['a chunk that is longer than its size', `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n`],
  ['a head that is too long', `${OK}X: ${'a'.repeat(9000)}\r\n\r\n`],
  ['too many fields', `${OK}${'X: y\r\n'.repeat(51)}\r\n`],
  ['informational answers without end', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(300)],
  ['an end in the middle of a length', `${OK}Content-Length: 9\r\n\r\nhello`, { ends: true }],
  ['an end in the middle of a chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n9\r\nhello`, { ends: true }],
  ['an end before the last chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, { ends: true }],
  ['an end within the last chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n`, { ends: true }],
];

for (const [what, bytes, options] of BROKEN) {
  test(`a response with ${what} is a protocol error, never complete`, async () => {
    await using upstream = await new Upstream().start();
    const told = await upstream.answer(bytes, options);
    assert.equal(told.at(-1), 'reset protocol-error');
    assert.ok(!told.some((line) => line.startsWith('end')));
    assert.equal(upstream.connection.isUsable, false);
    await until(
      () => upstream.isGone,
      () => 'the connection is still there',
    );
  });
}

test('a connection that ends before any byte of an answer says whether it was used before', async () => {
  await using fresh = await new Upstream().start();
  await using used = await new Upstream().start();
  await using begun = await new Upstream().start();
  assert.deepEqual(await fresh.answer('', { ends: true }), ['reset connection-termination']);
  await used.answer(`${OK}Content-Length: 0\r\n\r\n`);
  assert.deepEqual(await used.answer('', { ends: true }), ['reset connection-termination reused']);
  await begun.answer(`${OK}Content-Length: 0\r\n\r\n`);
  const told = await begun.answer('HTTP/1.1 200', { ends: true });
  assert.match(told.at(-1) ?? '', /^reset [a-z-]+$/, 'part of an answer came, so the request was read');
});

test('an answer that nobody asked for ends the connection', async () => {
  await using upstream = await new Upstream().start();
  upstream.socket.write(`${OK}Content-Length: 0\r\n\r\n`);
  await until(
    () => upstream.closed !== undefined,
    () => 'still open',
  );
  assert.equal(upstream.closed, 'protocol-error');
});

const head = (bodyLength: number, fields: string[] = [], method = 'POST'): RequestHead => {
  const made = new RequestHead(method, '/x', 'a.example', '', new HeaderList(fields));
  made.bodyLength = bodyLength;
  return made;
};

test('a request goes out as it is, with the framing of its body', async () => {
  await using upstream = await new Upstream().start();
  const { stream, telling } = upstream.begin(head(-1, ['x', 'y\xff']), false);
  stream.sendBody(Buffer.from('hello'));
  stream.sendBody(Buffer.alloc(0));
  stream.sendEnd(new HeaderList(['t', '1', 'content-length', '9']));
  await upstream.receives('\r\n0\r\nt: 1\r\n\r\n');
  assert.equal(
    upstream.received,
    'POST /x HTTP/1.1\r\nhost: a.example\r\nx: y\xff\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nt: 1\r\n\r\n',
  );
  upstream.socket.write(`${OK}Content-Length: 0\r\n\r\n`);
  await until(
    () => telling.isOver,
    () => telling.told,
  );
  upstream.received = '';
  const second = upstream.begin(head(5, ['content-length', '5']), false);
  second.stream.sendBody(Buffer.from('hello'));
  second.stream.sendEnd(undefined);
  await upstream.receives('hello');
  assert.equal(upstream.received, 'POST /x HTTP/1.1\r\nhost: a.example\r\ncontent-length: 5\r\n\r\nhello');
});

test('an answer that is complete before the request is costs the connection', async () => {
  await using upstream = await new Upstream().start();
  const { telling, stream } = upstream.begin(head(100, ['content-length', '100']), false);
  stream.sendBody(Buffer.from('hello'));
  await upstream.receives('hello');
  upstream.socket.write(`${OK}Content-Length: 0\r\n\r\n`);
  await until(
    () => telling.isOver,
    () => telling.told,
  );
  assert.equal(telling.told.at(-1), 'end');
  assert.equal(upstream.connection.isUsable, false);
  await until(
    () => upstream.isGone,
    () => 'still open',
  );
});

test('an answer that came before the upstream closed is heard though the rest of the request could not be sent', async () => {
  await using upstream = await new Upstream().start();
  const head = new RequestHead('POST', '/', 'a', '', new HeaderList(['content-length', '1000000']));
  head.bodyLength = 1_000_000;
  const { telling, stream } = upstream.begin(head, false);
  await upstream.receives('content-length: 1000000');
  // All in one turn: the write that fails comes before the answer is read.
  upstream.socket.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig');
  upstream.socket.resetAndDestroy();
  stream.sendBody(Buffer.alloc(100_000));
  await until(() => telling.isOver);
  assert.deepEqual(telling.told, ['head 413 3 content-length 3', 'body big', 'end']);
  await until(() => upstream.closed !== undefined);
});

test('an upstream that closed without an answer is told of as soon as a request cannot be sent', async () => {
  await using upstream = await new Upstream().start();
  const { telling, stream } = upstream.begin(new RequestHead('POST', '/', 'a', '', new HeaderList()), false);
  await upstream.receives('POST');
  upstream.socket.resetAndDestroy();
  stream.sendBody(Buffer.alloc(100_000));
  await until(() => telling.isOver);
  assert.deepEqual(telling.told, ['reset connection-termination']);
});

test('an answer that goes on until the upstream closes is not whole with a reset that a write came upon', async () => {
  await using upstream = await new Upstream().start();
  const { telling, stream } = upstream.begin(new RequestHead('POST', '/', 'a', '', new HeaderList()), false);
  await upstream.receives('POST');
  upstream.socket.write(`${OK}\r\npart`);
  upstream.socket.resetAndDestroy();
  stream.sendBody(Buffer.alloc(100_000));
  await until(() => telling.isOver);
  assert.deepEqual(telling.told, ['head 200 -1', 'body part', 'reset protocol-error']);
});

test('a request that is taken back is gone at the upstream', async () => {
  await using upstream = await new Upstream().start();
  const { telling, stream } = upstream.begin(head(0, [], 'GET'));
  await upstream.receives('\r\n\r\n');
  stream.abort();
  await until(
    () => upstream.isGone,
    () => 'still open',
  );
  assert.deepEqual(telling.told, []);
  assert.equal(upstream.closed, 'local');
});

test('a response that nobody wants is read to its end, and the connection kept', async () => {
  await using upstream = await new Upstream().start();
  const { telling, stream } = upstream.begin(head(0, [], 'GET'));
  await upstream.receives('\r\n\r\n');
  upstream.socket.write(`${OK}Content-Length: 5\r\n\r\nhe`);
  await until(
    () => telling.told.length === 2,
    () => telling.told,
  );
  stream.discardResponse();
  upstream.socket.write('llo');
  await until(
    () => upstream.idle === 1,
    () => 'never idle',
  );
  assert.equal(telling.told.length, 2);
  assert.equal(upstream.connection.isUsable, true);
});

test('a connection ends when it is unused for too long, or has served enough', async () => {
  await using idle = await new Upstream().start({ idleTimeoutMs: 20 });
  await using worn = await new Upstream().start({ maxRequests: 2 });
  await until(
    () => idle.closed !== undefined,
    () => 'still open',
  );
  assert.equal(idle.closed, 'idle');
  await worn.answer(`${OK}Content-Length: 0\r\n\r\n`);
  await worn.answer(`${OK}Content-Length: 0\r\n\r\n`);
  assert.equal(worn.closed, 'max-requests');
});

test('a granted Upgrade carries bytes both ways until both sides have ended', async () => {
  await using upstream = await new Upstream().start();
  const wanted = head(0, [], 'GET');
  wanted.upgrade = 'websocket';
  const { telling, stream } = upstream.begin(wanted, false);
  await upstream.receives('connection: upgrade\r\nupgrade: websocket\r\n\r\n');
  upstream.socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\nearly');
  await until(
    () => telling.told.length === 2,
    () => telling.told,
  );
  stream.sendBody(Buffer.from('up'));
  await upstream.receives('up');
  upstream.socket.end('last');
  await until(
    () => telling.isOver,
    () => telling.told,
  );
  assert.deepEqual(telling.told, ['head 101 0', 'body early', 'body last', 'end']);
  stream.sendBody(Buffer.from('more'));
  await upstream.receives('upmore');
  stream.sendEnd(undefined);
  await until(
    () => upstream.isGone,
    () => 'still open',
  );
  assert.equal(upstream.closed, 'local');
});

test('an upstream that breaks a tunnel off is told as a reset', async () => {
  await using upstream = await new Upstream().start();
  const told = await upstream.answer('HTTP/1.1 200 OK\r\n\r\nx', { method: 'CONNECT', lines: 2 });
  upstream.socket.resetAndDestroy();
  await until(
    () => told.length === 3,
    () => told,
  );
  assert.equal(told.at(-1), 'reset connection-termination');
});

test('an upstream that breaks a tunnel off after it has ended its half is told as a reset', {
  skip: process.platform !== 'linux' && 'only Linux tells of ends behind others',
}, async () => {
  await using upstream = await new Upstream().start();
  const told = await upstream.answer('HTTP/1.1 200 OK\r\n\r\nx', { method: 'CONNECT', lines: 2 });
  upstream.socket.end();
  await until(
    () => told.length === 3,
    () => told,
  );
  assert.equal(told.at(-1), 'end');
  upstream.socket.resetAndDestroy();
  await until(
    () => told.length === 4,
    () => told,
  );
  assert.equal(told.at(-1), 'reset connection-termination');
});

test('an upstream that breaks a tunnel off is told as a reset where a write came upon that, too', async () => {
  await using upstream = await new Upstream().start();
  const { telling, stream } = upstream.begin(new RequestHead('CONNECT', '', 'a:80', '', new HeaderList()), false);
  await upstream.receives('CONNECT');
  upstream.socket.write('HTTP/1.1 200 OK\r\n\r\nx');
  await until(() => telling.told.length === 2);
  upstream.socket.resetAndDestroy();
  stream.sendBody(Buffer.alloc(100_000));
  await until(() => telling.isOver);
  assert.deepEqual(telling.told, ['head 200 0', 'body x', 'reset connection-termination']);
});
