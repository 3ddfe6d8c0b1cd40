import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../clock.ts';
import { closedPort, TestUpstream, testCluster, until } from '../cluster/testing/cluster.ts';
import { Place } from '../config/schema.ts';
import { tcpProxy } from '../config/tcp.ts';
import { FlushQueue } from '../net/flush-queue.ts';
import { FLAG } from '../stack/response-flags.ts';
import type { StreamInfo } from '../stack/stream-info.ts';
import { downstream } from '../stack/testing/downstream.ts';
import { TcpStats } from '../stats/groups.ts';
import { TcpProxy } from './tcp-proxy.ts';

/** A TCP proxy that listens, and what it logged. */
class Proxied implements AsyncDisposable {
  readonly logged: StreamInfo[] = [];
  onLog: (info: StreamInfo) => void = () => undefined;
  readonly proxy: TcpProxy;
  readonly #server: TestUpstream;
  readonly clients: Socket[] = [];

  constructor(ports: readonly number[], fields: object = {}, cluster = testCluster({}, ports)) {
    const place = new Place();
    const config = tcpProxy.parse({ stat_prefix: 't', cluster: 'c', ...fields }, place);
    assert.deepEqual(place.issues, []);
    this.proxy = new TcpProxy({
      config,
      stats: new TcpStats(),
      logs: [(info) => void this.logged.push(info), (info) => this.onLog(info)],
      findCluster: (name) => (name === 'c' ? cluster : undefined),
      clock: systemClock,
      queue: new FlushQueue(),
      random: () => 0.5,
    });
    this.#server = new TestUpstream((socket) => this.proxy.accept(socket, downstream()));
  }

  async start(): Promise<this> {
    await this.#server.start();
    return this;
  }

  client(): Socket & { text: string; state: 'open' | 'ended' | 'reset' } {
    const socket = Object.assign(connect({ port: this.#server.port, host: '127.0.0.1', allowHalfOpen: true }), {
      text: '',
      state: 'open' as 'open' | 'ended' | 'reset',
    });
    socket.on('data', (chunk: Buffer) => {
      socket.text += chunk.toString('latin1');
    });
    socket.on('end', () => {
      socket.state = 'ended';
    });
    socket.on('error', () => {
      socket.state = 'reset';
    });
    this.clients.push(socket);
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.proxy.destroy();
    for (const client of this.clients) client.destroy();
    await this.#server[Symbol.asyncDispose]();
  }
}

test('a server that speaks first is heard at once, and each direction ends by itself', async () => {
  let fromClient = '';
  await using upstream = await new TestUpstream((socket) => {
    socket.write('220 hello\r\n');
    socket.on('data', (chunk: Buffer) => {
      fromClient += chunk.toString();
    });
    socket.on('end', () => socket.end('bye'));
  }).start();
  await using proxied = await new Proxied([upstream.port]).start();
  const client = proxied.client();
  await until(() => client.text === '220 hello\r\n');
  client.end('quit');
  await until(() => client.state === 'ended');
  assert.deepEqual([client.text, fromClient], ['220 hello\r\nbye', 'quit']);
  await until(() => proxied.logged.length === 1);
  assert.equal(proxied.logged[0]?.flags, 0);
  assert.equal(proxied.logged[0]?.bytesReceived, 4);
  assert.equal(proxied.proxy.connections, 0);
});

test('an upstream that ends first leaves the client free to send on', async () => {
  let fromClient = 0;
  await using upstream = await new TestUpstream((socket) => {
    socket.end('all');
    socket.on('data', (chunk: Buffer) => {
      fromClient += chunk.length;
    });
  }).start();
  await using proxied = await new Proxied([upstream.port]).start();
  const client = proxied.client();
  await until(() => client.state === 'ended');
  client.end(Buffer.alloc(300_000));
  await until(() => fromClient === 300_000);
  assert.equal(client.text, 'all');
  await until(() => proxied.logged.length === 1);
});

test('a large body passes through a slow reader with bounded memory', async () => {
  const size = 50_000_000;
  await using upstream = await new TestUpstream((socket) => socket.end(Buffer.alloc(size, 'x'))).start();
  await using proxied = await new Proxied([upstream.port]).start();
  const client = proxied.client();
  client.removeAllListeners('data');
  client.pause();
  let received = 0;
  const takeSome = setInterval(() => {
    client.resume();
    setImmediate(() => received <= 5_000_000 && client.pause());
  }, 1);
  client.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received > 5_000_000) {
      clearInterval(takeSome);
      client.resume();
    }
  });
  await until(() => received === size);
});

