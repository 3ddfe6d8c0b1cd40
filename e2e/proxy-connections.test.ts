/** How both data planes carry connections: by name, server-first, half-closed, given up, kept waiting. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { DATA_PLANES, freePort, listen, until } from './harness.ts';
import { makeCredentials, writeCertificates } from './proxy-testing/certificates.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { startPlane } from './proxy-testing/plane.ts';
import { send } from './proxy-testing/raw-client.ts';
import { startRecordingUpstream } from './proxy-testing/recording-upstream.ts';
import { httpText } from './proxy-testing/wire.ts';

const HOST = 'Host: any.test';

/** A server whose connections the test plays; it ends with the test. */
async function startServer(
  t: TestContext,
  onConnection: (socket: Socket) => void,
): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('end', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  return { port: await listen(t, server), sockets };
}

/** All that a server says over TLS to a client that asks for `servername`; '' where it does not come to that. */
function heard(port: number, servername: string, request: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connectTls({ host: '127.0.0.1', port, servername, rejectUnauthorized: false }, () =>
      socket.write(request),
    );
    const done = () => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(10_000, done);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.endsWith('\n')) done();
    });
    socket.on('error', done);
    socket.on('close', done);
  });
}

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane} sends connections where their server name says, and reads no more of them`, async (t) => {
    const credentials = makeCredentials();
    const folder = temporaryFolder(t);
    writeCertificates(folder, credentials);
    const tls = { cert: credentials.stock.chainPem, key: credentials.stock.keyPem };
    const [a, b] = [await startRecordingUpstream(t, tls), await startRecordingUpstream(t, tls)];
    const plain = await startRecordingUpstream(t);
    const ports = { 10081: a.port, 10082: b.port, 10083: plain.port, 10089: await freePort() };
    const port = (await startPlane(t, { dataPlane, bootstrap: 'tcp-sni.yaml', folder, ports })).port('sni');
    const request = httpText('GET /x HTTP/1.1', [HOST]);
    assert.match(await heard(port, 'a.example', request), /ok\n$/);
    assert.deepEqual([a.take().length, b.take().length], [1, 0]);
    assert.match(await heard(port, 'A.EXAMPLE', request), /ok\n$/);
    assert.deepEqual([a.take().length, b.take().length], [1, 0]);
    assert.match(await heard(port, 'other.example', request), /ok\n$/);
    assert.deepEqual([a.take().length, b.take().length], [0, 1]);
    assert.match(await heard(port, 'tls.example', request), /terminated\n$/);
    assert.equal(await heard(port, 'nowhere.test', request), '');
    assert.match((await send(port, request, { answers: 1 })).answers[0]?.start ?? '', / 200 /);
    assert.equal(plain.take().length, 1);
    assert.deepEqual([a.bytes > 0, b.take().length], [true, 0]);
  });

  test(`${dataPlane} lets a server speak first, and ends each direction by itself`, async (t) => {
    const folder = temporaryFolder(t);
    writeCertificates(folder, makeCredentials());
    const server = await startServer(t, (socket) => {
      let text = '';
      socket.write('220 ready\n');
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      socket.on('end', () => socket.end(`heard ${text.length}\n`));
    });
    const ports = { 10081: server.port, 10089: await freePort() };
    const plane = await startPlane(t, { dataPlane, bootstrap: 'tcp-sni.yaml', folder, ports });
    const text = await new Promise<string>((resolve, reject) => {
      let seen = '';
      const socket = connect({ host: '127.0.0.1', port: plane.port('tcp'), allowHalfOpen: true });
      socket.on('data', (chunk: Buffer) => {
        const isFirst = seen === '';
        seen += chunk.toString();
        if (isFirst) socket.end('x'.repeat(100_000));
      });
      socket.on('end', () => resolve(seen));
      socket.on('error', reject);
    });
    assert.equal(text, '220 ready\nheard 100000\n');
    const refused = await send(plane.port('dead'), 'hello');
    assert.deepEqual([refused.answers, refused.rest], [[], '']);
  });

  test(`${dataPlane} gives up upstream within a second what a client gives up`, async (t) => {
    const folder = temporaryFolder(t);
    let asked = 0;
    const server = await startServer(t, (socket) => socket.on('data', () => asked++));
    const ports = { 10081: server.port, 10082: server.port, 10089: await freePort() };
    const plane = await startPlane(t, { dataPlane, bootstrap: 'http-routing.yaml', folder, ports });
    const client = connect({ host: '127.0.0.1', port: plane.port() }, () => {
      client.write(httpText('POST /hang HTTP/1.1', [HOST, 'Content-Length: 10'], 'abc'));
    });
    await until('the request upstream', () => (asked > 0 ? true : undefined));
    const leftAt = performance.now();
    client.destroy();
    await until('the end upstream', () => (server.sockets.size === 0 ? true : undefined), 10_000);
    assert.ok(performance.now() - leftAt < 1000);
  });

  test(`${dataPlane} waits for a slow head no longer than it may, however it trickles`, async (t) => {
    const folder = temporaryFolder(t);
    const upstream = await startRecordingUpstream(t);
    const ports = { 10081: upstream.port, 10082: upstream.port, 10089: await freePort() };
    const plane = await startPlane(t, { dataPlane, bootstrap: 'http-routing.yaml', folder, ports });
    const begun = performance.now();
    const received = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect({ host: '127.0.0.1', port: plane.port() }, () => socket.write('GET / HTTP/1.1\r\nX-A: '));
      const trickle = setInterval(() => socket.write('x'), 100);
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        clearInterval(trickle);
        resolve(text);
      });
    });
    assert.match(received, /^HTTP\/1\.1 408 /);
    assert.ok(performance.now() - begun < 10_000);
    assert.equal(upstream.bytes, 0);
  });
}

function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

test('a thousand idle connections cost little, and none keeps a busy one waiting', async (t) => {
  const folder = temporaryFolder(t);
  const upstream = await startRecordingUpstream(t);
  const ports = { 10081: upstream.port, 10082: upstream.port, 10089: await freePort() };
  const plane = await startPlane(t, { dataPlane: 'weft', bootstrap: 'http-routing.yaml', folder, ports });
  const bytes = httpText('GET /exact HTTP/1.1', [HOST]);
  const idle: Socket[] = [];
  t.after(() => {
    for (const socket of idle) socket.destroy();
  });
  for (let i = 0; i < 50; i++) await send(plane.port(), bytes, { answers: 1 });
  const before = residentMiB(plane.pid);
  await Promise.all(
    Array.from({ length: 1000 }, async () => {
      const socket = connect({ host: '127.0.0.1', port: plane.port() });
      idle.push(socket);
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
      socket.write(bytes);
      await new Promise((resolve) => socket.once('data', resolve));
    }),
  );
  assert.equal(await plane.stat('http.http.downstream_cx_active'), 1000);
  const grown = residentMiB(plane.pid) - before;
  // What starting needed was given back before: a part of this is room that work needs anyhow.
  assert.ok(grown < 64, `${grown} MiB for a thousand connections`);
  const { answers } = await send(plane.port(), bytes, { answers: 1 });
  assert.match(answers[0]?.start ?? '', / 200 /);
});

const LARGE = 200 * 1024 * 1024;
const CHUNK = Buffer.alloc(256 * 1024, 'x');

/** Writes that many bytes no faster than they are taken. */
async function pour(socket: Socket, bytes: number): Promise<void> {
  for (let left = bytes; left > 0 && !socket.destroyed; left -= CHUNK.length) {
    if (!socket.write(CHUNK)) await once(socket, 'drain');
  }
}

/** Reads until so many bytes came, with a pause again and again. */
function sip(socket: Socket, bytes: number): Promise<number> {
  return new Promise((resolve) => {
    let taken = 0;
    let nextPause = 0;
    socket.on('data', (chunk: Buffer) => {
      taken += chunk.length;
      if (taken >= bytes) resolve(taken);
      if (taken < nextPause) return;
      nextPause = taken + 8 * 1024 * 1024;
      socket.pause();
      setTimeout(() => socket.resume(), 20);
    });
    socket.on('close', () => resolve(taken));
  });
}

test('200 MiB each way through a slow reader take no more memory than a little', async (t) => {
  const folder = temporaryFolder(t);
  const uploaded = Promise.withResolvers<number>();
  const server = await startServer(t, (socket) => {
    socket.once('data', (first: Buffer) => {
      if (first.toString('latin1').startsWith('GET')) {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${LARGE}\r\n\r\n`);
        void pour(socket, LARGE);
        return;
      }
      const headEnd = first.indexOf('\r\n\r\n') + 4;
      void sip(socket, LARGE - (first.length - headEnd)).then((taken) => {
        uploaded.resolve(taken + first.length - headEnd);
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      });
    });
  });
  const ports = { 10081: server.port, 10082: server.port, 10089: await freePort() };
  const plane = await startPlane(t, { dataPlane: 'weft', bootstrap: 'http-routing.yaml', folder, ports });
  for (let i = 0; i < 50; i++) await send(plane.port(), httpText('GET /exact HTTP/1.1', [HOST]), { answers: 1 });
  const before = residentMiB(plane.pid);
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, residentMiB(plane.pid));
  }, 20);
  const down = connect({ host: '127.0.0.1', port: plane.port() }, () =>
    down.write(httpText('GET /large HTTP/1.1', [HOST])),
  );
  const up = connect({ host: '127.0.0.1', port: plane.port() }, () => {
    up.write(httpText('POST /large HTTP/1.1', [HOST, `Content-Length: ${LARGE}`]));
    void pour(up, LARGE);
  });
  const answered = new Promise<string>((resolve) => up.once('data', (chunk: Buffer) => resolve(chunk.toString())));
  assert.ok((await sip(down, LARGE)) >= LARGE);
  assert.equal(await uploaded.promise, LARGE);
  assert.match(await answered, /^HTTP\/1\.1 200 /);
  clearInterval(watch);
  down.destroy();
  up.destroy();
  assert.ok(most - before < 30, `${most - before} MiB more`);
});

