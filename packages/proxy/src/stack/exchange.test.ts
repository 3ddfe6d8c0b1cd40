import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closedPort, until } from '../cluster/testing/cluster.ts';
import { flagsText } from './response-flags.ts';
import { forward, Proxied, routes, TextUpstream } from './testing/proxied.ts';

const get = (path = '/', fields = ''): string => `GET ${path} HTTP/1.1\r\nHost: a.example\r\n${fields}\r\n`;
const last = (path = '/', fields = ''): string => get(path, `Connection: close\r\n${fields}`);
const post = (body: string, fields = ''): string =>
  `POST / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`;
const answer = (body = 'ok', status = '200 OK', fields = ''): string =>
  `HTTP/1.1 ${status}\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
const always = (reply: string) => () => reply;
const flags = (proxied: Proxied): readonly string[] => proxied.logged.map((info) => flagsText(info.flags));

test('a request goes to the upstream as it is, and its answer back', async () => {
  await using upstream = await new TextUpstream(always(answer('hello', '200 OK', 'X-A: 1\r\nServer: s\r\n'))).start();
  await using proxied = await new Proxied([upstream.port], { manager: { generate_request_id: false } }).start();
  const received = await proxied.ask(last('/p?q', 'X-B: \xe9\r\n'));
  assert.equal(
    upstream.received[0],
    'GET /p?q HTTP/1.1\r\nhost: a.example\r\nx-b: \xe9\r\nx-forwarded-proto: http\r\nx-envoy-expected-rq-timeout-ms: 15000\r\n\r\n',
  );
  assert.match(
    received,
    /^HTTP\/1\.1 200 OK\r\nx-a: 1\r\nserver: envoy\r\ncontent-length: 5\r\nx-envoy-upstream-service-time: \d+\r\ndate: .*GMT\r\nconnection: close\r\n\r\nhello$/,
  );
  assert.deepEqual(flags(proxied), ['-']);
  assert.equal(proxied.manager.activeRequests, 0);
});

test('an upload is passed on before it has ended, whether the upstream was there already or not', async () => {
  await using upstream = await new TextUpstream((text) => (text.endsWith('end') ? answer() : undefined)).start();
  await using proxied = await new Proxied([upstream.port]).start();
  for (const _ of ['first', 'again']) {
    using client = proxied.client();
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nbegin');
    await upstream.receives('begin');
    client.send('..end');
    await client.until((c) => c.received.endsWith('ok'));
  }
  assert.equal(upstream.received.length, 1);
});

test('what is wrong with a request is answered here, and the upstream never hears of it', async () => {
  await using upstream = await new TextUpstream(always(answer())).start();
  await using proxied = await new Proxied([upstream.port]).start();
  const smuggled = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${get('/smuggled')}`;
  assert.match(await proxied.ask(smuggled), /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.match(await proxied.ask(get('/', `X: ${'a'.repeat(70_000)}\r\n`)), /^HTTP\/1\.1 431 /);
  assert.deepEqual(upstream.received, []);
  assert.deepEqual(flags(proxied), ['DPE', 'DPE']);
});

test('a body that turns out to be broken takes the request back from the upstream', async () => {
  await using upstream = await new TextUpstream().start();
  await using proxied = await new Proxied([upstream.port]).start();
  using client = proxied.client();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
  await upstream.receives('hello');
  client.send(`zz\r\n${get('/smuggled')}`);
  assert.match(await client.toEnd(), /^HTTP\/1\.1 400 /);
  await until(() => upstream.closed === 1);
  assert.doesNotMatch(upstream.received[0] ?? '', /\r\n0\r\n|smuggled/);
});

test('a client that leaves is gone at the upstream at once', async () => {
  await using upstream = await new TextUpstream().start();
  await using proxied = await new Proxied([upstream.port]).start();
  using client = proxied.client();
  client.send(get('/slow'));
  await upstream.receives('/slow');
  client.socket.destroy();
  await until(() => upstream.closed === 1);
  await until(() => proxied.logged.length === 1);
  assert.deepEqual(flags(proxied), ['DC']);
});

