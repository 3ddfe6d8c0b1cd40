import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../../clock.ts';
import { cluster } from '../../config/cluster.ts';
import { healthCheck } from '../../config/health-check.ts';
import { Place } from '../../config/schema.ts';
import { protocolOptions } from '../../http2/options.ts';
import { FlushQueue } from '../../net/flush-queue.ts';
import { Host } from '../host.ts';
import { closedPort, endpoint, until } from '../testing/cluster.ts';
import { GrpcProbe, healthRequest, isServing } from './grpc-probe.ts';
import { HttpProbe } from './http-probe.ts';
import { holdsInOrder, type Probe, type ProbeOutcome } from './probe.ts';
import { TcpProbe } from './tcp-probe.ts';

const connect = { timeoutMs: 10_000, tls: undefined, keepalive: undefined, clock: systemClock };
const http2 = { ...protocolOptions(undefined), maxHeadBytes: 65_536, maxFields: 100, idleTimeoutMs: 0, maxRequests: 0 };
const transport = { connect, http2, queue: new FlushQueue(), clock: systemClock };

function parse(fields: object) {
  const place = new Place();
  const config = healthCheck.parse(
    { timeout: '1s', interval: '1s', unhealthy_threshold: 1, healthy_threshold: 1, ...fields },
    place,
  );
  assert.deepEqual(place.issues, []);
  return config;
}

class Outcomes {
  readonly all: ProbeOutcome[] = [];

  onOutcome(outcome: ProbeOutcome): void {
    this.all.push(outcome);
  }

  async of(probe: Probe): Promise<ProbeOutcome> {
    const before = this.all.length;
    probe.start();
    await until(() => this.all.length > before, 'an outcome');
    return this.all.at(-1) as ProbeOutcome;
  }
}

interface Checked extends AsyncDisposable {
  readonly outcomes: Outcomes;
  readonly probe: HttpProbe;
  readonly requests: IncomingMessage[];
  verified: number;
}

