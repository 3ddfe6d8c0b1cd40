/** Peers that do not keep to the protocol, at a server that must go on serving others. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect as connectHttp2, constants } from 'node:http2';
import { connect as connectNet } from 'node:net';
import { after, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Identity } from '@weft/contracts/node';
import { connect, fixedTls, type GrpcServer, listen } from './index.ts';
import { clientOptions, createGround, ECHO, echoService, eventually, identityService, REQUEST } from './testing.ts';

const ground = createGround();
let server: GrpcServer;
let clear: GrpcServer;

before(async () => {
  const services = [identityService(), echoService()];
  server = await listen({ address: '127.0.0.1:0', tls: fixedTls(ground.server), services });
  clear = await listen({ address: '127.0.0.1:0', services });
});
after(async () => {
  await server.close();
  await clear.close();
});

function portOf({ address }: GrpcServer): number {
  return Number(address.split(':')[1]);
}

async function stillServes(): Promise<void> {
  for (const options of [clientOptions(ground.client, server.address), { addresses: [clear.address] }]) {
    const channel = connect(options);
    await channel.client(Identity).renew(REQUEST);
    channel.close();
  }
}

/** Sends bytes and resolves once the server has closed the connection. */
function sendAndWait(port: number, bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connectNet({ port, host: '127.0.0.1' }, () => socket.write(bytes));
    socket.on('error', () => undefined);
    socket.on('data', () => undefined);
    socket.on('close', () => resolve());
    socket.setTimeout(20_000, () => socket.destroy(new Error('not closed')));
  });
}

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

for (const [what, bytes] of Object.entries({
  'random bytes': randomBytes(10_000),
  'HTTP/1.1': 'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
  'a preface and then nonsense': Buffer.concat([Buffer.from(PREFACE), randomBytes(10_000)]),
  'a frame of 16 MiB': Buffer.concat([Buffer.from(PREFACE), Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1])]),
})) {
  test(`${what} end the connection and nothing else`, async () => {
    await sendAndWait(portOf(clear), bytes);
    await sendAndWait(portOf(server), bytes);
    await stillServes();
  });
}

test('a TLS client that speaks HTTP/1.1 is turned away', async () => {
  await new Promise<void>((resolve) => {
    const options = { port: portOf(server), host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] };
    const socket = connectTls(options, () => socket.write('GET / HTTP/1.1\r\n\r\n'));
    socket.on('error', () => undefined);
    socket.on('data', () => undefined);
    socket.on('close', () => resolve());
  });
  await stillServes();
});

test('a message that claims 4 GiB is refused before it is read', async () => {
  const session = connectHttp2(`http://${clear.address}`);
  session.on('error', () => undefined);
  const stream = session.request({
    ':method': 'POST',
    ':path': ECHO,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => undefined);
  stream.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]));
  const status = await new Promise((resolve) => {
    stream.once('response', (headers) => resolve(headers['grpc-status']));
  });
  assert.equal(status, '8');
  session.destroy();
  await stillServes();
});

test('calls that are opened and reset by the thousand leave nothing behind', async () => {
  const session = connectHttp2(`http://${clear.address}`);
  session.on('error', () => undefined);
  const headers = { ':method': 'POST', ':path': ECHO, 'content-type': 'application/grpc', te: 'trailers' };
  let closed = 0;
  const total = 5000;
  for (let i = 0; i < total && !session.destroyed; i += 1) {
    const stream = session.request(headers);
    stream.on('error', () => undefined);
    stream.on('close', () => {
      closed += 1;
    });
    stream.close(constants.NGHTTP2_CANCEL);
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually('the calls to be over', () => session.destroyed || closed === total);
  session.destroy();
  await stillServes();
});

test('requests of other kinds get an HTTP error', async () => {
  const session = connectHttp2(`http://${clear.address}`);
  for (const headers of [{ ':path': '/' }, { ':path': ECHO, ':method': 'POST', 'content-type': 'text/html' }]) {
    const stream = session.request(headers);
    const status = await new Promise((resolve) => {
      stream.once('response', (answer) => resolve(answer[':status']));
    });
    assert.equal(status, 415);
    stream.close();
  }
  session.close();
  await stillServes();
});
