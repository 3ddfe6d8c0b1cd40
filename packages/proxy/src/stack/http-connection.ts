/** A client's connection to a connection manager: makes an exchange of each request. */
import type { Socket } from 'node:net';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import type { RequestListener, ResponseStream } from '../http/stream.ts';
import { Http1ServerConnection } from '../http1/server-connection.ts';
import type { RequestHandler } from '../http1/server-options.ts';
import { VIOLATIONS, type Violation } from '../http1/violation.ts';
import { Exchange } from './exchange.ts';
import type { HttpManager } from './http-manager.ts';
import { FLAG } from './response-flags.ts';
import { type DownstreamInfo, StreamInfo } from './stream-info.ts';
import { StreamTimers } from './timers.ts';

export class HttpConnection implements RequestHandler {
  readonly #manager: HttpManager;
  readonly #downstream: DownstreamInfo;
  readonly #timers: StreamTimers;
  readonly #codec: Http1ServerConnection;
  readonly #openedMs: number;

  constructor(manager: HttpManager, socket: Socket, downstream: DownstreamInfo) {
    this.#manager = manager;
    this.#downstream = downstream;
    this.#openedMs = manager.clock.monotonicMs();
    this.#timers = new StreamTimers(manager.clock);
    this.#codec = new Http1ServerConnection(socket, this, manager.server, manager.queue, manager.clock);
  }

  drain(): void {
    this.#codec.drain();
  }

  destroy(): void {
    this.#codec.destroy();
  }

  isDraining(): boolean {
    return this.#manager.isDraining();
  }

  #exchange(head: RequestHead, stream: ResponseStream): Exchange {
    const { clock } = this.#manager;
    const info = new StreamInfo(this.#downstream, clock.wallMs(), clock.monotonicMs());
    return new Exchange(this.#manager, head, info, stream, this.#timers);
  }

  onRequest(head: RequestHead, stream: ResponseStream): RequestListener {
    const exchange = this.#exchange(head, stream);
    exchange.begin();
    return exchange;
  }

  onViolation(violation: Violation, stream: ResponseStream): void {
    const { stats } = this.#manager;
    stats.downstream_cx_protocol_error++;
    if (violation === VIOLATIONS.headTooLarge || violation === VIOLATIONS.tooManyFields)
      stats.downstream_rq_too_large++;
    this.#answer(stream, violation.status, violation.detail, FLAG.DPE);
  }

  onHeadTimeout(stream: ResponseStream): void {
    this.#manager.stats.downstream_rq_header_timeout++;
    this.#answer(stream, 408, 'request_header_timeout', 0, 'request header timeout');
  }

  /** Answers what never became a request; it is counted and logged like one. */
  #answer(stream: ResponseStream, status: number, details: string, flags: number, text?: string): void {
    const head = new RequestHead('', '', '', '', new HeaderList());
    const exchange = this.#exchange(head, stream);
    exchange.info.request = undefined;
    this.#manager.begun(exchange, exchange.info);
    exchange.refuse({ status, body: text ?? this.#manager.violationBody(status), flags, details });
  }

  onClose(): void {
    this.#timers.dispose();
    this.#manager.closed(this, this.#downstream, this.#manager.clock.monotonicMs() - this.#openedMs);
  }
}
