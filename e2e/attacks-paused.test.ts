/**
 * A client that leaves while nothing is read from it, as its upstream takes nothing: it is gone at the upstream within a
 * second, though its end stands behind bytes that nobody reads. Envoy sees one that closes its connection, and not one that
 * resets it, which it learns of once it reads again.
 */
import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { DATA_PLANES, listen, until } from './harness.ts';
import { startTranslation, withTcp } from './proxy-testing/attacked.ts';
import type { Plane } from './proxy-testing/plane.ts';

/** Takes connections, and nothing that comes on them. */
function startDeafUpstream(t: TestContext): Promise<number> {
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => undefined);
  });
  return listen(t, server);
}

const UPLOAD = 'POST /h1/x HTTP/1.1\r\nHost: any.test\r\nContent-Length: 1000000000000\r\n\r\n';

/** Holds requests that ask for it, and their bodies as far as there is room for them. */
const FAULT = `                  - name: envoy.filters.http.fault
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
                      delay: { header_delay: {}, percentage: { numerator: 100 } }
`;

const CLIENTS = [
  { listener: 'clear', head: UPLOAD },
  { listener: 'tcp', head: 'hello' },
] as const;

function open(t: TestContext, plane: Plane, listener: string): Promise<Socket> {
  const at = { host: '127.0.0.1', port: plane.port(listener), allowHalfOpen: true };
  return new Promise((resolve, reject) => {
    const client: Socket =
      listener === 'tls'
        ? connectTls({ ...at, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }, () => resolve(client))
        : connect(at, () => resolve(client));
    client.on('error', reject);
    t.after(() => client.destroy());
  });
}

/** Sends until nobody takes any more. */
async function fillAll(client: Socket): Promise<void> {
  const piece = Buffer.alloc(262_144, 'x');
  let quiet = 0;
  let before = 0;
  await until('the proxy to take no more', () => {
    if (client.writableLength === 0) client.write(piece);
    quiet = client.bytesWritten > piece.length && client.bytesWritten === before ? quiet + 1 : 0;
    before = client.bytesWritten;
    return quiet >= 50 ? true : undefined;
  });
}

async function prepare(t: TestContext, dataPlane: (typeof DATA_PLANES)[number]): Promise<Plane> {
  const edit = (text: string): string =>
    withTcp(text)
      .replaceAll(/( +)- name: (clear|tls)\n/g, '$&$1  per_connection_buffer_limit_bytes: 16384\n')
      .replace('                http_filters:\n', `                http_filters:\n${FAULT}`);
  return startTranslation(t, { http1: await startDeafUpstream(t) }, edit, dataPlane);
}

async function gone(plane: Plane, stat: string, title: string): Promise<readonly string[]> {
  const leftMs = performance.now();
  await until(
    `the end of ${title}`,
    async () => ((await plane.stat(stat)) === 0 ? true : undefined),
    10_000,
    () => plane.text(),
  );
  const tookMs = performance.now() - leftMs;
  return tookMs > 1000 ? [`${title}: ${tookMs} ms`] : [];
}

const onLinux = { skip: process.platform !== 'linux' && 'only Linux tells of ends behind bytes', timeout: 120_000 };

for (const dataPlane of DATA_PLANES) {
  test(
    `${dataPlane}: a client that closes its connection while it is held back is gone within a second`,
    onLinux,
    async (t) => {
      const plane = await prepare(t, dataPlane);
      const late: string[] = [];
      for (const listener of ['clear', 'tls'] as const) {
        const client = await open(t, plane, listener);
        client.on('error', () => undefined);
        client.write(UPLOAD.replace('\r\n\r\n', '\r\nx-envoy-fault-delay-request: 60000\r\n\r\n'));
        // More than the proxy holds, and less than the kernel does: an end that follows arrives.
        await new Promise<void>((resolve) => client.write(Buffer.alloc(60_000, 'x'), () => resolve()));
        await until('the request', async () =>
          (await plane.stat('http.translation.downstream_rq_active')) === 1 ? true : undefined,
        );
        client.destroy();
        late.push(...(await gone(plane, 'http.translation.downstream_rq_active', `an upload on ${listener}`)));
      }
      assert.deepEqual(late, []);
    },
  );
}

test(
  'weft: a client that resets its connection while its upstream takes nothing is gone within a second',
  onLinux,
  async (t) => {
    const plane = await prepare(t, 'weft');
    const late: string[] = [];
    for (const { listener, head } of CLIENTS) {
      const client = await open(t, plane, listener);
      client.on('error', () => undefined);
      client.write(head);
      await fillAll(client);
      assert.equal(await plane.stat('cluster.h1.upstream_cx_active'), 1, listener);
      client.resetAndDestroy();
      late.push(...(await gone(plane, 'cluster.h1.upstream_cx_active', listener)));
    }
    assert.deepEqual(late, []);
  },
);
