/** An upstream that is played by hand, and a connection to it; for tests. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { systemClock } from '../../clock.ts';
import { HeaderList } from '../../http/header-list.ts';
import { RequestHead } from '../../http/message.ts';
import type { RequestStream } from '../../http/stream.ts';
import { FlushQueue } from '../../net/flush-queue.ts';
import { until } from '../../testing/until.ts';
import { type ClosedCause, Http1ClientConnection, type Http1ClientOptions } from '../client-connection.ts';

const OPTIONS: Http1ClientOptions = {
  maxHeadBytes: 8192,
  maxFields: 50,
  enableTrailers: true,
  idleTimeoutMs: 0,
  maxRequests: 0,
};

/** What the owner of a request was told, as text, in order. */
export class Telling {
  readonly told: string[] = [];
  isOver = false;
  onUpstreamInformational = ({ status }: { status: number }): void => void this.told.push(`informational ${status}`);
  onUpstreamHead = (head: { status: number; bodyLength: number; headers: HeaderList }, end: boolean): void =>
    void this.told.push(
      `head ${head.status} ${head.bodyLength}${end ? ' end' : ''} ${head.headers.flat.join(' ')}`.trim(),
    );
  onUpstreamBody = (chunk: Buffer): void => void this.told.push(`body ${chunk.toString('latin1')}`);
  onUpstreamDrain = (): void => undefined;

  onUpstreamEnd(trailers: HeaderList | undefined): void {
    this.told.push(`end ${trailers?.flat.join(' ') ?? ''}`.trim());
    this.isOver = true;
  }

  onUpstreamReset(reset: { type: string; isUnsent: boolean; isReused: boolean }): void {
    this.told.push(`reset ${reset.type}${reset.isReused ? ' reused' : ''}${reset.isUnsent ? ' unsent' : ''}`);
    this.isOver = true;
  }
}

/** A connection to an upstream that a test plays by hand. */
export class Upstream implements AsyncDisposable {
  readonly #server = createServer({ allowHalfOpen: true, noDelay: true });
  socket!: Socket;
  connection!: Http1ClientConnection;
  received = '';
  isGone = false;
  idle = 0;
  closed: ClosedCause | undefined;

  async start(options: Partial<Http1ClientOptions> = {}): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const accepted = once(this.#server, 'connection') as Promise<[Socket]>;
    const { port } = this.#server.address() as AddressInfo;
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    await once(client, 'connect');
    [this.socket] = await accepted;
    this.socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString('latin1');
    });
    for (const event of ['end', 'close', 'error']) this.socket.on(event, () => (this.isGone = true));
    const owner = {
      onIdle: () => void this.idle++,
      onClosed: (_: Http1ClientConnection, cause: ClosedCause) => (this.closed = cause),
      onBytes: () => undefined,
    };
    this.connection = new Http1ClientConnection(
      client,
      owner,
      { ...OPTIONS, ...options },
      new FlushQueue(),
      systemClock,
    );
    return this;
  }

  begin(head: RequestHead, end = true): { readonly telling: Telling; readonly stream: RequestStream } {
    const telling = new Telling();
    const stream = this.connection.begin(telling);
    stream.sendHead(head, end);
    return { telling, stream };
  }

  async receives(text: string): Promise<void> {
    await until(
      () => this.received.includes(text),
      () => this.received,
    );
  }

  /** Sends a request, answers with these bytes, and gives what was told once it is over, or once `lines` were told. */
  async answer(
    bytes: string,
    { method = 'GET', ends = false, upgrade = '', lines = 0 } = {},
  ): Promise<readonly string[]> {
    const head = new RequestHead(method, '/', 'a.example:80', '', new HeaderList());
    if (upgrade !== '') head.upgrade = upgrade;
    const { telling } = this.begin(head);
    await this.receives('\r\n\r\n');
    this.received = '';
    this.socket.write(Buffer.from(bytes, 'latin1'));
    if (ends) this.socket.end();
    await until(
      () => telling.isOver || (lines > 0 && telling.told.length >= lines),
      () => telling.told,
    );
    return telling.told;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.drain();
    this.connection.socket.destroy();
    this.socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
