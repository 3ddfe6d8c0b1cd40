/** What every response of a connection manager says, whoever made it. */
import type { Clock } from '../clock.ts';
import type { HttpConnectionManagerConfig } from '../config/http.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { appendVia } from './forwarded.ts';
import { HttpDate } from './http-date.ts';

export class ResponseFinisher {
  readonly #config: HttpConnectionManagerConfig;
  readonly #date: HttpDate;

  constructor(config: HttpConnectionManagerConfig, clock: Clock) {
    this.#config = config;
    this.#date = new HttpDate(clock);
  }

  finish({ headers }: ResponseHead, request: RequestHead): void {
    const config = this.#config;
    if (!headers.has('date')) headers.add('date', this.#date.current());
    if (config.server_header_transformation === 'OVERWRITE') headers.set('server', config.server_name);
    else if (config.server_header_transformation === 'APPEND_IF_ABSENT' && !headers.has('server')) {
      headers.add('server', config.server_name);
    }
    if (config.via !== '') appendVia(headers, config.via);
    if (!config.always_set_request_id_in_response) return;
    const id = request.headers.get('x-request-id');
    if (id !== undefined) headers.set('x-request-id', id);
  }
}
