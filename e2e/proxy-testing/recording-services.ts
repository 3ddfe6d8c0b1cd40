/** Services that a proxy asks or tells, gRPC and HTTP, that keep what they were sent and answer as the test says. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import type { TestContext } from 'node:test';
import { listen } from '../harness.ts';

/** A call that came, without what codecs add to it. */
export interface Heard {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of gRPC: the message. */
  readonly body: Buffer;
}

/** A message, the number of a status, or nothing at all. */
export type GrpcAnswer =
  | { readonly type: 'message'; readonly bytes: Buffer }
  | { readonly type: 'status'; readonly code: number }
  | { readonly type: 'silence' };

export interface RecordingService {
  readonly port: number;
  /** What came so far; taking it forgets it. */
  take(): Heard[];
}

const FRAME_HEAD_BYTES = 5;

function text(headers: object): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

function send(stream: ServerHttp2Stream, answer: GrpcAnswer): void {
  const head = { ':status': 200, 'content-type': 'application/grpc' };
  switch (answer.type) {
    case 'silence':
      return;
    case 'status':
      stream.respond({ ...head, 'grpc-status': String(answer.code) }, { endStream: true });
      return;
    case 'message': {
      stream.respond(head, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      const frame = Buffer.alloc(FRAME_HEAD_BYTES);
      frame.writeUInt32BE(answer.bytes.length, 1);
      stream.end(Buffer.concat([frame, answer.bytes]));
    }
  }
}

/** Unary gRPC over HTTP/2 in the clear; it ends with the test. */
export async function startGrpcService(
  test: TestContext,
  answer: (path: string, message: Buffer) => GrpcAnswer,
): Promise<RecordingService> {
  const heard: Heard[] = [];
  const server = createHttp2();
  server.on('stream', (stream: ServerHttp2Stream, { ':path': path = '', ...headers }) => {
    const chunks: Buffer[] = [];
    // A call that the proxy takes back is no error of the service.
    stream.on('error', () => stream.close());
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const body = Buffer.concat(chunks).subarray(FRAME_HEAD_BYTES);
      heard.push({ path, headers: text(headers), body });
      send(stream, answer(path, body));
    });
  });
  const port = await listen(test, server);
  return { port, take: () => heard.splice(0) };
}

/** HTTP/1.1; it ends with the test. */
export async function startHttpService(
  test: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<RecordingService> {
  const heard: Heard[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = `${request.method} ${request.url}`;
      heard.push({ path, headers: text(request.headers), body: Buffer.concat(chunks) });
      answer(request, response);
    });
  });
  const port = await listen(test, server);
  return { port, take: () => heard.splice(0) };
}
