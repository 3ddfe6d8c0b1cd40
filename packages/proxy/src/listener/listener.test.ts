import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { freePort, listen } from '../testing/listening.ts';
import { httpChain, Listened, listenerOn, TLS_INSPECTOR, tcpChain } from './testing/listened.ts';

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly connection: string | undefined;
}

function ask(port: number, path = '/direct', agent = new Agent()): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, agent, timeout: 15_000 }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body, connection: response.headers.connection });
      });
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer within 15 s')));
    asked.on('error', reject);
    asked.end();
  });
}

async function until(what: string, probe: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await probe())) {
    if (performance.now() > deadline) throw new Error(`${what} did not happen`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const isServed = (port: number) => () =>
  ask(port).then(
    () => true,
    () => false,
  );

/** What is said over a connection that was opened with `first`; undefined once it ended. */
class Line {
  readonly socket: Socket;
  text = '';
  isEnded = false;

  constructor(port: number, first: string | Buffer) {
    this.socket = connect({ host: '127.0.0.1', port }, () => this.socket.write(first));
    this.socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1');
    });
    this.socket.on('error', () => this.socket.destroy());
    this.socket.on('close', () => {
      this.isEnded = true;
    });
  }

  async says(pattern: RegExp): Promise<void> {
    await until(`${pattern} in ${JSON.stringify(this.text)}`, () => pattern.test(this.text));
    this.text = '';
  }
}

const echoServer = () =>
  createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });

/** A hello for a.example, as far as it is read for the choice of a chain. */
function clientHello(): Buffer {
  const name = Buffer.from('a.example');
  const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
  const sni = Buffer.concat([u16(name.length + 3), Buffer.from([0]), u16(name.length), name]);
  const extensions = Buffer.concat([u16(0), u16(sni.length), sni]);
  const middle = Buffer.from([0, 0, 2, 0x13, 0x01, 1, 0]);
  const body = Buffer.concat([Buffer.from([3, 3]), Buffer.alloc(32), middle, u16(extensions.length), extensions]);
  const message = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
  return Buffer.concat([Buffer.from([22, 3, 1]), u16(message.length), message]);
}

test('a chain that changes leaves the connections of the others alone', async (t) => {
  const listened = await Listened.start(t, await listen(t, echoServer()));
  const port = await freePort();
  const clear = { transport_protocol: 'raw_buffer' };
  const named = { server_names: ['a.example'] };
  const chains = (http: string, tcp: string) =>
    listenerOn(port, [httpChain(http, clear), tcpChain(tcp, named)], TLS_INSPECTOR);
  await listened.set({ l: chains('one', 'one') });
  await until('the listener', isServed(port));
  const passed = new Line(port, clientHello());
  const kept = new Line(port, 'GET /direct HTTP/1.1\r\nHost: a\r\n\r\n');
  await passed.says(/a\.example/);
  await kept.says(/one$/);

  await listened.set({ l: chains('one', 'two') });
  kept.socket.write('GET /direct HTTP/1.1\r\nHost: a\r\n\r\n');
  await kept.says(/^(?![\s\S]*connection: close)[\s\S]*one$/);

  await listened.set({ l: chains('two', 'two') });
  kept.socket.write('GET /direct HTTP/1.1\r\nHost: a\r\n\r\n');
  await kept.says(/connection: close[\s\S]*one$/);
  await until('the end of the connection', () => kept.isEnded);
  passed.socket.write('still here');
  await passed.says(/still here/);
  assert.equal((await ask(port)).body, 'two');
  passed.socket.destroy();
});

test('a request that runs when its listener changes is answered, and its client told to leave', async (t) => {
  const upstream = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => held.resolve(socket));
  });
  const held = Promise.withResolvers<Socket>();
  const listened = await Listened.start(t, await listen(t, upstream));
  const port = await freePort();
  await listened.set({ l: listenerOn(port, [httpChain('one')]) });
  await until('the listener', isServed(port));
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const answer = ask(port, '/slow', agent);
  const socket = await held.promise;
  await listened.set({ l: listenerOn(port, [httpChain('two')]) });
  await until('the new chain', async () => (await ask(port)).body === 'two');
  socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone');
  assert.deepEqual(await answer, { status: 200, body: 'done', connection: 'close' });
});

