/** A connection manager with filters on a real socket, in front of an upstream that answers `ok`; for tests. */
import { Proxied, type ProxiedOptions, ROUTER, TextUpstream } from '../../stack/testing/proxied.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

export interface Ask {
  readonly method?: string;
  readonly path?: string;
  /** Lines as they are: `x-a: 1`. */
  readonly fields?: readonly string[];
  readonly body?: string;
}

/** The bytes of a request after which the connection ends. */
export function requestText({ method = 'GET', path = '/', fields = [], body }: Ask = {}): string {
  const length = body === undefined ? [] : [`content-length: ${body.length}`];
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: a', 'Connection: close', ...fields, ...length];
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`;
}

export interface FilteredOptions extends Omit<ProxiedOptions, 'manager'> {
  /** What the upstream answers to every request. */
  readonly answer?: string;
  /** Fields of the connection manager. */
  readonly manager?: object;
}

export class Filtered implements AsyncDisposable {
  readonly upstream: TextUpstream;
  readonly proxied: Proxied;

  private constructor(upstream: TextUpstream, proxied: Proxied) {
    this.upstream = upstream;
    this.proxied = proxied;
  }

  /** With these filters before the router: their types are that of `typed_config`, after `envoy.extensions.`. */
  static async serve(
    filters: readonly ({ readonly name: string; readonly type: string } & Readonly<Record<string, unknown>>)[],
    { answer = OK, manager, ...options }: FilteredOptions = {},
  ): Promise<Filtered> {
    const http_filters = [
      ...filters.map(({ name, type, ...config }) => ({
        name,
        typed_config: { '@type': `type.googleapis.com/envoy.extensions.${type}`, ...config },
      })),
      ROUTER,
    ];
    const upstream = await new TextUpstream((text) => (text.endsWith('\r\n\r\n') ? answer : undefined)).start();
    const all = { generate_request_id: false, http_filters, ...manager };
    const proxied = await new Proxied([upstream.port], { ...options, manager: all }).start();
    return new Filtered(upstream, proxied);
  }

  /** What the client gets, up to the end of the connection. */
  ask(request: Ask = {}): Promise<string> {
    return this.proxied.ask(requestText(request));
  }

  async status(request: Ask = {}): Promise<number> {
    return Number((await this.ask(request)).split(' ')[1]);
  }

  /** How many requests the upstream has got. */
  get requests(): number {
    return this.upstream.received.join('').split(' HTTP/1.1\r\n').length - 1;
  }

  /** A number of `/stats`. */
  stat(name: string): number {
    const line = this.proxied.registry
      .text()
      .split('\n')
      .find((text) => text.startsWith(`${name}: `));
    return Number(line?.split(': ')[1] ?? Number.NaN);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxied[Symbol.asyncDispose]();
    await this.upstream[Symbol.asyncDispose]();
  }
}
