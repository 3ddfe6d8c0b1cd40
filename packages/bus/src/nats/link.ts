/** The connection to NATS: kept for ever, with requests that know when it is gone. */
import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import type { BusLog } from '../log-sink.ts';
import { onAnyAbort, timeLimit } from '../wakeup.ts';
import { RequestFailure, toFailure } from './failure.ts';

export interface LinkRequest {
  readonly timeoutMs: number;
  readonly headers?: MsgHdrs | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Connectedness =
  | { readonly type: 'connected'; readonly lost: AbortController }
  | { readonly type: 'disconnected'; readonly since: Date; readonly back: PromiseWithResolvers<void> }
  | { readonly type: 'closed' };

export class Link {
  readonly connection: NatsConnection;
  /** Of subjects for replies. */
  readonly inboxPrefix: string | undefined;
  readonly #servers: string;
  readonly #log: BusLog;
  readonly #closing = new AbortController();
  #maxPayloadBytes = 1024 * 1024;
  #state: Connectedness = { type: 'connected', lost: new AbortController() };

  /** `servers` is how the servers are named in texts. */
  constructor(connection: NatsConnection, servers: string, inboxPrefix: string | undefined, log: BusLog) {
    this.connection = connection;
    this.inboxPrefix = inboxPrefix;
    this.#servers = servers;
    this.#log = log;
    void this.#follow().catch((error: unknown) => log.warn({ err: error }, 'the state of the connection is not known'));
  }

  /** Aborts when the bus is being closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** The largest message that the server takes, headers and all; while there is none, that of the last. */
  get maxPayloadBytes(): number {
    this.#maxPayloadBytes = this.connection.info?.max_payload ?? this.#maxPayloadBytes;
    return this.#maxPayloadBytes;
  }

  trouble(): string | undefined {
    switch (this.#state.type) {
      case 'connected':
        return undefined;
      case 'disconnected':
        return `no connection to NATS at ${this.#servers} since ${this.#state.since.toISOString()}`;
      case 'closed':
        return 'the bus is closed';
    }
  }

  async #follow(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === 'disconnect') this.#disconnected(status.server);
      else if (status.type === 'reconnect') this.#connected(status.server);
      else if (status.type === 'error') this.#log.warn({ err: status.error }, 'the NATS server told an error');
    }
  }

  #disconnected(server: string): void {
    if (this.#state.type !== 'connected') return;
    this.#log.warn({ server }, 'the connection to NATS is lost; connecting again');
    const { lost } = this.#state;
    this.#state = { type: 'disconnected', since: new Date(), back: Promise.withResolvers() };
    lost.abort(new RequestFailure('lost', `the connection to NATS at ${server} was lost`));
  }

  #connected(server: string): void {
    if (this.#state.type !== 'disconnected') return;
    this.#log.info({ server }, 'connected to NATS again');
    const { back } = this.#state;
    this.#state = { type: 'connected', lost: new AbortController() };
    back.resolve();
  }

  /** Aborts when the connection that there is now breaks; has aborted when there is none. */
  lost(): AbortSignal {
    if (this.#state.type === 'connected') return this.#state.lost.signal;
    return AbortSignal.abort(new RequestFailure('lost', this.trouble() ?? ''));
  }

  /** Resolves when there is a connection; throws `RequestFailure` when it is closed, or after the time or the signal. */
  async whenConnected(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#state.type === 'connected') return;
    if (this.#state.type === 'closed') throw new RequestFailure('closed', 'the bus is closed');
    const { back } = this.#state;
    const limit = timeLimit(timeoutMs, this.closing);
    await new Promise<void>((resolve) => {
      const forget = onAnyAbort([limit.signal, signal], resolve);
      back.promise.then(resolve, resolve).finally(forget);
    });
    limit.end();
    this.#throwIfOver(signal);
    if (this.trouble() !== undefined) throw new RequestFailure('lost', this.trouble() ?? '');
  }

  #throwIfOver(signal: AbortSignal | undefined): void {
    if (this.closing.aborted) throw new RequestFailure('closed', 'the bus is closed');
    if (signal?.aborted) throw new RequestFailure('aborted', 'called off');
  }

  /** Sends a request and gives the one answer; throws `RequestFailure`, at once when the connection breaks. */
  async request(subject: string, data: Uint8Array, options: LinkRequest): Promise<Msg> {
    const begun = performance.now();
    await this.whenConnected(options.timeoutMs, options.signal);
    this.#throwIfOver(options.signal);
    const timeout = Math.max(1, Math.ceil(options.timeoutMs - (performance.now() - begun)));
    const lost = this.lost();
    const answer = this.connection.request(subject, data, {
      timeout,
      ...(options.headers && { headers: options.headers }),
    });
    return new Promise((resolve, reject) => {
      const forget = onAnyAbort([lost, this.closing, options.signal], () => {
        try {
          this.#throwIfOver(options.signal);
          reject(lost.reason);
        } catch (failure) {
          reject(failure);
        }
      });
      answer.then(resolve, (thrown: unknown) => reject(toFailure(thrown, subject))).finally(forget);
    });
  }

  /** Resolves when the server has taken what was sent before; throws `RequestFailure`. */
  async flush(timeoutMs: number): Promise<void> {
    await this.whenConnected(timeoutMs);
    const lost = this.lost();
    const limit = timeLimit(timeoutMs, this.closing);
    try {
      await new Promise<void>((resolve, reject) => {
        const forget = onAnyAbort([lost, limit.signal], () => {
          reject(lost.aborted ? lost.reason : new RequestFailure('timeout', 'the NATS server did not answer in time'));
        });
        const failed = (thrown: unknown): void => reject(toFailure(thrown, 'the NATS server'));
        this.connection.flush().then(resolve, failed).finally(forget);
      });
    } finally {
      limit.end();
    }
  }

  /** Ends what waits on the connection, then the connection. */
  async close(): Promise<void> {
    if (this.#state.type === 'closed') return;
    if (this.#state.type === 'disconnected') this.#state.back.resolve();
    this.#state = { type: 'closed' };
    this.#closing.abort(new RequestFailure('closed', 'the bus is closed'));
    await this.connection.close();
  }
}