const EARLY = [
  ['of a length', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel'],
  ['of chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
] as const;
for (const [what, bytes] of EARLY) {
  test(`an upstream that ends in the middle ${what} is no proper end for the client`, async () => {
    await using upstream = await new TextUpstream((_, socket) => void socket.end(bytes)).start();
    await using proxied = await new Proxied([upstream.port]).start();
    const received = await proxied.ask(get());
    assert.match(received, /hel/);
    assert.doesNotMatch(received, /0\r\n\r\n$/);
    assert.deepEqual(flags(proxied), ['UPE']);
    assert.equal(proxied.logged[0]?.responseDetails, 'upstream_reset_after_response_started{protocol_error}');
  });
}

const FAULTS: readonly (readonly [what: string, reply: string, status: RegExp, flag: string])[] = [
  ['says nothing', '', /^HTTP\/1\.1 503 .*reset reason: connection termination$/s, 'UC'],
  ['stops within its head', 'HTTP/1.1 200 OK\r\nX', /^HTTP\/1\.1 502 .*reset reason: protocol error$/s, 'UPE'],
  ['speaks something else', 'garbage\r\n\r\n', /^HTTP\/1\.1 502 .*reset reason: protocol error$/s, 'UPE'],
  [
    'names two lengths',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    /^HTTP\/1\.1 502 /,
    'UPE',
  ],
  [
    'splits its answer',
    'HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n',
    /^HTTP\/1\.1 502 /,
    'UPE',
  ],
];
for (const [what, reply, status, flag] of FAULTS) {
  test(`an upstream that ${what} is answered for in Envoy's words`, async () => {
    await using upstream = await new TextUpstream((_, socket) => void socket.end(reply)).start();
    await using proxied = await new Proxied([upstream.port]).start();
    assert.match(await proxied.ask(last()), status);
    assert.deepEqual(flags(proxied), [flag]);
  });
}

test('without a route, a cluster, a host or a connection the answer says so', async () => {
  const noCluster = routes({ match: { prefix: '/' }, route: { cluster: 'other' } });
  await using unrouted = await new Proxied([], { routeConfig: routes() }).start();
  await using clusterless = await new Proxied([], { routeConfig: noCluster }).start();
  await using hostless = await new Proxied([]).start();
  await using refused = await new Proxied([await closedPort()]).start();
  assert.match(await unrouted.ask(last()), /^HTTP\/1\.1 404 /);
  assert.match(await clusterless.ask(last()), /^HTTP\/1\.1 503 /);
  assert.match(await hostless.ask(last()), /^HTTP\/1\.1 503 .*\r\n\r\nno healthy upstream$/s);
  assert.match(
    await refused.ask(last()),
    /503 .*upstream connect error or disconnect\/reset before headers\. reset reason: remote connection failure/s,
  );
  assert.deepEqual([unrouted, clusterless, hostless, refused].flatMap(flags), ['NR', 'NC', 'UH', 'UF']);
});

test('a request that cannot be delivered goes to another host, body and all, where the policy says so', async () => {
  await using upstream = await new TextUpstream((text) => (text.includes('hello') ? answer() : undefined)).start();
  const routeConfig = forward({ retry_policy: { retry_on: 'connect-failure', num_retries: 2 } });
  await using proxied = await new Proxied([await closedPort(), upstream.port], { routeConfig }).start();
  assert.match(await proxied.ask(post('hello')), /^HTTP\/1\.1 200 /);
  assert.equal(proxied.logged[0]?.attempts, 2);
  assert.equal(proxied.cluster.limits.retries, 0);
});

test('a POST that may have been processed is not sent twice', async () => {
  await using upstream = await new TextUpstream((_, socket) => void socket.destroy()).start();
  const routeConfig = forward({ retry_policy: { retry_on: 'connect-failure,refused-stream', num_retries: 3 } });
  await using proxied = await new Proxied([upstream.port], { routeConfig }).start();
  assert.match(await proxied.ask(post('hello')), /^HTTP\/1\.1 503 /);
  assert.equal(upstream.received.length, 1);
});

for (const [method, request, times] of [
  ['GET', last('/2'), 2],
  ['POST', post('hello'), 1],
] as const) {
  test(`a kept connection that ends as a ${method} is sent on it is met by sending it ${times === 1 ? 'no more' : 'once more'}`, async () => {
    let requests = 0;
    await using upstream = await new TextUpstream((_, socket, index) => {
      requests++;
      if (index > 0 || requests === 1) return answer();
      socket.destroy();
      return undefined;
    }).start();
    await using proxied = await new Proxied([upstream.port]).start();
    await proxied.ask(last('/1'));
    const received = await proxied.ask(request);
    assert.match(received, times === 2 ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 503 /);
    assert.equal(requests, 1 + times);
  });
}

test('answers that the policy is for are asked for again, as often as it says', async () => {
  let requests = 0;
  await using upstream = await new TextUpstream(() =>
    ++requests % 3 === 0 ? answer() : answer('no', '503 X'),
  ).start();
  const retry = (num_retries: number): object => forward({ retry_policy: { retry_on: '5xx', num_retries } });
  await using enough = await new Proxied([upstream.port], { routeConfig: retry(2) }).start();
  assert.match(await enough.ask(post('hello')), /^HTTP\/1\.1 200 /);
  await using short = await new Proxied([upstream.port], { routeConfig: retry(1) }).start();
  assert.match(await short.ask(post('hello')), /^HTTP\/1\.1 503 .*no$/s);
  assert.equal(requests, 5);
  assert.deepEqual(flags(short), ['URX']);
  assert.equal(upstream.received.length, 2, 'short answers do not cost their connections');
});

test('a body that is too long to keep is sent, but not again', async () => {
  await using upstream = await new TextUpstream((text) =>
    text.endsWith('!') ? answer('no', '503 X') : undefined,
  ).start();
  const routeConfig = forward({ retry_policy: { retry_on: '5xx', num_retries: 3 } });
  await using proxied = await new Proxied([upstream.port], { routeConfig, bufferLimit: 1000 }).start();
  assert.match(await proxied.ask(post(`${'x'.repeat(200_000)}!`)), /^HTTP\/1\.1 503 /);
  assert.equal(upstream.received.length, 1);
  assert.equal(proxied.cluster.stats.retry_or_shadow_abandoned, 1);
});

test('an upstream that does not answer in time is given up', async () => {
  await using upstream = await new TextUpstream().start();
  await using whole = await new Proxied([upstream.port], { routeConfig: forward({ timeout: '0.050s' }) }).start();
  const perTry = forward({ retry_policy: { retry_on: '5xx', num_retries: 1, per_try_timeout: '0.050s' } });
  await using tries = await new Proxied([upstream.port], { routeConfig: perTry }).start();
  assert.match(await whole.ask(last()), /^HTTP\/1\.1 504 .*upstream request timeout$/s);
  assert.match(await tries.ask(last()), /^HTTP\/1\.1 504 /);
  assert.equal(upstream.received.length, 3);
  await until(() => upstream.closed === 3);
  assert.deepEqual([...flags(whole), ...flags(tries)], ['UT', 'URX,UT']);
});

test('a stream on which nothing moves ends', async () => {
  await using upstream = await new TextUpstream((text) =>
    text.includes('/begun') ? 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx' : undefined,
  ).start();
  await using proxied = await new Proxied([upstream.port], { manager: { stream_idle_timeout: '0.060s' } }).start();
  assert.match(await proxied.ask(last()), /^HTTP\/1\.1 504 .*stream timeout$/s);
  assert.match(await proxied.ask(last('/begun')), /\r\n\r\nx$/);
  await until(() => upstream.closed === 2);
  assert.deepEqual(flags(proxied), ['SI', 'SI']);
});

test('a client that waits for a 100 gets it from here, and a refusal ends its connection', async () => {
  await using upstream = await new TextUpstream((text) => (text.includes('hello') ? answer() : undefined)).start();
  const routeConfig = routes(
    { match: { prefix: '/no' }, direct_response: { status: 403 } },
    { match: { prefix: '/' }, route: { cluster: 'c' } },
  );
  await using proxied = await new Proxied([upstream.port], { routeConfig }).start();
  using client = proxied.client();
  const upload = (path: string): string =>
    `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`;
  client.send(upload('/'));
  await client.until((c) => c.received === 'HTTP/1.1 100 Continue\r\n\r\n');
  client.send('hello');
  await client.until((c) => c.received.endsWith('ok'));
  assert.doesNotMatch(upstream.received[0] ?? '', /\r\nexpect:/);
  assert.match(
    await proxied.ask(upload('/no') + get('/smuggled')),
    /^HTTP\/1\.1 403 .*connection: close\r\ncontent-length: 0\r\n\r\n$|^HTTP\/1\.1 403 .*connection: close\r\n\r\n$/s,
  );
  assert.equal(upstream.received.length, 1);
});

const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

test('a WebSocket is carried both ways where it is allowed, and refused where it is not', async () => {
  await using upstream = await new TextUpstream((text) =>
    text.startsWith('GET') ? `${SWITCH}welcome` : `echo ${text}`,
  ).start();
  await using plain = await new Proxied([upstream.port]).start();
  assert.match(await plain.ask(get('/', UPGRADE), (received) => received !== ''), /^HTTP\/1\.1 403 /);
  const manager = { upgrade_configs: [{ upgrade_type: 'websocket' }] };
  await using proxied = await new Proxied([upstream.port], { manager }).start();
  using client = proxied.client();
  client.send(get('/', UPGRADE));
  await client.until((c) => c.received.endsWith('welcome'));
  assert.match(client.received, /^HTTP\/1\.1 101 .*connection: upgrade\r\nupgrade: websocket\r\n\r\nwelcome$/s);
  // The key of an opening that lacks one is not the proxy's to make up: the upstream refuses it, if it is to be.
  assert.doesNotMatch(upstream.received[0] ?? '', /sec-websocket-key/);
  client.send('GET not HTTP');
  await upstream.receives('not HTTP');
  client.socket.end();
  await client.toEnd();
  await until(() => upstream.closed === 1 && proxied.logged.length === 1);
  assert.equal(proxied.manager.activeRequests, 0);
});

test('CONNECT that is ended here becomes TCP', async () => {
  await using upstream = await new TextUpstream((text) => `echo ${text}`).start();
  const routeConfig = routes({
    match: { connect_matcher: {} },
    route: { cluster: 'c', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] },
  });
  await using proxied = await new Proxied([upstream.port], {
    routeConfig,
    manager: { upgrade_configs: [{ upgrade_type: 'CONNECT' }] },
  }).start();
  using client = proxied.client();
  client.send('CONNECT b.example:80 HTTP/1.1\r\nHost: b.example:80\r\n\r\nearly');
  await client.until((c) => c.received.endsWith('echo early'));
  assert.match(client.received, /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal(upstream.received[0], 'early');
  client.socket.end();
  await client.toEnd();
  await until(() => proxied.logged.length === 1);
});

test('shares of weighted clusters, rewrites and changes of fields do what they say', async () => {
  await using upstream = await new TextUpstream(always(answer('ok', '200 OK', 'X-Secret: 1\r\n'))).start();
  const routeConfig = forward(
    { prefix_rewrite: '/new', host_rewrite_literal: 'b.example' },
    {
      match: { prefix: '/old' },
      request_headers_to_add: [{ header: { key: 'X-From', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } }],
      request_headers_to_remove: ['x-drop'],
      response_headers_to_add: [{ header: { key: 'X-Route', value: '%ROUTE_NAME%' } }],
      response_headers_to_remove: ['x-secret'],
      name: 'r',
    },
  );
  await using proxied = await new Proxied([upstream.port], { routeConfig }).start();
  const received = await proxied.ask(last('/old/x?y', 'X-Drop: 1\r\n'));
  assert.match(upstream.received[0] ?? '', /^GET \/new\/x\?y HTTP\/1\.1\r\nhost: b\.example\r\n/);
  assert.match(upstream.received[0] ?? '', /\r\nx-from: 10\.0\.0\.9\r\n.*x-envoy-original-path: \/old\/x\?y\r\n/s);
  assert.doesNotMatch(upstream.received[0] ?? '', /x-drop/);
  assert.match(received, /\r\nx-route: r\r\n/);
  assert.doesNotMatch(received, /x-secret/);
});

test('local replies are what the configuration makes of them', async () => {
  const local_reply_config = {
    mappers: [
      {
        filter: { response_flag_filter: { flags: ['UH'] } },
        status_code: 502,
        body: { inline_string: 'nobody there' },
        headers_to_add: [{ header: { key: 'x-reason', value: '%RESPONSE_FLAGS%' } }],
      },
    ],
  };
  await using proxied = await new Proxied([], { manager: { local_reply_config } }).start();
  const received = await proxied.ask(last());
  assert.match(received, /^HTTP\/1\.1 502 .*content-length: 12\r\n.*x-reason: UH\r\n.*\r\n\r\nnobody there$/s);
});

test('an answer of 204 says no length, whatever body it was given', async () => {
  const routeConfig = routes({
    match: { prefix: '/' },
    direct_response: { status: 204, body: { inline_string: 'none' } },
  });
  await using proxied = await new Proxied([], { routeConfig }).start();
  const received = await proxied.ask(last());
  assert.match(received, /^HTTP\/1\.1 204 No Content\r\n.*\r\n\r\n$/s);
  assert.doesNotMatch(received, /content-length/);
});

test('a large response passes a slow client with bounded memory', async () => {
  const size = 64_000_000;
  await using upstream = await new TextUpstream((_, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    socket.write(Buffer.alloc(size));
    return undefined;
  }).start();
  await using proxied = await new Proxied([upstream.port]).start();
  using client = proxied.client();
  client.socket.pause();
  client.send(get());
  await until(() => proxied.cluster.stats.upstream_flow_control_paused_reading_total > 0);
  const [socket] = upstream.sockets;
  assert.ok(socket && socket.writableLength > 0, 'the upstream is made to wait');
  let received = 0;
  client.socket.removeAllListeners('data');
  client.socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  client.socket.resume();
  await until(() => received > size);
});

test('a large upload passes a slow upstream with bounded memory', async () => {
  const size = 30_000_000;
  let taken = 0;
  await using upstream = await new TextUpstream().start();
  await using proxied = await new Proxied([upstream.port]).start();
  using client = proxied.client();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
  await upstream.receives('POST');
  const [socket] = upstream.sockets;
  socket!.removeAllListeners('data');
  socket!.pause();
  client.socket.write(Buffer.alloc(size));
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(client.socket.writableLength > 0, 'the client is made to wait');
  socket!.on('data', (chunk: Buffer) => {
    taken += chunk.length;
    if (taken === size) socket!.write(answer());
  });
  socket!.resume();
  await client.until((c) => c.received.endsWith('ok'));
});
