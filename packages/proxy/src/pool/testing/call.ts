/** A request that takes a connection from a pool as soon as it is given one; for tests. */
import { HeaderList } from '../../http/header-list.ts';
import { RequestHead, type ResponseHead } from '../../http/message.ts';
import type { RequestStream, UpstreamReset } from '../../http/stream.ts';
import type { Pool, PoolConnection, PoolWaiter } from '../pool.ts';

export class Call implements PoolWaiter {
  state: 'waiting' | 'sent' | 'answered' | 'reset' | 'refused' = 'waiting';
  reset: UpstreamReset | undefined;
  connection: PoolConnection | undefined;
  stream: RequestStream | undefined;
  head: ResponseHead | undefined;
  readonly #path: string;

  constructor(path = '/') {
    this.#path = path;
  }

  onPoolReady(connection: PoolConnection): void {
    this.connection = connection;
    this.state = 'sent';
    this.stream = connection.begin({
      onUpstreamInformational: () => undefined,
      onUpstreamHead: (head) => {
        this.head = head;
      },
      onUpstreamBody: () => undefined,
      onUpstreamDrain: () => undefined,
      onUpstreamEnd: () => {
        this.state = 'answered';
      },
      onUpstreamReset: (reset) => {
        this.state = 'reset';
        this.reset = reset;
      },
    });
    this.stream.sendHead(new RequestHead('GET', this.#path, 'a', '', new HeaderList()), true);
  }

  onPoolFailure(reset: UpstreamReset): void {
    this.state = 'refused';
    this.reset = reset;
  }
}

/** Asks the pool for a connection, and sends `GET path` on it. */
export function call(pool: Pool, path?: string): Call {
  const made = new Call(path);
  pool.acquire(made);
  return made;
}
