/** An application that speaks HTTP/2 in the clear, and a receiver of streams that never answers. */
import { createServer, type Server, type Socket } from 'node:net';
import { Http2Connection, type Http2Events } from './http2-connection.ts';
import { firstFrames, PREFACE, type Template } from './http2-frames.ts';
import { answerTemplates, type Exchange } from './http2-messages.ts';

/** Serves one connection; `onEnded` is called with the stream of each request that is whole. */
function serve(socket: Socket, makeEvents: (connection: Http2Connection) => Http2Events): void {
  const events: Http2Events = {
    onHead: (streamId, first, isEnd) => made.onHead(streamId, first, isEnd),
    onData: (streamId, bytes, isEnd) => made.onData(streamId, bytes, isEnd),
    onBroken: (reason) => made.onBroken(reason),
  };
  const connection = new Http2Connection(socket, events);
  const made = makeEvents(connection);
  let preface: Buffer | undefined = Buffer.alloc(0);
  connection.sendBytes(firstFrames());
  socket.on('data', (chunk: Buffer) => {
    if (!preface) return connection.read(chunk);
    preface = Buffer.concat([preface, chunk]);
    if (preface.length < PREFACE.length) return;
    const rest = preface.subarray(PREFACE.length);
    preface = undefined;
    connection.read(rest);
  });
  // A proxy that ends takes its connections with it.
  socket.on('error', () => socket.destroy());
}

/** A proxy may give a stream or a connection up; whether it should have shows at the client. */
const ignored = (): void => undefined;

export interface Http2Upstream {
  readonly exchange: Exchange;
}

export function createHttp2Upstream({ exchange }: Http2Upstream): Server {
  const { first, later } = answerTemplates(exchange);
  return createServer({ noDelay: true }, (socket) => {
    let isFirst = true;
    serve(socket, (connection) => {
      const answer = (streamId: number, isEnd: boolean) => {
        if (!isEnd) return;
        connection.send(isFirst ? first : (later[0] as Template), streamId);
        isFirst = false;
      };
      return {
        onHead: (streamId, _first, isEnd) => answer(streamId, isEnd),
        onData: (streamId, _bytes, isEnd) => answer(streamId, isEnd),
        onBroken: ignored,
      };
    });
  });
}

/** What a {@link createSink} took. */
export interface Sunk {
  bytes: number;
}

/** Takes gRPC streams, as access logs come in, and never says anything to them. */
export function createSink(sunk: Sunk): Server {
  return createServer({ noDelay: true }, (socket) => {
    serve(socket, () => ({
      onHead: ignored,
      onData(_streamId, bytes) {
        sunk.bytes += bytes;
      },
      onBroken: ignored,
    }));
  });
}
