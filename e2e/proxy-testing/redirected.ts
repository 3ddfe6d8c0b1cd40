/**
 * Runs in a network of its own, in which connections from 127.0.0.2 and fd00::2 to the ports 81 and 82 are redirected to
 * the proxy: those that the proxy itself opens come from elsewhere, and are not.
 */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { DATA_PLANES } from '../harness.ts';
import { temporaryFolder } from './pair.ts';
import { startPlane } from './plane.ts';

const HTTP_PORT = 10000;
const TCP_PORT = 10001;
const FAMILIES = [
  { from: '127.0.0.2', to: '127.0.0.1' },
  { from: 'fd00::2', to: '::1' },
];

async function startServer(t: TestContext, host: string, port: number): Promise<void> {
  const server: Server = createServer((_request, response) => {
    response.setHeader('connection', 'close');
    response.end(`${host} ${port}`);
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
}

/** What comes of one request: the body, preceded by the status where that is not 200; '' where the connection ends. */
function ask(host: string, port: number, localAddress: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, localAddress }, () =>
      socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    );
    let text = '';
    socket.setTimeout(10_000, () => socket.destroy());
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      const status = text.slice(9, 12);
      const body = text.split('\r\n\r\n')[1] ?? '';
      // With or without chunks.
      const plain = /\r\n(.*)\r\n0$/.exec(body)?.[1] ?? body;
      resolve(status === '200' || text === '' ? plain : status);
    });
  });
}

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane}: connections that are redirected go where they were going, and nowhere else`, async (t) => {
    for (const { to } of FAMILIES) for (const port of [81, 82]) await startServer(t, to, port);
    const plane = await startPlane(t, {
      dataPlane,
      bootstrap: 'redirect.yaml',
      folder: temporaryFolder(t),
      ports: { [HTTP_PORT]: HTTP_PORT, [TCP_PORT]: TCP_PORT },
    });
    for (const { from, to } of FAMILIES) {
      assert.equal(await ask(to, 81, from), `${to} 81`, 'over HTTP');
      assert.equal(await ask(to, 82, from), `${to} 82`, 'as TCP');
      // Whoever comes to the proxy's own port wanted to go nowhere else. Envoy goes to itself then, until no more can be had.
      if (dataPlane === 'envoy') continue;
      assert.equal(await ask(to, HTTP_PORT, from), '503');
      assert.equal(await ask(to, TCP_PORT, from), '');
    }
    const own = dataPlane === 'weft' ? FAMILIES.length : 0;
    assert.equal(await plane.stat('http.http.downstream_cx_total'), FAMILIES.length + own, 'none came twice');
    assert.equal(await plane.stat('tcp.tcp.downstream_cx_total'), FAMILIES.length + own);
    assert.equal(await plane.stat('cluster.wanted.upstream_cx_total'), 2 * FAMILIES.length);
  });
}