test('a listener that changes again and again refuses no connection and fails no request', async (t) => {
  const listened = await Listened.start(t);
  const port = await freePort();
  await listened.set({ l: listenerOn(port, [httpChain('v0')]) });
  await until('the listener', isServed(port));
  let isOver = false;
  let served = 0;
  const load = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      assert.equal((await ask(port)).status, 200);
      served++;
    }
  });
  for (let version = 1; version <= 20; version++) {
    assert.equal(await listened.set({ l: listenerOn(port, [httpChain(`v${version}`)]) }), '');
    const before = served;
    await until('more requests', () => served > before + 8);
  }
  isOver = true;
  await Promise.all(load);
  assert.equal((await ask(port)).body, 'v20');
});

test('an address that something else has is told, and taken as soon as it is free', async (t) => {
  const taken = createServer();
  const port = await listen(t, taken);
  const listened = await Listened.start(t);
  assert.equal(await listened.set({ l: listenerOn(port, [httpChain('one')]) }), '');
  await until('trouble', () => listened.proxy.troubles().length > 0);
  const [trouble = ''] = listened.proxy.troubles();
  assert.match(
    trouble,
    new RegExp(`^cannot listen on 127\\.0\\.0\\.1:${port}: another process listens there; stop it`),
  );
  assert.equal(listened.proxy.isReady(), false);
  taken.close();
  await once(taken, 'close');
  await until('the listener', isServed(port));
  assert.deepEqual(listened.proxy.troubles(), []);
  await listened.proxy.ready();
});

test('a listener that goes frees its address at once, and what runs on it comes to its end', async (t) => {
  const listened = await Listened.start(t, await listen(t, echoServer()));
  const [http, tcp] = [await freePort(), await freePort()];
  await listened.set({ http: listenerOn(http, [httpChain('one')]), tcp: listenerOn(tcp, [tcpChain('one')]) });
  await until('the listener', isServed(http));
  const running = new Line(tcp, 'hello');
  await running.says(/hello/);
  await listened.set({}, ['http', 'tcp']);
  for (const port of [http, tcp]) {
    const next = createServer();
    next.listen(port, '127.0.0.1');
    await once(next, 'listening');
    next.close();
  }
  running.socket.write('again');
  await running.says(/again/);
  running.socket.destroy();
});

test('a listener that moves to another address leaves the old one', async (t) => {
  const listened = await Listened.start(t);
  const [first, second] = [await freePort(), await freePort()];
  await listened.set({ l: listenerOn(first, [httpChain('one')]) });
  await until('the listener', isServed(first));
  await listened.set({ l: listenerOn(second, [httpChain('one')]) });
  await until('the other address', isServed(second));
  await assert.rejects(ask(first), { code: 'ECONNREFUSED' });
});

test('two listeners cannot have one address, and the first one stays', async (t) => {
  const listened = await Listened.start(t);
  const port = await freePort();
  await listened.set({ a: listenerOn(port, [httpChain('a')]) });
  await until('the listener', isServed(port));
  const refused = await listened.set({ b: listenerOn(port, [httpChain('b')]) });
  assert.match(
    refused,
    new RegExp(`^listener b: address: .*127\\.0\\.0\\.1:${port} is that of the listener a already`),
  );
  assert.equal((await ask(port)).body, 'a');
});

test('a version that is wrong leaves the one before in use, and the next one that is right takes over', async (t) => {
  const listened = await Listened.start(t);
  const port = await freePort();
  await listened.set({ l: listenerOn(port, [httpChain('one')]) });
  await until('the listener', isServed(port));
  const wrong = listenerOn(port, [httpChain('two')], { enable_mptcp: true });
  assert.match(await listened.set({ l: wrong }), /^listener l: enable_mptcp: not supported/);
  assert.equal((await ask(port)).body, 'one');
  assert.equal(await listened.set({ l: listenerOn(port, [httpChain('three')]) }), '');
  await until('the new version', async () => (await ask(port)).body === 'three');
});

