/** A server on a real socket whose requests are recorded, whatever version of HTTP its connections speak; for tests. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { FlushQueue } from '../../net/flush-queue.ts';
import type { RequestHead } from '../message.ts';
import type { RequestListener, ResponseStream } from '../stream.ts';

/** A request as the handler saw it. */
export interface SeenRequest {
  readonly head: RequestHead;
  readonly stream: ResponseStream;
  body: string;
  trailers: readonly string[] | undefined;
  state: 'open' | 'complete' | 'malformed' | 'reset';
  drains: number;
}

/** Answers a request; called when its head, and again when its end has come. */
export type Answer = (request: SeenRequest, when: 'head' | 'end') => void;

export abstract class RecordingServer implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  protected readonly queue = new FlushQueue();
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.serve(socket);
  });
  readonly #answer: Answer;
  isDraining = false;

  constructor(answer: Answer) {
    this.#answer = answer;
  }

  protected abstract serve(socket: Socket): void;

  /** The body of a request broke the protocol. */
  protected onMalformed(_stream: ResponseStream, _status: number, _detail: string): void {
    // What is to be answered is each version's own.
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Records a request, and gives what records the rest of it. */
  protected record(head: RequestHead, stream: ResponseStream): RequestListener {
    const seen: SeenRequest = { head, stream, body: '', trailers: undefined, state: 'open', drains: 0 };
    this.requests.push(seen);
    this.#answer(seen, 'head');
    return {
      onRequestBody: (chunk) => {
        seen.body += chunk.toString('latin1');
      },
      onRequestEnd: (trailers) => {
        seen.state = 'complete';
        seen.trailers = trailers?.flat;
        this.#answer(seen, 'end');
      },
      onRequestMalformed: (status, detail) => {
        seen.state = 'malformed';
        this.onMalformed(stream, status, detail);
      },
      onDownstreamReset: () => {
        seen.state = 'reset';
      },
      onDownstreamDrain: () => {
        seen.drains++;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
