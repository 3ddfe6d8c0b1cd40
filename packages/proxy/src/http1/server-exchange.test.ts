import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderList } from '../http/header-list.ts';
import { ResponseHead } from '../http/message.ts';
import type { SeenRequest } from '../http/testing/recording-server.ts';
import { echo, RawClient, respond, TestServer } from './testing/server.ts';

const get = (path: string, fields = '', version = '1.1'): string =>
  `GET ${path} HTTP/${version}\r\nHost: a.example\r\n${fields}\r\n`;
const count = (received: string): number => received.split('HTTP/1.1 ').length - 1;

test('requests that were sent ahead are answered in order, though the first takes long', async () => {
  const held: SeenRequest[] = [];
  await using server = await new TestServer((request, when) => {
    if (when === 'end' && request.head.path === '/slow') held.push(request);
    else echo(request, when);
  }).start();
  using client = new RawClient(server.port);
  client.send(get('/slow') + get('/2') + get('/3'));
  await client.until(() => held.length === 1);
  assert.equal(server.requests.length, 1, 'the second waits for the first');
  assert.equal(client.received, '');
  respond(held[0]!.stream, 200, 'slow');
  const received = await client.until((c) => c.received.includes('x-path: /3'));
  assert.match(received, /\r\n\r\nslow.*x-path: \/2.*x-path: \/3/s);
  assert.equal(count(received), 3);
});

test('thousands of requests in one piece are answered one by one, without going deeper for each', async () => {
  await using server = await new TestServer((request, when) => {
    if (when === 'head') respond(request.stream, 404, '');
  }).start();
  using client = new RawClient(server.port);
  client.send(get('/').repeat(20_000));
  const received = await client.until((c) => count(c.received) === 20_000);
  assert.equal(count(received), 20_000);
});

test('what a client sends ahead of a slow answer is not read without end', async () => {
  await using server = await new TestServer((request, when) => {
    if (when === 'end' && request.head.path !== '/slow') echo(request, when);
  }).start();
  using client = new RawClient(server.port);
  client.send(get('/slow'));
  await client.until(() => server.requests.length === 1);
  const flood = Buffer.from(get('/next').repeat(1000));
  for (let i = 0; i < 1000; i++) client.socket.write(flood);
  let before = -1;
  await client.until((c) => {
    const isStuck = before === c.socket.writableLength;
    before = c.socket.writableLength;
    return isStuck && before > 0;
  });
  respond(server.requests[0]!.stream, 200, '');
  await client.until((c) => count(c.received) > 1000);
});

test('HEAD, 204 and 304 have no body, and the next answer follows at once', async () => {
  await using server = await new TestServer(({ stream, head }, when) => {
    if (when !== 'end') return;
    const status = Number(head.path.slice(1));
    const answer = new ResponseHead(status, new HeaderList(status === 200 ? ['content-length', '5'] : []));
    stream.sendHead(answer, true);
    stream.sendEnd(undefined);
  }).start();
  using client = new RawClient(server.port);
  client.send(`HEAD /200 HTTP/1.1\r\nHost: a\r\n\r\n${get('/204')}${get('/304')}${get('/404')}`);
  const received = await client.until((c) => c.received.includes('404 Not Found\r\ncontent-length: 0\r\n\r\n'));
  assert.equal(
    received,
    'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n' +
      'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n',
  );
});

const stream200 = (request: SeenRequest, when: 'head' | 'end', trailers?: string[]): void => {
  if (when !== 'end') return;
  request.stream.sendHead(new ResponseHead(200), false);
  request.stream.sendBody(Buffer.from('hello'));
  request.stream.sendEnd(trailers && new HeaderList(trailers));
};