async function checked(fields: object, answer: RequestListener, reusesConnection = true): Promise<Checked> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const config = parse({ http_health_check: { path: '/live', ...fields } }).http_health_check;
  assert.ok(config);
  const outcomes = new Outcomes();
  const host = new Host(endpoint((server.address() as AddressInfo).port));
  const ground: Checked = {
    outcomes,
    requests,
    verified: 0,
    probe: new HttpProbe(host, outcomes, {
      config,
      transport,
      clusterName: 'shop',
      reusesConnection,
      onVerified: () => void ground.verified++,
    }),
    async [Symbol.asyncDispose]() {
      ground.probe.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return ground;
}

test('a check by HTTP asks for a path with what its configuration adds, on one connection', async () => {
  await using ground = await checked(
    { request_headers_to_add: [{ header: { key: 'x-check', value: '%UPSTREAM_HOST%' } }] },
    (_, response) => response.end('well'),
  );
  assert.deepEqual(await ground.outcomes.of(ground.probe), { type: 'passed', isDegraded: false });
  assert.deepEqual(await ground.outcomes.of(ground.probe), { type: 'passed', isDegraded: false });
  const [first, second] = ground.requests;
  assert.equal(first?.method, 'GET');
  assert.equal(first?.url, '/live');
  assert.equal(first?.headers.host, 'shop');
  assert.equal(first?.headers['user-agent'], 'Envoy/HC');
  assert.match(String(first?.headers['x-check']), /^127\.0\.0\.1:\d+$/);
  assert.equal(first?.socket, second?.socket);
});

test('a connection is made for each check where it is not to be used again', async () => {
  await using ground = await checked({}, (_, response) => response.end(), false);
  await ground.outcomes.of(ground.probe);
  await ground.outcomes.of(ground.probe);
  assert.notEqual(ground.requests[0]?.socket, ground.requests[1]?.socket);
});

test('the status, the body, the name of the service and headers decide', async () => {
  const failed = { type: 'failed', cause: 'active', isRetriable: false, isExcluding: false };
  const cases: readonly (readonly [object, RequestListener, object])[] = [
    [{}, (_, response) => response.writeHead(201).end(), { ...failed, status: 201 }],
    [
      { expected_statuses: [{ start: 200, end: 300 }] },
      (_, response) => response.writeHead(201).end(),
      { type: 'passed', isDegraded: false },
    ],
    [
      { retriable_statuses: [{ start: 500, end: 501 }] },
      (_, response) => response.writeHead(500).end(),
      { ...failed, isRetriable: true, status: 500 },
    ],
    [{}, (_, response) => response.setHeader('x-envoy-degraded', '1').end(), { type: 'passed', isDegraded: true }],
    [
      {},
      (_, response) => response.writeHead(503, { 'x-envoy-immediate-health-check-fail': 'true' }).end(),
      { ...failed, isExcluding: true, status: 503 },
    ],
    [{ receive: [{ text: '6f' }, { text: '6b' }] }, (_, response) => response.end('ko'), { ...failed, status: 200 }],
    [
      { receive: [{ text: '6f' }, { binary: 'aw==' }] },
      (_, response) => response.end('no kidding'),
      { type: 'passed', isDegraded: false },
    ],
    [{ service_name_matcher: { prefix: 'shop' } }, (_, response) => response.end(), { ...failed, status: 200 }],
    [
      { service_name_matcher: { prefix: 'shop' } },
      (_, response) => response.setHeader('x-envoy-upstream-healthchecked-cluster', 'shop-1').end(),
      { type: 'passed', isDegraded: false },
    ],
  ];
  for (const [fields, answer, outcome] of cases) {
    await using ground = await checked(fields, answer);
    assert.deepEqual(await ground.outcomes.of(ground.probe), outcome);
    assert.equal(ground.verified, 'service_name_matcher' in fields ? 1 : 0);
  }
});

test('a body goes along where the method has one', async () => {
  let body = '';
  await using ground = await checked({ method: 'POST', send: { text: '6869' } }, (request, response) => {
    request.on('data', (chunk) => {
      body += String(chunk);
    });
    request.on('end', () => response.end());
  });
  assert.equal((await ground.outcomes.of(ground.probe)).type, 'passed');
  assert.equal(body, 'hi');
  assert.equal(ground.requests[0]?.headers['content-length'], '2');
});

test('no connection and an answer that breaks off are failures of the network', async () => {
  await using ground = await checked({}, (request) => request.socket.destroy());
  const outcome = await ground.outcomes.of(ground.probe);
  assert.deepEqual(outcome, { type: 'failed', cause: 'network', isRetriable: false, isExcluding: false });
  const outcomes = new Outcomes();
  const config = parse({ http_health_check: { path: '/' } }).http_health_check;
  assert.ok(config);
  const host = new Host(endpoint(await closedPort()));
  const probe = new HttpProbe(host, outcomes, {
    config,
    transport,
    clusterName: 'c',
    reusesConnection: true,
    onVerified: () => undefined,
  });
  assert.equal((await outcomes.of(probe)).type, 'failed');
});

test('nothing is told of a check that was given up', async () => {
  await using ground = await checked({}, () => undefined);
  ground.probe.start();
  await until(() => ground.requests.length === 1, 'the request');
  ground.probe.giveUp();
  await until(() => ground.requests[0]?.socket.destroyed === true, 'the end of the connection');
  assert.deepEqual(ground.outcomes.all, []);
});

test('an endpoint may be checked at another port, under another name', async () => {
  await using ground = await checked({}, (_, response) => response.end());
  await ground.outcomes.of(ground.probe);
  const port = ground.requests[0]?.socket.localPort ?? 0;
  const outcomes = new Outcomes();
  const config = parse({ http_health_check: { path: '/', host: 'b.example' } }).http_health_check;
  assert.ok(config);
  const check = { port, hostname: 'a.example', address: undefined, isDisabled: false };
  const host = new Host(endpoint(await closedPort(), { check }));
  const options = { config, transport, clusterName: 'c', reusesConnection: false, onVerified: () => undefined };
  const probe = new HttpProbe(host, outcomes, options);
  assert.equal((await outcomes.of(probe)).type, 'passed');
  assert.equal(ground.requests[1]?.headers.host, 'a.example');
});

async function tcpChecked(
  fields: object,
  onConnection: (socket: Socket) => void,
): Promise<{ readonly probe: TcpProbe; readonly outcomes: Outcomes } & AsyncDisposable> {
  const sockets: Socket[] = [];
  const server = createTcpServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const config = parse({ tcp_health_check: fields }).tcp_health_check;
  assert.ok(config);
  const outcomes = new Outcomes();
  const host = new Host(endpoint((server.address() as AddressInfo).port));
  const probe = new TcpProbe(host, outcomes, { config, connect, reusesConnection: true });
  return {
    probe,
    outcomes,
    async [Symbol.asyncDispose]() {
      probe.close();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('a check by TCP passes as it connects, or as the answer holds what it should', async () => {
  await using plain = await tcpChecked({}, () => undefined);
  assert.equal((await plain.outcomes.of(plain.probe)).type, 'passed');
  let connections = 0;
  await using asked = await tcpChecked({ send: { text: '50494e47' }, receive: [{ text: '504f4e47' }] }, (socket) => {
    connections++;
    socket.on('data', () => {
      socket.write('PO');
      setImmediate(() => socket.write('NG'));
    });
  });
  assert.equal((await asked.outcomes.of(asked.probe)).type, 'passed');
  assert.equal((await asked.outcomes.of(asked.probe)).type, 'passed');
  assert.equal(connections, 1);
});

test('a host that closes the connection of its check fails it', async () => {
  await using ground = await tcpChecked({ send: { text: '00' }, receive: [{ text: '01' }] }, (socket) => {
    socket.on('data', () => socket.end());
  });
  assert.equal((await ground.outcomes.of(ground.probe)).type, 'failed');
});

test('segments must come in their order', () => {
  const segments = [Buffer.from('ab'), Buffer.from('bc')];
  assert.equal(holdsInOrder(Buffer.from('abbc'), segments), true);
  assert.equal(holdsInOrder(Buffer.from('abc'), segments), false);
  assert.equal(holdsInOrder(Buffer.from('bcab'), segments), false);
  assert.equal(holdsInOrder(Buffer.alloc(0), []), true);
});

test('the messages of the health service of gRPC are as its definition has them', () => {
  assert.equal(healthRequest('').toString('hex'), '0000000000');
  assert.equal(healthRequest('a.B').toString('hex'), '00000000050a03612e42');
  assert.equal(isServing(Buffer.from('00000000020801', 'hex')), true);
  assert.equal(isServing(Buffer.from('00000000020802', 'hex')), false);
  assert.equal(isServing(Buffer.from('0000000000', 'hex')), false);
  assert.equal(isServing(Buffer.from('01000000020801', 'hex')), false);
  assert.equal(isServing(Buffer.from('00000000030801', 'hex')), false);
});

type Serve = (stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>, body: Buffer) => void;

/** Checks by gRPC of a real server of HTTP/2. */
async function grpcChecked(
  fields: object,
  serve: Serve,
): Promise<{ readonly probe: GrpcProbe; readonly outcomes: Outcomes; readonly sessions: unknown[] } & AsyncDisposable> {
  const server = createHttp2Server();
  const sessions: { destroy(): void }[] = [];
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => serve(stream, headers, Buffer.concat(chunks)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const config = parse({ grpc_health_check: fields }).grpc_health_check;
  assert.ok(config);
  const outcomes = new Outcomes();
  const host = new Host(endpoint((server.address() as AddressInfo).port));
  const options = { config, transport, clusterName: 'shop', reusesConnection: true, timeoutMs: 1000 };
  const probe = new GrpcProbe(host, outcomes, options);
  return {
    probe,
    outcomes,
    sessions,
    async [Symbol.asyncDispose]() {
      probe.close();
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function answerGrpc(stream: ServerHttp2Stream, message: string, status = '0'): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
  stream.end(Buffer.from(message, 'hex'));
}

test('a check by gRPC asks the health service for a service, on one connection', async () => {
  const seen: object[] = [];
  const fields = {
    service_name: 'a.B',
    authority: 'b.example',
    initial_metadata: [{ header: { key: 'x-check', value: '1' } }],
  };
  await using ground = await grpcChecked(fields, (stream, headers, body) => {
    seen.push({
      path: headers[':path'],
      authority: headers[':authority'],
      agent: headers['user-agent'],
      type: headers['content-type'],
      timeout: headers['grpc-timeout'],
      added: headers['x-check'],
      body: body.toString('hex'),
    });
    answerGrpc(stream, '00000000020801');
  });
  for (let i = 0; i < 2; i++) assert.equal((await ground.outcomes.of(ground.probe)).type, 'passed');
  const asked = {
    path: '/grpc.health.v1.Health/Check',
    authority: 'b.example',
    agent: 'Envoy/HC',
    type: 'application/grpc',
    timeout: '1000m',
    added: '1',
    body: '00000000050a03612e42',
  };
  assert.deepEqual(seen, [asked, asked]);
  assert.equal(ground.sessions.length, 1);
});

test('a service that does not serve, is not known or is no gRPC fails its check at once', async () => {
  const serves: readonly Serve[] = [
    (stream) => answerGrpc(stream, '00000000020802'),
    (stream) => answerGrpc(stream, '00000000020801', '13'),
    (stream) =>
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5' }, { endStream: true }),
    (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'text/plain' });
      stream.end('ok');
    },
    (stream) => stream.respond({ ':status': 503 }, { endStream: true }),
  ];
  for (const serve of serves) {
    await using ground = await grpcChecked({}, serve);
    const outcome = await ground.outcomes.of(ground.probe);
    assert.deepEqual(outcome, { type: 'failed', cause: 'active', isRetriable: false, isExcluding: false });
  }
});

test('a stream that breaks off is a failure of the network, and one that was given up leaves the connection', async () => {
  let count = 0;
  await using ground = await grpcChecked({}, (stream) => {
    count++;
    if (count === 1) stream.close(2);
    else if (count === 3) answerGrpc(stream, '00000000020801');
  });
  const broken = await ground.outcomes.of(ground.probe);
  assert.equal(broken.type === 'failed' && broken.cause, 'network');
  ground.probe.start();
  await until(() => count === 2, 'the second check');
  ground.probe.giveUp();
  assert.equal((await ground.outcomes.of(ground.probe)).type, 'passed');
  assert.equal(ground.sessions.length, 1);
});

test('a check by HTTP may speak HTTP/2', async () => {
  const server = createHttp2Server((request, response) => {
    response.writeHead(request.url === '/live' && request.authority === 'shop' ? 200 : 500).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const config = parse({ http_health_check: { path: '/live', codec_client_type: 'HTTP2' } }).http_health_check;
  assert.ok(config);
  const outcomes = new Outcomes();
  const host = new Host(endpoint((server.address() as AddressInfo).port));
  const options = { config, transport, clusterName: 'shop', reusesConnection: false, onVerified: () => undefined };
  const probe = new HttpProbe(host, outcomes, options);
  assert.equal((await outcomes.of(probe)).type, 'passed');
  server.close();
  await once(server, 'close');
});

test('a cluster that speaks HTTP/1.1 alone is not checked by gRPC', () => {
  const issues = (more: object): readonly string[] => {
    const place = new Place();
    const check = {
      timeout: '1s',
      interval: '1s',
      unhealthy_threshold: 1,
      healthy_threshold: 1,
      grpc_health_check: {},
    };
    cluster.parse({ name: 'c', load_assignment: { cluster_name: 'c' }, health_checks: [check], ...more }, place);
    return place.issues.map(({ path }) => path);
  };
  assert.deepEqual(issues({}), ['health_checks']);
  assert.deepEqual(issues({ http2_protocol_options: {} }), []);
});
