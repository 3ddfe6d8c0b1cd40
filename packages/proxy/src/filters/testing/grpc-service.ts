/** A service of unary gRPC on a real socket; for tests of filters that ask one. */
import type { ServerHttp2Stream } from 'node:http2';
import { Http2Upstream } from '../../pool/testing/http2-upstream.ts';

const FRAME_HEAD_BYTES = 5;

/** Of the cluster through which it is asked. */
export const GRPC_CLUSTER = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};

function send(stream: ServerHttp2Stream, message: Buffer | number): void {
  const head = { ':status': 200, 'content-type': 'application/grpc' };
  if (typeof message === 'number') {
    stream.respond({ ...head, 'grpc-status': String(message) }, { endStream: true });
    return;
  }
  stream.respond(head, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  const frame = Buffer.alloc(FRAME_HEAD_BYTES);
  frame.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([frame, message]));
}

/** `answer` gives the message, the number of a status, or undefined for silence. */
export function grpcService(answer: (message: Buffer) => Buffer | number | undefined): Promise<Http2Upstream> {
  return new Http2Upstream((stream) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const message = answer(Buffer.concat(chunks).subarray(FRAME_HEAD_BYTES));
      if (message !== undefined) send(stream, message);
    });
  }).start();
}
