import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:net';
import { type TestContext, test } from 'node:test';
import { runHttp1Load, runHttp1Rate } from './http1-load.ts';
import { createHttp1Upstream } from './http1-upstream.ts';

const WINDOW = { warmupMs: 50, windowMs: 300, pids: [process.pid] };
const LOAD = { connections: 3, bodyBytes: 256, requests: ['GET / HTTP/1.1\r\nhost: a\r\n\r\n'] };

async function listen(context: TestContext, server: Server): Promise<number> {
  context.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

function answering(text: string): Server {
  return createServer((socket) => {
    socket.on('data', () => socket.write(text));
    socket.on('error', () => socket.destroy());
  });
}

test('load is answered by the application', async (context) => {
  const port = await listen(context, createHttp1Upstream({ bodyBytes: 256 }));
  const { done, p50Ms, p99Ms } = await runHttp1Load({ ...LOAD, ...WINDOW, port });
  assert.ok(done > 0);
  assert.ok(p50Ms > 0 && p99Ms >= p50Ms);
});

test('at a constant rate there come about as many requests as asked for', async (context) => {
  const port = await listen(context, createHttp1Upstream({ bodyBytes: 256 }));
  const { done, seconds } = await runHttp1Rate({ ...LOAD, ...WINDOW, port, requestsPerSecond: 200 });
  assert.ok(done > 20 && done / seconds < 400, `${done} in ${seconds} s`);
});

test('a server that pauses weighs on the requests that were due meanwhile', async (context) => {
  let isPaused = false;
  const server = createHttp1Upstream({ bodyBytes: 256 });
  server.on('connection', (socket) => {
    if (isPaused) return;
    isPaused = true;
    setTimeout(() => {
      socket.pause();
      setTimeout(() => socket.resume(), 200);
    }, 60);
  });
  const port = await listen(context, server);
  const { p99Ms } = await runHttp1Rate({ ...LOAD, ...WINDOW, connections: 1, port, requestsPerSecond: 200 });
  assert.ok(p99Ms > 100, `p99 was ${p99Ms} ms`);
});

test('an answer of another status or another length fails the load, and so does the end of a connection', async (context) => {
  const body = `<${'x'.repeat(254)}>`;
  for (const [text, expected] of [
    [`HTTP/1.1 404 Not Found\r\ncontent-length: 256\r\n\r\n${body}`, /was not 200: "HTTP\/1.1 404/],
    [`HTTP/1.1 200 OK\r\ncontent-length: 257\r\n\r\n${body}x`, /more bytes than those of one answer/],
    [`HTTP/1.1 200 OK\r\ncontent-length: 256\r\n\r\n${body.slice(1)}!`, /not the body that was sent/],
    [`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${body}`, /has no content-length: 256/],
  ] as const) {
    const port = await listen(context, answering(text));
    await assert.rejects(runHttp1Load({ ...LOAD, ...WINDOW, port }), expected);
  }
  const closing = createServer((socket) => socket.on('data', () => socket.end()));
  const port = await listen(context, closing);
  await assert.rejects(runHttp1Load({ ...LOAD, ...WINDOW, port }), /was closed/);
});
