/** The requests and answers of HTTP/2 load, made beforehand. */

import { type Field, HeadEncoder } from './hpack.ts';
import { makeBody } from './http1-client.ts';
import { FLAG, FRAME, frame, Template } from './http2-frames.ts';

export type Exchange =
  | { readonly type: 'get'; readonly bodyBytes: number }
  /** A unary call: bytes of the messages of both directions. */
  | { readonly type: 'grpc'; readonly requestBytes: number; readonly responseBytes: number };

/** Of every answer's DATA frames. */
export function answerBytes(exchange: Exchange): number {
  return exchange.type === 'get' ? exchange.bodyBytes : grpcMessage(exchange.responseBytes).length;
}

/** The first message of a connection, which fills the dynamic table, and those after it. */
export interface Templates {
  readonly first: Template;
  /** In turn. */
  readonly later: readonly Template[];
}

/** A message of gRPC: not compressed, its length, its bytes. */
function grpcMessage(bytes: number): Buffer {
  const message = Buffer.alloc(5 + bytes, 'm');
  message[0] = 0;
  message.writeUInt32BE(bytes, 1);
  return message;
}

const END_OF_HEAD = FLAG.END_HEADERS | FLAG.END_STREAM;

/** Requests to one authority for several paths. */
export function requestTemplates(exchange: Exchange, authority: string, paths: readonly string[]): Templates {
  const encoder = new HeadEncoder();
  const make = (path: string): Template => {
    const start: Field[] = [
      [':method', exchange.type === 'get' ? 'GET' : 'POST'],
      [':scheme', 'http'],
      [':path', path],
      [':authority', authority],
    ];
    if (exchange.type === 'get') {
      const fields = encoder.encode([...start, ['user-agent', 'weft-bench'], ['accept', '*/*']]);
      return new Template([frame(FRAME.HEADERS, END_OF_HEAD, 0, fields)]);
    }
    const fields = encoder.encode([
      ...start,
      ['te', 'trailers'],
      ['content-type', 'application/grpc'],
      ['user-agent', 'grpc-weft-bench/1'],
      ['grpc-accept-encoding', 'identity'],
    ]);
    const message = frame(FRAME.DATA, FLAG.END_STREAM, 0, grpcMessage(exchange.requestBytes));
    return new Template([frame(FRAME.HEADERS, FLAG.END_HEADERS, 0, fields), message]);
  };
  const first = make(paths[0] ?? '/');
  return { first, later: paths.map(make) };
}

/** The answer of an application. */
export function answerTemplates(exchange: Exchange): Templates {
  const encoder = new HeadEncoder();
  const make = (): Template => {
    if (exchange.type === 'get') {
      const { bodyBytes } = exchange;
      const fields = encoder.encode([
        [':status', '200'],
        ['content-type', 'text/plain'],
        ['content-length', String(bodyBytes)],
      ]);
      const body = frame(FRAME.DATA, FLAG.END_STREAM, 0, makeBody(bodyBytes));
      return new Template([frame(FRAME.HEADERS, FLAG.END_HEADERS, 0, fields), body]);
    }
    const fields = encoder.encode([
      [':status', '200'],
      ['content-type', 'application/grpc'],
    ]);
    const trailers = encoder.encode([
      ['grpc-status', '0'],
      ['grpc-message', ''],
    ]);
    return new Template([
      frame(FRAME.HEADERS, FLAG.END_HEADERS, 0, fields),
      frame(FRAME.DATA, 0, 0, grpcMessage(exchange.responseBytes)),
      frame(FRAME.HEADERS, END_OF_HEAD, 0, trailers),
    ]);
  };
  const first = make();
  return { first, later: [make()] };
}
