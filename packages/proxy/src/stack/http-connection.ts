/** A client's connection to a connection manager: makes an exchange of each request. */
import type { Socket } from 'node:net';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { reasonPhrase } from '../http/status.ts';
import type { RequestListener, ResponseStream } from '../http/stream.ts';
import { Http1ServerConnection } from '../http1/server-connection.ts';
import type { Violation } from '../http1/violation.ts';
import { type Http2RequestHandler, Http2ServerConnection } from '../http2/server-connection.ts';
import { Exchange } from './exchange.ts';
import { FirstBytes, type FirstBytesListener } from './first-bytes.ts';
import type { HttpManager } from './http-manager.ts';
import { FLAG } from './response-flags.ts';
import { type DownstreamInfo, StreamInfo } from './stream-info.ts';
import type { StreamTimers, TimerLender } from './timers.ts';

type Codec = Http1ServerConnection | Http2ServerConnection;

export class HttpConnection implements Http2RequestHandler, TimerLender {
  readonly #manager: HttpManager;
  readonly #downstream: DownstreamInfo;
  readonly #socket: Socket;
  readonly #openedMs: number;
  #codec: Codec | undefined;
  #firstBytes: FirstBytes | undefined;
  #isOver = false;
  /** Whether the connection ends for what the client did wrong. */
  #hasFailed = false;
  /** The client was told that the connection will end. */
  #isAskedToLeave = false;
  /** Whether a request was being served when the connection ended. */
  #wasBusy = false;
  #stopAging: (() => void) | undefined;
  /** The connection is older than it may be. */
  #isAged = false;
  #countedRead = 0;
  #countedWritten = 0;

  constructor(manager: HttpManager, socket: Socket, downstream: DownstreamInfo) {
    this.#manager = manager;
    this.#downstream = downstream;
    this.#socket = socket;
    this.#openedMs = manager.clock.monotonicMs();
    const { maxMs } = manager.connectionAge;
    if (maxMs > 0) this.#stopAging = manager.clock.after(maxMs, () => this.#age());
    const protocol = manager.protocolOf(socket);
    if (protocol !== 'told-by-bytes') {
      this.#codec = this.#makeCodec(protocol);
      return;
    }
    const listener: FirstBytesListener = {
      onProtocol: (told, bytes) => {
        this.#firstBytes = undefined;
        this.#codec = this.#makeCodec(told);
        socket.emit('data', bytes);
      },
      onNothing: () => this.onClose(),
    };
    const { idleTimeoutMs, requestHeadersTimeoutMs } = manager.server;
    this.#firstBytes = new FirstBytes(socket, listener, idleTimeoutMs, requestHeadersTimeoutMs, manager.clock);
  }

  #makeCodec(protocol: 'http1' | 'http2'): Codec {
    const { queue, clock, server, http2, http2Stats } = this.#manager;
    this.#manager.connections.spoken(protocol);
    if (protocol === 'http1') return new Http1ServerConnection(this.#socket, this, server, queue, clock);
    return new Http2ServerConnection(this.#socket, this, http2, queue, clock, http2Stats);
  }

  /** The client is asked to leave; one of HTTP/1 with the next answer, and at the latest after a while. */
  #age(): void {
    const { stats, connectionAge, clock } = this.#manager;
    stats.downstream_cx_max_duration_reached++;
    this.#isAged = true;
    this.#stopAging = undefined;
    if (this.#codec instanceof Http2ServerConnection || !this.#codec) this.drain();
    else if (!connectionAge.isSafe) this.#stopAging = clock.after(connectionAge.drainMs, () => this.drain());
  }

  drain(): void {
    this.#firstBytes?.stop();
    this.#codec?.drain();
  }

  destroy(): void {
    this.#firstBytes?.stop();
    this.#codec?.destroy();
  }

  returned(timers: StreamTimers): void {
    const { destroyed, readableEnded } = this.#socket;
    if (destroyed || readableEnded || this.#hasFailed) this.#wasBusy = true;
    this.#manager.timers.give(timers);
  }

  isDraining(): boolean {
    if (!this.#isAged && !this.#manager.isDraining()) return false;
    if (!this.#isAskedToLeave) this.#manager.stats.downstream_cx_drain_close++;
    this.#isAskedToLeave = true;
    return true;
  }

  #exchange(head: RequestHead, stream: ResponseStream): Exchange {
    const { clock } = this.#manager;
    const info = new StreamInfo(this.#downstream, clock.wallMs(), clock.monotonicMs());
    return new Exchange(this.#manager, head, info, stream, this.#manager.timers.take(this));
  }

  onRequest(head: RequestHead, stream: ResponseStream): RequestListener {
    const exchange = this.#exchange(head, stream);
    exchange.begin();
    return exchange;
  }

  onViolation(violation: Violation, stream: ResponseStream): void {
    this.#manager.stats.downstream_cx_protocol_error++;
    this.#answer(stream, violation.status, violation.detail, FLAG.DPE);
  }

  onHeadTimeout(stream: ResponseStream): void {
    this.#manager.stats.downstream_rq_header_timeout++;
    this.#answer(stream, 408, 'request_header_timeout', 0, 'request header timeout');
  }

  /** Answers what never became a request; it is counted and logged like one. */
  #answer(stream: ResponseStream, status: number, details: string, flags: number, text?: string): void {
    const head = new RequestHead('', '', '', '', new HeaderList());
    if (this.#codec instanceof Http2ServerConnection) head.protocol = 'HTTP/2';
    const exchange = this.#exchange(head, stream);
    exchange.info.request = undefined;
    this.#manager.begun(head);
    exchange.answer({ status, body: text ?? reasonPhrase(status), flags, details });
  }

  onConnectionError(cause: 'protocol' | 'premature-resets'): void {
    const { stats } = this.#manager;
    this.#hasFailed = true;
    if (cause === 'protocol') stats.downstream_cx_protocol_error++;
    else stats.downstream_rq_too_many_premature_resets++;
  }

  onIdleTimeout(): void {
    this.#manager.stats.downstream_cx_idle_timeout++;
  }

  /** Adds what came and went since this was asked last to what is counted of all connections. */
  countBytes(): void {
    const { stats } = this.#manager;
    const { bytesRead = 0, bytesWritten = 0 } = this.#socket;
    stats.downstream_cx_rx_bytes_total += bytesRead - this.#countedRead;
    stats.downstream_cx_tx_bytes_total += bytesWritten - this.#countedWritten;
    this.#countedRead = bytesRead;
    this.#countedWritten = bytesWritten;
  }

  onClose(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopAging?.();
    this.countBytes();
    const openMs = this.#manager.clock.monotonicMs() - this.#openedMs;
    this.#manager.connections.destroyed(this.#socket, this.#wasBusy);
    this.#manager.connections.closed(this, this.#downstream, openMs, this.#protocol);
  }

  get #protocol(): 'http1' | 'http2' | undefined {
    if (!this.#codec) return undefined;
    return this.#codec instanceof Http2ServerConnection ? 'http2' : 'http1';
  }
}