test('SIGTERM lets every request that was taken come to its end, and then the process ends', async (t) => {
  const folder = temporaryFolder(t);
  const server = await startServer(t, (socket) => {
    socket.on('data', () => setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), 20));
  });
  const ports = { 10081: server.port, 10082: server.port, 10089: await freePort() };
  const plane = await startPlane(t, { dataPlane: 'weft', bootstrap: 'http-routing.yaml', folder, ports });
  const clients = Array.from({ length: 16 }, () => new KeptClient(plane.port()));
  const load = Promise.all(clients.map((client) => client.run()));
  await until('some requests', () => (clients.every(({ answered }) => answered > 3) ? true : undefined));
  plane.signal('SIGTERM');
  await load;
  assert.equal(await plane.ended, 0, plane.text());
  for (const { asked, answered } of clients) assert.equal(answered, asked);
});

/** Sends one request after another, on one connection as long as that is kept, until nobody takes it any more. */
class KeptClient {
  readonly #port: number;
  asked = 0;
  answered = 0;

  constructor(port: number) {
    this.#port = port;
  }

  async run(): Promise<void> {
    for (;;) {
      const socket = connect({ host: '127.0.0.1', port: this.#port });
      const isOpen = await new Promise<boolean>((resolve) => {
        socket.once('connect', () => resolve(true));
        socket.once('error', () => resolve(false));
      });
      if (!isOpen) return;
      await this.#use(socket);
    }
  }

  #use(socket: Socket): Promise<void> {
    return new Promise((resolve) => {
      let text = '';
      const ask = () => {
        this.asked++;
        socket.write(httpText('GET /load HTTP/1.1', [HOST]));
      };
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (!text.endsWith('\r\n\r\nok')) return;
        this.answered++;
        const leaves = /^connection: close\r$/m.test(text);
        text = '';
        if (leaves) socket.end();
        else ask();
      });
      socket.on('error', () => socket.destroy());
      socket.on('close', () => resolve());
      ask();
    });
  }
}
