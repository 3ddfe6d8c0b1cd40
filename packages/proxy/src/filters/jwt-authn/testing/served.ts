/** A proxy with the filter on a real socket, in front of an upstream that serves keys too; for tests. */
import { Proxied, type ProxiedOptions, ROUTER, TextUpstream } from '../../../stack/testing/proxied.ts';
import { Issuer } from './issuer.ts';

/** Where the messages of the filter are. */
export const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3';
/** Signs the tokens. */
export const issuer = new Issuer();
/** Fields of a provider whose keys are those of {@link issuer}. */
export const local = { local_jwks: { inline_string: issuer.jwks } };
/** Seconds since 1970, as the test begins. */
export const nowS = Math.floor(Date.now() / 1000);
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** A rule for paths with that prefix. */
export const requires = (requirement: object, prefix = '/'): object => ({ match: { prefix }, requires: requirement });
/** The filter, with those fields. */
export const jwt = (fields: object): object => ({
  name: 'jwt',
  typed_config: { '@type': `${TYPE}.JwtAuthentication`, ...fields },
});
/** The filter with one provider, `a`, with those fields, whose token every request needs. */
export const one = (provider: object): object =>
  jwt({ providers: { a: { issuer: 'ia', ...local, ...provider } }, rules: [requires({ provider_name: 'a' })] });

/** What runs, and how it is asked. */
export interface Served extends AsyncDisposable {
  readonly proxied: Proxied;
  readonly upstream: TextUpstream;
  /** Asks, and gives the status and the body of the answer. */
  ask(target: string, ...lines: readonly string[]): Promise<string>;
  /** What the upstream got of the last request. */
  readonly last: string;
  /** A counter of the filter; -1 where there is none of that name. */
  stat(name: string): number;
}

/** Starts the filters in front of an upstream; `/jwks` of that serves keys, `/broken` fails, `/slow` never answers. */
export async function serve(filters: readonly object[], options: ProxiedOptions = {}): Promise<Served> {
  const seen: string[] = [];
  const upstream = await new TextUpstream((text) => {
    if (text.startsWith('GET /jwks '))
      return `HTTP/1.1 200 OK\r\ncontent-length: ${issuer.jwks.length}\r\n\r\n${issuer.jwks}`;
    if (text.startsWith('GET /slow ')) return undefined;
    if (text.startsWith('GET /broken ')) return 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n';
    seen.push(text);
    return OK;
  }).start();
  const manager = { http_filters: [...filters, ROUTER], generate_request_id: false };
  const proxied = await new Proxied([upstream.port], { manager, ...options }).start();
  return {
    proxied,
    upstream,
    async ask(target, ...lines) {
      const head = [`GET ${target} HTTP/1.1`, 'Host: a', 'Connection: close', ...lines, '', ''].join('\r\n');
      const answer = await proxied.ask(head);
      return `${answer.split(' ')[1]} ${answer.slice(answer.indexOf('\r\n\r\n') + 4)}`;
    },
    get last() {
      return seen.at(-1) ?? '';
    },
    stat(name) {
      const { stats } = proxied.registry.json({ matching: /jwt_authn/ }) as {
        stats: { name: string; value: number }[];
      };
      return stats.find((stat) => stat.name === `http.x.jwt_authn.${name}`)?.value ?? -1;
    },
    async [Symbol.asyncDispose]() {
      await proxied[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

/** The line of a header with a token. */
export const bearer = (claims: object, header?: object): string =>
  `Authorization: Bearer ${issuer.token(claims, header)}`;
/** Claims of a token of the provider `a`. */
export const A = { iss: 'ia', sub: 'me' };
