/** A server on a real socket whose requests are recorded, whatever version of HTTP its connections speak; for tests. */
import { createServer, type Socket } from 'node:net';
import { FlushQueue } from '../../net/flush-queue.ts';
import { LocalServer } from '../../testing/local-server.ts';
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

/** What requests that are none are told with. */
interface Refusal {
  readonly status: number;
  readonly detail: string;
}

export abstract class RecordingServer extends LocalServer {
  readonly requests: SeenRequest[] = [];
  protected readonly queue = new FlushQueue();
  readonly #answer: Answer;
  isDraining = false;
  /** What connections of every version tell their owner alike. */
  protected readonly handler = {
    onRequest: (head: RequestHead, stream: ResponseStream) => this.record(head, stream),
    onViolation: ({ status, detail }: Refusal, stream: ResponseStream) => this.refuse(stream, status, detail),
    onHeadTimeout: (stream: ResponseStream) => this.refuse(stream, 408, 'timeout'),
    isDraining: () => this.isDraining,
  };

  constructor(answer: Answer) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.serve(socket));
    super(server);
    this.#answer = answer;
  }

  /** Answers a request that is none. */
  protected abstract refuse(stream: ResponseStream, status: number, detail: string): void;
  protected abstract serve(socket: Socket): void;

  /** The body of a request broke the protocol. */
  protected onMalformed(_stream: ResponseStream, _status: number, _detail: string): void {
    // What is to be answered is each version's own.
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
}
