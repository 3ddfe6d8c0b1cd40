/** Clients that go on asking, and leave when they are asked to: they count what they have met. */
import assert from 'node:assert/strict';
import { type ClientHttp2Session, connect } from 'node:http2';
import { createConnection, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

/** What clients have met. */
export class Tally {
  readonly failures: string[] = [];
  answered = 0;
  /** How often they were asked to leave, and came again. */
  asked = 0;
  /** Clients that found nobody listening any more, and went away. */
  refused = 0;
  isOver = false;
}

/** No connection came about; at the moment at which a listener closes, the kernel says so in another way. */
const isRefused = (error: unknown): boolean => (error as NodeJS.ErrnoException).syscall === 'connect';

function opened(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => resolve(socket));
    socket.setMaxListeners(0);
    socket.once('error', reject);
  });
}

function secured(port: number, tls: ConnectionOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ ...tls, port, host: '127.0.0.1' }, () => resolve(socket));
    socket.setMaxListeners(0);
    socket.once('error', reject);
  });
}

/** The answer to one request on a connection that stays. */
function answerOn(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!text.endsWith('\r\n\r\nok')) return;
      socket.off('data', onData);
      resolve(text);
    };
    socket.on('data', onData);
    socket.once('close', () => reject(new Error(`the connection ended: ${text}`)));
    socket.write('GET /some HTTP/1.1\r\nHost: a\r\n\r\n');
  });
}

export async function http1Client(port: number, tally: Tally, tls?: ConnectionOptions): Promise<void> {
  while (!tally.isOver) {
    const socket = await (tls ? secured(port, tls) : opened(port));
    socket.on('error', () => undefined);
    try {
      for (let isAsked = false; !isAsked && !tally.isOver; ) {
        const text = await answerOn(socket);
        assert.match(text, /^HTTP\/1\.1 200 /);
        tally.answered++;
        isAsked = /\r\nconnection: close\r\n/i.test(text);
        if (isAsked) tally.asked++;
      }
    } finally {
      socket.destroy();
    }
  }
}

function session(port: number, tls?: ConnectionOptions): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const url = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
    const client = connect(url, { ...tls }, () => resolve(client));
    client.once('error', reject);
  });
}

function streamOn(client: ClientHttp2Session): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = client.request({ ':path': '/some' });
    let status = 0;
    stream.on('response', (headers) => {
      status = headers[':status'] ?? 0;
    });
    stream.on('error', reject);
    stream.on('close', () => (stream.rstCode === 0 ? resolve(status) : reject(new Error(`reset ${stream.rstCode}`))));
    stream.resume();
    stream.end();
  });
}

export async function http2Client(port: number, tally: Tally, tls?: ConnectionOptions): Promise<void> {
  while (!tally.isOver) {
    const client = await session(port, tls);
    let isAsked = false;
    client.on('error', () => undefined);
    client.on('goaway', () => {
      isAsked = true;
    });
    while (!isAsked && !client.closed && !tally.isOver) {
      const statuses = await Promise.all([streamOn(client), streamOn(client)]);
      assert.deepEqual(statuses, [200, 200]);
      tally.answered += 2;
    }
    if (isAsked) tally.asked++;
    client.close();
  }
}

/** Some of each version of HTTP, without TLS. Each resolves once it found nobody listening, or is told to end. */
export function load(port: number, tally: Tally): readonly Promise<void>[] {
  const clients = [http1Client, http1Client, http1Client, http1Client, http2Client, http2Client, http2Client];
  return clients.map(async (client, index) => {
    try {
      await client(port, tally);
    } catch (thrown) {
      if (isRefused(thrown)) tally.refused++;
      else tally.failures.push(`${index} ${client.name}: ${String(thrown)}`);
    }
  });
}