test('what is answered is counted for the listener and for the connection manager on it', async (t) => {
  const listened = await Listened.start(t);
  const port = await freePort();
  await listened.set({ l: listenerOn(port, [httpChain('web')]) });
  await until('the listener', isServed(port));
  await ask(port);
  const count = (name: string): number =>
    Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(listened.proxy.stats.text())?.[1] ?? -1);
  const prefix = `listener\\.127\\.0\\.0\\.1_${port}\\.http\\.web\\.`;
  await until('the counts', () => count(`${prefix}downstream_rq_2xx`) >= 2);
  assert.equal(count(`${prefix}downstream_rq_completed`), count('http\\.web\\.downstream_rq_completed'));
});

test('a listener with more addresses takes connections at each, and another version of it at those that it names', async (t) => {
  const listened = await Listened.start(t);
  const [first, second, third] = [await freePort(), await freePort(), await freePort()];
  const more = (port: number) => ({
    additional_addresses: [{ address: { socket_address: { address: '127.0.0.1', port_value: port } } }],
  });
  await listened.set({ l: listenerOn(first, [httpChain('one')], more(second)) });
  await until('the listener', isServed(second));
  assert.equal((await ask(first)).body, 'one');
  assert.match(await listened.set({ m: listenerOn(second, [httpChain('m')]) }), /is that of the listener l already/);
  await listened.set({ l: listenerOn(first, [httpChain('two')], more(third)) });
  await until('the other address', isServed(third));
  assert.equal((await ask(first)).body, 'two');
  await assert.rejects(ask(second), { code: 'ECONNREFUSED' });
});

test('a connection that was going to the address of another listener is handed on to it, bound or not', async (t) => {
  const listened = await Listened.start(t);
  const port = await freePort();
  const proxyProtocol = {
    name: 'proxy',
    typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol' },
  };
  const address = { socket_address: { address: '10.1.2.3', port_value: 81 } };
  const all = { socket_address: { address: '0.0.0.0', port_value: 82 } };
  await listened.set({
    l: listenerOn(port, [httpChain('own')], { use_original_dst: true, listener_filters: [proxyProtocol] }),
    exact: { address, bind_to_port: false, filter_chains: [httpChain('exact')] },
    all: { address: all, bind_to_port: false, filter_chains: [httpChain('all')] },
  });
  await until('the listeners', () => listened.proxy.isReady());
  for (const [destination, expected] of [
    ['10.1.2.3 1 81', 'exact'],
    ['10.9.9.9 1 82', 'all'],
    ['10.9.9.9 1 83', 'own'],
  ] as const) {
    const [host, ...ports] = destination.split(' ');
    const line = new Line(
      port,
      `PROXY TCP4 192.0.2.1 ${host} ${ports.join(' ')}\r\nGET /direct HTTP/1.1\r\nHost: a\r\n\r\n`,
    );
    await line.says(new RegExp(`${expected}$`));
    line.socket.destroy();
  }
});

test('a client that says nothing is served all the same where that is asked for', async (t) => {
  const greeting = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end('220 hello');
  });
  const listened = await Listened.start(t, await listen(t, greeting));
  const port = await freePort();
  const patient = { listener_filters_timeout: '0.2s', continue_on_listener_filters_timeout: true };
  await listened.set({ l: listenerOn(port, [tcpChain('one')], { ...TLS_INSPECTOR, ...patient }) });
  await until('the listener', () => listened.proxy.isReady());
  const silent = new Line(port, '');
  await silent.says(/220 hello/);
  silent.socket.destroy();
});

test('a listener that asks the kernel where connections were going serves those that were going to it', async (t) => {
  const listened = await Listened.start(t);
  const port = await freePort();
  const originalDst = {
    name: 'original',
    typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst' },
  };
  const chains = [httpChain('own', { destination_port: port }), httpChain('other')];
  await listened.set({ l: listenerOn(port, chains, { use_original_dst: true, listener_filters: [originalDst] }) });
  await until('the listener', isServed(port));
  assert.equal((await ask(port)).body, 'own');
});