test('a side that breaks off is no proper end for the other', async () => {
  await using upstream = await new TestUpstream((socket) => socket.write('x')).start();
  await using proxied = await new Proxied([upstream.port]).start();
  const first = proxied.client();
  await until(() => first.text === 'x');
  upstream.sockets[0]!.resetAndDestroy();
  await until(() => first.state === 'reset');
  const second = proxied.client();
  await until(() => second.text === 'x');
  const closed = new Promise<boolean>((resolve) => upstream.sockets[1]!.once('close', resolve));
  second.resetAndDestroy();
  assert.equal(await closed, true, 'the upstream is reset too');
  await until(() => proxied.logged.length === 2);
  assert.deepEqual(
    proxied.logged.map(({ flags }) => flags),
    [FLAG.UR, FLAG.DC],
  );
});

test('a server that answered and closed is heard to its end, though the client still sends', async () => {
  await using upstream = await new TestUpstream((socket) => {
    socket.once('data', () => {
      socket.end('answer');
      socket.once('finish', () => setTimeout(() => socket.destroy(), 20));
    });
  }).start();
  await using proxied = await new Proxied([upstream.port]).start();
  const client = proxied.client();
  client.pause();
  client.write('request');
  await until(() => upstream.sockets[0]?.destroyed === true);
  for (let i = 0; i < 10 && proxied.logged.length === 0; i++) {
    client.write('more');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await until(() => proxied.logged.length === 1);
  client.resume();
  await until(() => client.state !== 'open');
  assert.deepEqual([client.text, client.state], ['answer', 'ended']);
});

test('who cannot be connected to is tried as often as is said, then the client is let go', async () => {
  const port = await closedPort();
  await using once = await new Proxied([port]).start();
  await using thrice = await new Proxied([port], { max_connect_attempts: 3 }).start();
  for (const proxied of [once, thrice]) {
    const client = proxied.client();
    await until(() => client.state !== 'open');
    await until(() => proxied.logged.length === 1);
  }
  assert.deepEqual([once.logged[0]?.flags, once.logged[0]?.attempts], [FLAG.UF | FLAG.URX, 1]);
  assert.deepEqual([thrice.logged[0]?.flags, thrice.logged[0]?.attempts], [FLAG.UF | FLAG.URX, 3]);
});

test('another host is tried where one cannot be connected to', async () => {
  await using upstream = await new TestUpstream((socket) => socket.end('there')).start();
  await using proxied = await new Proxied([await closedPort(), upstream.port], { max_connect_attempts: 2 }).start();
  const client = proxied.client();
  await until(() => client.text === 'there');
});

test('without a cluster, a host or a free connection the client is let go, and the log says why', async () => {
  await using nowhere = await new Proxied([], { cluster: 'other' }).start();
  await using empty = await new Proxied([]).start();
  const full = testCluster({ circuit_breakers: { thresholds: [{ max_connections: 0 }] } }, [1]);
  await using limited = await new Proxied([], {}, full).start();
  for (const [proxied, flag] of [
    [nowhere, FLAG.NC],
    [empty, FLAG.UH],
    [limited, FLAG.UO],
  ] as const) {
    const client = proxied.client();
    await until(() => client.state !== 'open' && proxied.logged.length === 1);
    assert.equal(proxied.logged[0]?.flags, flag);
  }
});

test('a connection on which nothing moves ends', async () => {
  await using upstream = await new TestUpstream().start();
  await using proxied = await new Proxied([upstream.port], { idle_timeout: '0.050s' }).start();
  const client = proxied.client();
  await until(() => client.state !== 'open');
  await until(() => proxied.logged.length === 1);
});

test('a connection lasts no longer than it may, however busy it is', async () => {
  await using upstream = await new TestUpstream((socket) => void socket.pipe(socket)).start();
  await using proxied = await new Proxied([upstream.port], { max_downstream_connection_duration: '0.2s' }).start();
  const client = proxied.client();
  client.on('data', () => client.write('more'));
  client.write('more');
  await until(() => proxied.logged.length > 0, 'the end of the connection');
  const [info] = proxied.logged;
  assert.equal(info?.flags, FLAG.DT);
  assert.ok((info?.bytesSent ?? 0) > 0);
  await until(() => client.state !== 'open', 'the end at the client');
});

test('who could not be connected to is tried again after a while, unless the client has left', async () => {
  const port = await closedPort();
  const backoff_options = { base_interval: '0.2s', max_interval: '0.2s' };
  await using proxied = await new Proxied([port], { max_connect_attempts: 3, backoff_options }).start();
  const client = proxied.client();
  await until(() => client.state !== 'open');
  await until(() => proxied.logged.length === 1);
  const [info] = proxied.logged;
  // Of chance the test says 0.5.
  assert.ok(info && info.endMs - info.startMs >= 200 && info.attempts === 3);
  const second = proxied.client();
  await until(() => proxied.proxy.connections === 1, 'the connection');
  second.resetAndDestroy();
  await until(() => proxied.logged.length === 2 && proxied.proxy.connections === 0, 'its end');
});

test('a client that says nothing and ends before there is an upstream is told of there, and gone', async () => {
  let hasEnded = false;
  await using upstream = await new TestUpstream((socket) => {
    socket.resume();
    socket.on('end', () => {
      hasEnded = true;
      socket.end();
    });
  }).start();
  const fields = { max_connect_attempts: 2, backoff_options: { base_interval: '1s', max_interval: '1s' } };
  await using proxied = await new Proxied([await closedPort(), upstream.port], fields).start();
  const client = proxied.client();
  await until(() => proxied.proxy.connections === 1, 'the connection');
  client.end();
  await until(() => hasEnded, 'its end at the upstream');
  await until(() => proxied.proxy.connections === 0 && client.state === 'ended', 'the end of both');
});

test('how long a connection may last is longer by a share of chance', async () => {
  await using upstream = await new TestUpstream().start();
  const fields = {
    max_downstream_connection_duration: '0.2s',
    max_downstream_connection_duration_jitter_percentage: { value: 100 },
  };
  await using proxied = await new Proxied([upstream.port], fields).start();
  proxied.client();
  await until(() => proxied.logged.length > 0, 'the end of the connection');
  const [info] = proxied.logged;
  assert.ok(info && info.endMs - info.startMs >= 299);
});

test('a connection is logged when it begins, when it is connected and while it lasts, where that is asked for', async () => {
  await using upstream = await new TestUpstream((socket) => void socket.pipe(socket)).start();
  const access_log_options = {
    access_log_flush_interval: '0.020s',
    flush_access_log_on_connected: true,
    flush_access_log_on_start: true,
  };
  await using proxied = await new Proxied([upstream.port], { access_log_options }).start();
  const types: string[] = [];
  proxied.onLog = ({ logType, endMs, upstreamHost }) => {
    types.push(`${logType} ${endMs === 0 ? 'lasts' : 'is over'} ${upstreamHost === '' ? 'nowhere' : 'there'}`);
  };
  const client = proxied.client();
  client.write('x');
  await until(() => types.filter((type) => type === 'TcpPeriodic lasts there').length === 2);
  client.end();
  await until(() => types.at(-1) === 'TcpConnectionEnd is over there');
  assert.deepEqual(
    [...new Set(types)],
    [
      'TcpConnectionStart lasts nowhere',
      'TcpUpstreamConnected lasts there',
      'TcpPeriodic lasts there',
      'TcpConnectionEnd is over there',
    ],
  );
});
