/**
 * Large bodies between sides of which one is slow: they arrive as they were sent, and the proxy holds no more of them than
 * a few buffers. Whoever is slow takes some megabytes at once and nothing for a while then.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type RequestOptions, request } from 'node:http';
import { connect } from 'node:http2';
import { request as secureRequest } from 'node:https';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './harness.ts';
import { makeCredentials, writeCertificates } from './proxy-testing/certificates.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, startPlane } from './proxy-testing/plane.ts';

const MIB = 1_048_576;
const BODY_MIB = 256;
/** Every so much a slow side stops for {@link PAUSE_MS}. */
const PORTION_BYTES = 16 * MIB;
const PAUSE_MS = 60;
/** What the proxy may need more than before. */
const MORE_BYTES = 100 * MIB;

const PIECE = randomBytes(MIB);

function digestOfBody(): string {
  const hash = createHash('sha1');
  for (let count = 0; count < BODY_MIB; count++) hash.update(PIECE);
  return hash.digest('hex');
}

/** Who is gone before it has all is noticed where the answer is awaited. */
async function pour(into: Writable): Promise<void> {
  const pieces = Array.from({ length: BODY_MIB }, () => PIECE);
  await pipeline(pieces, into).catch(() => undefined);
}

async function digestOf(from: Readable): Promise<string> {
  const hash = createHash('sha1');
  let portion = 0;
  for await (const chunk of from as AsyncIterable<Buffer>) {
    hash.update(chunk);
    portion += chunk.length;
    if (portion < PORTION_BYTES) continue;
    portion = 0;
    await delay(PAUSE_MS);
  }
  return hash.digest('hex');
}

/** Gives the body to who asks for one, and the digest of theirs to others, slowly. */
async function startUpstream(t: TestContext): Promise<number> {
  const server = createServer((asked, response) => {
    if (asked.method === 'GET') void pour(response);
    else void digestOf(asked).then((digest) => response.end(digest));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

/** One request, its body poured where it has one; gives the answer's body. */
type Ask = (plane: Plane, method: 'GET' | 'POST') => Promise<Readable>;

const over =
  (listener: string, send: typeof request): Ask =>
  (plane, method) =>
    new Promise((resolve, reject) => {
      const at = { host: '127.0.0.1', port: plane.port(listener), path: '/h1/x', method, agent: false };
      const options: RequestOptions & { rejectUnauthorized: boolean } = { ...at, rejectUnauthorized: false };
      const asked = send(options, resolve);
      asked.on('error', reject);
      if (method === 'GET') asked.end();
      else void pour(asked);
    });

const overHttp2: Ask = async (plane, method) => {
  const session = connect(`http://127.0.0.1:${plane.port('clear')}`);
  session.on('error', () => undefined);
  const stream = session.request({ ':method': method, ':path': '/h1/x' }, { endStream: method === 'GET' });
  stream.on('close', () => session.close());
  if (method === 'POST') void pour(stream);
  return stream;
};

const WAYS: Readonly<Record<string, Ask>> = {
  'HTTP/1.1': over('clear', request),
  'HTTP/1.1 over TLS': over('tls', secureRequest),
  'HTTP/2': overHttp2,
  TCP: over('tcp', request),
};

function residentBytes({ pid }: Plane): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}

/** The most that the process needs while `run` does its work. */
async function mostOf(plane: Plane, run: () => Promise<void>): Promise<number> {
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, residentBytes(plane));
  }, 20);
  await run().finally(() => clearInterval(timer));
  return most;
}

const TCP = `    - name: tcp
      address: { socket_address: { address: 127.0.0.1, port_value: 10002 } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.tcp_proxy
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                stat_prefix: tcp
                cluster: h1
  clusters:
`;

test('large bodies are whole and held nowhere, whichever side is slow', {
  skip: process.platform !== 'linux' && 'what a process needs is read from /proc',
  timeout: 240_000,
}, async (t) => {
  const folder = temporaryFolder(t);
  writeCertificates(folder, makeCredentials());
  const dead = await freePort();
  const ports = { 10081: await startUpstream(t), 10082: dead, 10083: dead, 10089: dead };
  const edit = (text: string): string =>
    text.replace('  clusters:\n', TCP).replaceAll('route: { cluster: h1 }', 'route: { cluster: h1, timeout: 0s }');
  const plane = await startPlane(t, { dataPlane: 'weft', bootstrap: 'http2-translation.yaml', folder, ports, edit });
  const expected = digestOfBody();
  const before = residentBytes(plane);
  for (const [way, ask] of Object.entries(WAYS)) {
    for (const method of ['GET', 'POST'] as const) {
      const most = await mostOf(plane, async () => {
        const answer = await ask(plane, method);
        if (method === 'GET') assert.equal(await digestOf(answer), expected, way);
        else assert.equal((await answer.setEncoding('utf8').toArray()).join(''), expected, way);
      });
      const more = most - before;
      t.diagnostic(`${way}, ${method}: ${Math.round(more / MIB)} MiB more`);
      assert.ok(more < MORE_BYTES, `${way}, ${method}: ${Math.round(more / MIB)} MiB more than before`);
    }
  }
});
