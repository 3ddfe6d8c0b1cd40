/** One request to an upstream, and its response. */
import { createHash } from 'node:crypto';
import { HeaderList } from '../http/header-list.ts';
import { hasNoBody, type RequestHead, ResponseHead } from '../http/message.ts';
import type { RequestStream, ResponseListener, UpstreamReset } from '../http/stream.ts';
import { ERROR, type ErrorCode } from './frames.ts';
import type { ResponseFields } from './response-fields.ts';
import { Http2Stream, type StreamHost } from './stream.ts';

/** The connection, as a request's stream sees it. */
export interface ClientHost extends StreamHost {
  /** Sends the head of a request, or has the stream told later that the upstream cannot take it. */
  sendRequestHead(stream: ClientStream, head: RequestHead, isEnd: boolean): void;
  reset(stream: Http2Stream, code: ErrorCode): void;
  /** Why streams end that are cut off with the connection. */
  readonly cutCause: Pick<UpstreamReset, 'type' | 'text'>;
}

/** Informational responses to one request, beyond which it is an attack. */
const MAX_INFORMATIONAL = 256;
/** RFC 6455, 1.3. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export class ClientStream extends Http2Stream implements RequestStream {
  readonly #client: ClientHost;
  /** Whether the connection had served other requests before. */
  readonly #isReused: boolean;
  #listener: ResponseListener | undefined;
  #method = '';
  #upgrade: string | undefined;
  #webSocketKey: string | undefined;
  #isSent = false;
  #hasHead = false;
  #isTunnel = false;
  #informational = 0;
  /** Nothing of the response comes after its head. */
  #isHeadLast = false;

  constructor(id: number, host: ClientHost, sendWindow: number, listener: ResponseListener, isReused: boolean) {
    super(id, host, sendWindow);
    this.#client = host;
    this.#listener = listener;
    this.#isReused = isReused;
  }

  /** Whether the head of the response came; what comes then are trailers. */
  get hasHead(): boolean {
    return this.#hasHead;
  }

  // What the connection tells.

  /** Takes a head, informational ones among them. Gives why it cannot be one, or ''. */
  takeHead(fields: ResponseFields, isEnd: boolean): string {
    const headers = new HeaderList(fields.finish());
    if (fields.problem !== '') return fields.problem;
    headers.secret = fields.secret;
    const { status } = fields;
    const head = new ResponseHead(status, headers);
    // RFC 9110, 8.6: these say no length.
    if (status < 200 || status === 204) headers.remove('content-length');
    if (status < 200) {
      if (isEnd || status === 101) return 'informational response that is the end, or 101';
      if (++this.#informational > MAX_INFORMATIONAL) return 'too many informational responses';
      this.#listener?.onUpstreamInformational(head);
      return '';
    }
    this.#hasHead = true;
    this.#isHeadLast = isEnd;
    if (status < 300 && (this.#method === 'CONNECT' || this.#upgrade !== undefined)) this.#grant(head);
    else if (hasNoBody(this.#method, status)) this.bodyLeft = 0;
    else {
      if (isEnd && fields.length > 0) return 'content length without content';
      head.bodyLength = isEnd ? 0 : fields.length;
      this.bodyLeft = fields.length;
    }
    this.#listener?.onUpstreamHead(head, isEnd && !this.#isTunnel);
    return '';
  }

  /** A tunnel stands; HTTP/1.1 says that with 101 where it was asked for with Upgrade (RFC 8441, 5). */
  #grant(head: ResponseHead): void {
    this.#isTunnel = true;
    head.bodyLength = -1;
    if (this.#upgrade === undefined) return;
    head.status = 101;
    head.upgrade = this.#upgrade;
    if (this.#webSocketKey === undefined || head.headers.has('sec-websocket-accept')) return;
    const accept = createHash('sha1')
      .update(this.#webSocketKey + WEBSOCKET_GUID)
      .digest('base64');
    head.headers.add('sec-websocket-accept', accept);
  }

  override beginData(size: number, data: number): ErrorCode | undefined {
    return this.#hasHead ? super.beginData(size, data) : ERROR.protocol;
  }

  protected onBody(chunk: Buffer): void {
    this.#listener?.onUpstreamBody(chunk);
  }

  protected onRemoteEnd(trailers: HeaderList | undefined): void {
    const listener = this.#listener;
    if (!this.#isTunnel) this.#listener = undefined;
    listener?.onUpstreamEnd(trailers);
    // Nobody needs the rest of a request that is answered.
    if (!this.#isTunnel && !this.isLocalEnded) this.#client.reset(this, ERROR.cancel);
  }

  protected onDrain(): void {
    if (!this.isLocalEnding) this.#listener?.onUpstreamDrain();
  }

  protected onLocalEnd(): void {
    // The response tells when the exchange is over.
  }

  override isHarmless(code: ErrorCode): boolean {
    return this.isRemoteEnded && code === ERROR.none;
  }

  onReset(code: ErrorCode, isRemote: boolean): void {
    if (!isRemote) this.fail('protocol-error', '');
    else if (code === ERROR.refusedStream) this.refused();
    else if (code === ERROR.protocol) this.fail('protocol-error', '');
    else this.fail('remote-reset', '');
  }

  onCut(): void {
    const { type, text } = this.#client.cutCause;
    this.fail(type, text);
  }

  /** The upstream has not processed the request, and will not. */
  refused(): void {
    this.#tell({ type: 'refused-stream', text: '', isUnsent: true, isReused: false });
  }

  /** The response will not be complete. */
  fail(type: UpstreamReset['type'], text: string): void {
    this.#tell({ type, text, isUnsent: !this.#isSent, isReused: this.#isReused && !this.#hasHead });
  }

  #tell(reset: UpstreamReset): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.onUpstreamReset(reset);
  }

  // What the request's owner calls.

  sendHead(head: RequestHead, end: boolean): void {
    if (this.isClosed) return;
    this.#method = head.method;
    this.#upgrade = head.upgrade;
    if (head.upgrade === 'websocket') this.#webSocketKey = head.headers.get('sec-websocket-key');
    const wantsTunnel = head.method === 'CONNECT' || head.upgrade !== undefined;
    this.#client.sendRequestHead(this, head, end && !wantsTunnel);
  }

  /** The connection wrote the head. */
  headSent(isEnd: boolean): void {
    this.#isSent = true;
    this.headWritten(isEnd);
  }

  abort(): void {
    this.#listener = undefined;
    if (this.#isSent) this.#client.reset(this, ERROR.cancel);
    else this.close();
  }

  /** A stream that is reset costs its connection nothing; one that is whole ends by itself. */
  discardResponse(): void {
    if (this.#isHeadLast && this.isLocalEnded) this.#listener = undefined;
    else this.abort();
  }

  pauseResponse(): void {
    this.hold();
  }

  resumeResponse(): void {
    this.release();
  }
}
