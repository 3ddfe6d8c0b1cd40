import assert from 'node:assert/strict';
import { connect, createServer, type IncomingHttpHeaders } from 'node:http2';
import type { Server } from 'node:net';
import { test } from 'node:test';
import { runHttp2Load } from './http2-load.ts';
import type { Exchange } from './http2-messages.ts';
import { createHttp2Upstream } from './http2-upstream.ts';

const GET: Exchange = { type: 'get', bodyBytes: 256 };
const GRPC: Exchange = { type: 'grpc', requestBytes: 10, responseBytes: 20 };
const WINDOW = { warmupMs: 50, windowMs: 100, pids: [process.pid] };

async function listen(server: Pick<Server, 'listen' | 'address'>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

interface Answered {
  readonly status: number;
  readonly bytes: number;
  readonly trailers: IncomingHttpHeaders;
}

async function ask(port: number, times: number, headers: Record<string, string>, body?: Buffer): Promise<Answered[]> {
  const session = connect(`http://127.0.0.1:${port}`);
  const one = () =>
    new Promise<Answered>((resolve, reject) => {
      const stream = session.request(headers, { endStream: body === undefined });
      let status = 0;
      let bytes = 0;
      let trailers: IncomingHttpHeaders = {};
      stream.on('response', (head) => {
        status = Number(head[':status']);
      });
      stream.on('trailers', (given) => {
        trailers = given;
      });
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      stream.on('end', () => resolve({ status, bytes, trailers }));
      stream.on('error', reject);
      if (body) stream.end(body);
    });
  try {
    return await Promise.all(Array.from({ length: times }, one));
  } finally {
    session.destroy();
  }
}

test('the application is understood by another HTTP/2 client', async (context) => {
  const server = createHttp2Upstream({ exchange: GET });
  context.after(() => server.close());
  const answers = await ask(await listen(server), 20, { ':path': '/' });
  for (const { status, bytes } of answers) assert.deepEqual([status, bytes], [200, 256]);
});

test('so is the one that speaks gRPC', async (context) => {
  const server = createHttp2Upstream({ exchange: GRPC });
  context.after(() => server.close());
  const answers = await ask(await listen(server), 20, { ':method': 'POST', ':path': '/a/b' }, Buffer.alloc(15));
  for (const { status, bytes, trailers } of answers) {
    assert.deepEqual([status, bytes, trailers['grpc-status']], [200, 25, '0']);
  }
});

test('load reaches another HTTP/2 server, with the same fields in every request', async (context) => {
  const seen = new Set<string>();
  const server = createServer((request, response) => {
    const { ':method': method, ':path': path, ':authority': authority } = request.headers;
    seen.add(`${method} ${authority}${path} ${request.headers['user-agent']}`);
    response.end(Buffer.alloc(256));
  });
  context.after(() => server.close());
  const port = await listen(server);
  const load = { port, connections: 2, streams: 4, authorities: ['a', 'b'], paths: ['/', '/x?y=1'], exchange: GET };
  const { done } = await runHttp2Load({ ...load, ...WINDOW });
  assert.ok(done > 0);
  assert.deepEqual([...seen].sort(), [
    'GET a/ weft-bench',
    'GET a/x?y=1 weft-bench',
    'GET b/ weft-bench',
    'GET b/x?y=1 weft-bench',
  ]);
});

test('an answer of another status or another length fails the load', async (context) => {
  for (const [status, bytes, expected] of [
    [404, 256, /not status 200/],
    [200, 255, /an answer had 255 bytes, not 256/],
  ] as const) {
    const server = createServer((_request, response) => response.writeHead(status).end(Buffer.alloc(bytes)));
    context.after(() => server.close());
    const port = await listen(server);
    const load = { port, connections: 1, streams: 1, authorities: ['a'], paths: ['/'], exchange: GET };
    await assert.rejects(runHttp2Load({ ...load, ...WINDOW }), expected);
  }
});