test('a body of unknown length goes in chunks, with trailers that may stand there', async () => {
  await using server = await new TestServer((request, when) =>
    stream200(request, when, ['x-sum', '1', 'content-length', '9', 'set-cookie', 'a', 'transfer-encoding', 'x']),
  ).start();
  using client = new RawClient(server.port);
  const received = await client
    .send(get('/'))
    .until((c) => c.received.endsWith('\r\n\r\n') && count(c.received) === 1 && c.received.includes('0\r\n'));
  assert.equal(received, 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n');
});

test('to HTTP/1.0 a body of unknown length ends with the connection', async () => {
  await using server = await new TestServer(stream200).start();
  using client = new RawClient(server.port);
  const received = await client.send(get('/', 'Connection: keep-alive\r\n', '1.0')).toEnd();
  assert.equal(received, 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello');
});

test('HTTP/1.0 stays connected only where the client asks for it', async () => {
  await using server = await new TestServer().start();
  using client = new RawClient(server.port);
  client.send(get('/1', 'Connection: Keep-Alive\r\n', '1.0'));
  await client.until((c) => c.received.includes('x-path: /1\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n'));
  const received = await client.send(get('/2', '', '1.0')).toEnd();
  assert.match(received, /x-path: \/2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n$/);
});

test('HTTP/1.0 is refused where it is not accepted, and needs a Host where none is set for it', async () => {
  await using strict = await new TestServer(echo, { acceptsHttp10: false }).start();
  await using hostless = await new TestServer(echo, { defaultHostForHttp10: 'default.example' }).start();
  await using lax = await new TestServer().start();
  const bytes = 'GET / HTTP/1.0\r\n\r\n';
  using refused = new RawClient(strict.port);
  using served = new RawClient(hostless.port);
  using missing = new RawClient(lax.port);
  assert.match(await refused.send(bytes).toEnd(), /^HTTP\/1\.1 426 /);
  assert.match(await served.send(bytes).toEnd(), /^HTTP\/1\.1 200 /);
  assert.equal(hostless.requests[0]?.head.authority, 'default.example');
  assert.match(await missing.send(bytes).toEnd(), /^HTTP\/1\.1 400 /);
});

test('Connection: close ends the connection after the answer, and what follows is not served', async () => {
  await using server = await new TestServer().start();
  using client = new RawClient(server.port);
  const received = await client.send(get('/1', 'Connection: close\r\n') + get('/2')).toEnd();
  assert.equal(count(received), 1);
  assert.match(received, /\r\nconnection: close\r\n/);
  assert.equal(server.requests.length, 1);
});

test('a connection ends after as many requests as it may serve', async () => {
  await using server = await new TestServer(echo, { maxRequests: 2 }).start();
  using client = new RawClient(server.port);
  const received = await client.send(get('/1') + get('/2') + get('/3')).toEnd();
  assert.equal(count(received), 2);
  assert.match(received, /x-path: \/2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n$/);
});

const upload = (fields: string): string => `POST / HTTP/1.1\r\nHost: a.example\r\n${fields}\r\n`;

test('a client that waits for a 100 gets it, and its body is taken', async () => {
  await using server = await new TestServer((request, when) => {
    if (when === 'head') request.stream.sendInformational(new ResponseHead(100));
    else echo(request, when);
  }).start();
  using client = new RawClient(server.port);
  client.send(upload('Content-Length: 5\r\nExpect: 100-continue\r\n'));
  await client.until((c) => c.received === 'HTTP/1.1 100 Continue\r\n\r\n');
  assert.match(await client.send('hello').until((c) => c.received.includes('hello')), /200 OK/);
});

test('a client that waits for a 100 and is refused is not read any further', async () => {
  await using server = await new TestServer((request, when) => {
    if (when === 'head') setImmediate(() => respond(request.stream, 401, 'no'));
  }).start();
  using client = new RawClient(server.port);
  client.send(upload('Content-Length: 5\r\nExpect: 100-continue\r\n'));
  await client.until((c) => c.received.includes('no'));
  assert.match(client.received, /\r\nconnection: close\r\n/);
  await client.send(get('/smuggled')).toEnd();
  assert.equal(server.requests.length, 1);
});

const refuseAtOnce = (request: SeenRequest, when: 'head' | 'end'): void => {
  if (when === 'head') respond(request.stream, 404, 'none');
};

test('a body that comes with the head of a refused request does not cost the connection', async () => {
  await using server = await new TestServer(refuseAtOnce).start();
  using client = new RawClient(server.port);
  const request = `${upload('Content-Length: 5\r\n')}hello`;
  const received = await client.send(request + request).until((c) => count(c.received) === 2);
  assert.doesNotMatch(received, /connection: close/);
});

test('a body that is still to come after a refusal is not waited for', async () => {
  await using server = await new TestServer(refuseAtOnce).start();
  using client = new RawClient(server.port);
  const received = await client.send(`${upload('Content-Length: 50\r\n')}hello`).toEnd();
  assert.match(received, /^HTTP\/1\.1 404 .*connection: close\r\n\r\nnone$/s);
});

test('a body that breaks the protocol after a refusal gets no second answer', async () => {
  await using server = await new TestServer(refuseAtOnce).start();
  using client = new RawClient(server.port);
  const received = await client.send(`${upload('Transfer-Encoding: chunked\r\n')}zz\r\n`).toEnd();
  assert.equal(count(received), 1);
});

test('an answer that is over before the request is ends the connection, and nothing after it is served', async () => {
  await using server = await new TestServer((request, when) => {
    if (when === 'head') setImmediate(() => respond(request.stream, 413, 'too much'));
  }).start();
  using client = new RawClient(server.port);
  const received = await client.send(`${upload('Content-Length: 500000\r\n')}${get('/smuggled')}`).toEnd();
  assert.equal(count(received), 1);
  assert.match(received, /^HTTP\/1\.1 413 .*\r\nconnection: close\r\n/s);
  assert.equal(server.requests.length, 1);
});

test('an answer that begins before the request is over says that the connection ends with it, as it may be over first', async () => {
  await using server = await new TestServer((request, when) => {
    if (when === 'head') setImmediate(() => request.stream.sendHead(new ResponseHead(200, new HeaderList()), false));
    if (when === 'end') request.stream.sendEnd(undefined);
  }).start();
  using client = new RawClient(server.port);
  const head = await client.send(upload('Content-Length: 4\r\n')).until((c) => c.received !== '');
  assert.match(head, /\r\nconnection: close\r\n/);
  assert.equal(count(await client.send(`body${get('/next')}`).toEnd()), 1);
});

test('a head that does not come whole is answered with 408; line ends before it do not start its time', async () => {
  await using server = await new TestServer(echo, { requestHeadersTimeoutMs: 50 }).start();
  using idle = new RawClient(server.port);
  using slow = new RawClient(server.port);
  using second = new RawClient(server.port);
  idle.send('\r\n');
  slow.send('GET / HT');
  second.send(`${get('/1')}GET /2`);
  assert.match(await slow.toEnd(), /^HTTP\/1\.1 408 /);
  assert.match(await second.toEnd(), /^HTTP\/1\.1 200 .*HTTP\/1\.1 408 /s);
  assert.match(await idle.send(get('/')).until((c) => c.received !== ''), /^HTTP\/1\.1 200 /);
});

test('part of a head that follows an answered request has a deadline too', async () => {
  await using server = await new TestServer(refuseAtOnce, { requestHeadersTimeoutMs: 50 }).start();
  using client = new RawClient(server.port);
  assert.match(await client.send(`${get('/1')}GET /2`).toEnd(), /404 .*HTTP\/1\.1 408 /s);
});

test('a connection without a request ends when its time is over, and when it is drained', async () => {
  await using server = await new TestServer(echo, { idleTimeoutMs: 50 }).start();
  await using patient = await new TestServer().start();
  using client = new RawClient(server.port);
  using drained = new RawClient(patient.port);
  await client.send(get('/')).until((c) => c.received !== '');
  await client.toEnd();
  await drained.send(get('/')).until((c) => c.received !== '');
  for (const connection of patient.connections) connection.drain();
  await drained.toEnd();
});

test('a connection that is drained while it serves says so in the answer', async () => {
  await using server = await new TestServer((request, when) => {
    if (when === 'head') for (const connection of server.connections) connection.drain();
    else echo(request, when);
  }).start();
  using client = new RawClient(server.port);
  assert.match(await client.send(get('/')).toEnd(), /\r\nconnection: close\r\n/);
});

test('a client that leaves is told to whoever serves its request', async () => {
  await using server = await new TestServer(() => undefined).start();
  using client = new RawClient(server.port);
  client.send(get('/'));
  await client.until(() => server.requests.length === 1);
  client.socket.end();
  await client.until(() => server.requests[0]?.state === 'reset');
});

const upgradeHead = (): ResponseHead => {
  const head = new ResponseHead(101);
  head.upgrade = 'websocket';
  return head;
};
const UPGRADE = 'Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: x\r\n';

for (const isAtOnce of [true, false]) {
  test(`an Upgrade that is granted ${isAtOnce ? 'at once' : 'later'} carries bytes both ways, those sent ahead among them`, async () => {
    await using server = await new TestServer(({ stream }, when) => {
      if (when !== 'head') return;
      const grant = (): void => {
        stream.becomeTunnel();
        stream.sendHead(upgradeHead(), false);
      };
      if (isAtOnce) grant();
      else setImmediate(grant);
    }).start();
    using client = new RawClient(server.port);
    client.send(`${get('/', UPGRADE)}early`);
    await client.until((c) => c.received !== '' && server.requests[0]?.body === 'early');
    assert.equal(
      client.received,
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    );
    const [request] = server.requests;
    client.send(' GET / HTTP/1.1\r\n\r\n');
    await client.until(() => request!.body === 'early GET / HTTP/1.1\r\n\r\n');
    request!.stream.sendBody(Buffer.from('\0frame'));
    await client.until((c) => c.received.endsWith('\0frame'));
    client.socket.end();
    await client.until(() => request!.state === 'complete');
    request!.stream.sendBody(Buffer.from('last'));
    request!.stream.sendEnd(undefined);
    assert.match(await client.toEnd(), /last$/);
  });
}

/** A server that grants each tunnel at once. */
const tunnels = (): Promise<TestServer> =>
  new TestServer(({ stream }, when) => {
    if (when !== 'head') return;
    stream.becomeTunnel();
    stream.sendHead(upgradeHead(), false);
  }).start();

const onLinux = { skip: process.platform !== 'linux' && 'only Linux tells of ends behind bytes', timeout: 30_000 };

test('a tunnel that both sides ended is over though nobody takes what the client sent', onLinux, async () => {
  await using server = await tunnels();
  using client = new RawClient(server.port);
  client.send(get('/', UPGRADE));
  await client.until((c) => c.received !== '');
  const [request] = server.requests;
  request!.stream.pauseRequest();
  request!.stream.sendEnd(undefined);
  client.send('nobody takes this');
  client.socket.end();
  await client.until(() => request!.state === 'reset');
  assert.equal(server.connections.size, 0);
});

test(
  'a tunnel that is held up when both sides end it brings what the client sent once it goes on',
  onLinux,
  async () => {
    await using server = await tunnels();
    using client = new RawClient(server.port);
    client.send(get('/', UPGRADE));
    await client.until((c) => c.received !== '');
    const [request] = server.requests;
    request!.stream.pauseRequest();
    request!.stream.sendEnd(undefined);
    client.socket.end('the last words');
    await client.toEnd();
    request!.stream.resumeRequest();
    await client.until(() => request!.state === 'complete');
    assert.equal(request!.body, 'the last words');
  },
);

test('a client that resets its connection after it ended its half of a tunnel is found gone', onLinux, async () => {
  await using server = await tunnels();
  using client = new RawClient(server.port);
  client.send(get('/', UPGRADE));
  await client.until((c) => c.received !== '');
  client.socket.end();
  await client.until(() => server.requests[0]?.state === 'complete');
  client.socket.resetAndDestroy();
  await client.until(() => server.connections.size === 0);
});

test('an Upgrade that is refused leaves a connection that serves the next request', async () => {
  await using server = await new TestServer((request, when) => {
    if (when === 'head' && request.head.upgrade) respond(request.stream, 403, 'no');
    else echo(request, when);
  }).start();
  using client = new RawClient(server.port);
  const received = await client.send(get('/', UPGRADE) + get('/2')).until((c) => c.received.includes('/2'));
  assert.match(received, /^HTTP\/1\.1 403 .*no.*HTTP\/1\.1 200 /s);
});

test('much that is sent ahead of a granted tunnel comes through', async () => {
  await using server = await new TestServer(({ stream }, when) => {
    if (when !== 'head') return;
    const grant = (): void => {
      stream.becomeTunnel();
      stream.sendHead(upgradeHead(), false);
    };
    setTimeout(grant, 100);
  }).start();
  using client = new RawClient(server.port);
  client.send(get('/', UPGRADE) + 'x'.repeat(1_000_000));
  await client.until(() => server.requests[0]?.body.length === 1_000_000);
});

test('CONNECT opens a tunnel; where it is refused nothing that follows is read', async () => {
  await using server = await new TestServer(({ stream, head }, when) => {
    if (when !== 'head') return;
    if (head.authority === 'no.example:80') respond(stream, 403, 'no');
    else {
      stream.becomeTunnel();
      stream.sendHead(new ResponseHead(200), false);
    }
  }).start();
  using client = new RawClient(server.port);
  using refused = new RawClient(server.port);
  client.send('CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\n\r\nhello');
  await client.until((c) => c.received !== '' && server.requests[0]?.body === 'hello');
  assert.equal(client.received, 'HTTP/1.1 200 OK\r\n\r\n');
  refused.send(`CONNECT no.example:80 HTTP/1.1\r\nHost: no.example:80\r\n\r\n${get('/smuggled')}`);
  assert.equal(count(await refused.toEnd()), 1);
  assert.equal(server.requests.length, 2);
});

test('a response that cannot be completed never looks complete', async () => {
  await using server = await new TestServer(({ stream, head }, when) => {
    if (when !== 'end') return;
    stream.sendHead(
      new ResponseHead(200, new HeaderList(head.path === '/length' ? ['content-length', '9'] : [])),
      false,
    );
    stream.sendBody(Buffer.from('hello'));
    setImmediate(() => stream.abort());
  }).start();
  using chunked = new RawClient(server.port);
  using length = new RawClient(server.port);
  using untilClose = new RawClient(server.port);
  let error: Error | undefined;
  untilClose.socket.on('error', (reason) => {
    error = reason;
  });
  assert.doesNotMatch(await chunked.send(get('/chunked')).toEnd(), /0\r\n\r\n$/);
  assert.match(await length.send(get('/length')).toEnd(), /hello$/);
  await untilClose.send(get('/', '', '1.0')).toEnd();
  await untilClose.until(() => error !== undefined);
});

test('a client that reads slowly gets everything before its connection is closed', async () => {
  const body = Buffer.alloc(4_000_000, 'x');
  await using server = await new TestServer(
    ({ stream }, when) => {
      if (when !== 'end') return;
      stream.sendHead(new ResponseHead(200, new HeaderList(['content-length', String(body.length)])), false);
      stream.sendBody(body);
      stream.sendEnd(undefined);
    },
    { delayedCloseMs: 20 },
  ).start();
  using client = new RawClient(server.port);
  client.socket.pause();
  client.send(get('/', 'Connection: close\r\n'));
  await client.until(() => server.requests[0]?.state === 'complete');
  await new Promise((resolve) => setTimeout(resolve, 200));
  client.socket.resume();
  assert.equal((await client.toEnd()).split('\r\n\r\n')[1]?.length, body.length);
});
