import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, type Messages } from '@weft/envoy-api';
import { until } from '../../cluster/testing/cluster.ts';
import { httpConnectionManager } from '../../config/http.ts';
import { Place } from '../../config/schema.ts';
import { forward, Proxied, type ProxiedOptions, ROUTER, routes, TextUpstream } from '../../stack/testing/proxied.ts';
import { together } from '../../testing/together.ts';
import { GRPC_CLUSTER, grpcService } from '../testing/grpc-service.ts';

type CheckResponse = Messages['envoy.service.auth.v3.CheckResponse'];
type CheckRequest = Messages['envoy.service.auth.v3.CheckRequest'];

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3';
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const get = (path = '/', ...fields: readonly string[]): string =>
  `${[`GET ${path} HTTP/1.1`, 'Host: a', 'Connection: close', ...fields].join('\r\n')}\r\n\r\n`;

function authz(fields: object): object {
  return { name: 'authz', typed_config: { '@type': `${TYPE}.ExtAuthz`, transport_api_version: 'V3', ...fields } };
}

const OVER_GRPC = { grpc_service: { envoy_grpc: { cluster_name: 'c' }, timeout: '5s' } };
const overHttp = (fields: object = {}): object => ({
  http_service: { server_uri: { uri: 'http://authz', cluster: 'authz', timeout: '5s' }, ...fields },
});

/** A proxy that asks a gRPC service, which says what `answer` does. */
async function overGrpc(
  answer: (request: CheckRequest) => CheckResponse | number | undefined,
  fields: object = {},
  options: ProxiedOptions = {},
) {
  const upstream = await new TextUpstream(() => OK).start();
  const service = await grpcService((message) => {
    const said = answer(decode('envoy.service.auth.v3.CheckRequest', message));
    return typeof said === 'object' ? encode('envoy.service.auth.v3.CheckResponse', said) : said;
  });
  const proxied = await new Proxied([service.port], {
    cluster: GRPC_CLUSTER,
    clusters: { up: upstream.port },
    routeConfig: forward({ cluster: 'up' }),
    manager: { http_filters: [authz({ ...OVER_GRPC, ...fields }), ROUTER] },
    ...options,
  }).start();
  return together({ upstream, service, proxied });
}

/** A proxy that asks an HTTP service, which answers those bytes. */
async function overHttp1(answer: string, fields: object = overHttp(), options: ProxiedOptions = {}) {
  const upstream = await new TextUpstream(() => OK).start();
  const service = await new TextUpstream(() => answer || undefined).start();
  const proxied = await new Proxied([upstream.port], {
    clusters: { authz: service.port },
    manager: { http_filters: [authz(fields), ROUTER] },
    ...options,
  }).start();
  return together({ upstream, service, proxied });
}

const stats = (proxied: Proxied, name: string): string =>
  proxied.registry.text({ matching: new RegExp(`^http\\.x\\.ext_authz\\.${name}$`) }).trim();

test('a service that says yes changes the request, and the response', async () => {
  await using ground = await overGrpc(() => ({
    status: { code: 0 },
    ok_response: {
      headers: [{ header: { key: 'X-User', value: 'me' } }],
      headers_to_remove: ['x-gone', 'host'],
      response_headers_to_add: [{ header: { key: 'x-said', value: 'yes' } }],
    },
  }));
  assert.match(await ground.proxied.ask(get('/', 'x-gone: 1')), /^HTTP\/1\.1 200 OK\r\n.*x-said: yes\r\n/s);
  const [sent = ''] = ground.upstream.received;
  assert.match(sent, /\r\nx-user: me\r\n/);
  assert.match(sent, /\r\nhost: a\r\n/);
  assert.doesNotMatch(sent, /x-gone/);
});

test('nothing that a service says changes how the request is framed', async () => {
  const said: CheckResponse = {
    status: { code: 0 },
    ok_response: {
      headers: ['content-length', 'transfer-encoding', 'connection', 'x y', ':scheme'].map((key) => ({
        header: { key, value: '100' },
      })),
      response_headers_to_add: [
        { header: { key: 'content-length', value: '1' } },
        { header: { key: 'x-ok', value: 'a\r\nx-split: 1' } },
      ],
      query_parameters_to_set: [{ key: 'q', value: 'a b\r\nx: 1' }],
    },
  };
  await using ground = await overGrpc(() => said);
  const answer = await ground.proxied.ask(get());
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\ncontent-length: 2\r\n.*x-ok: a {2}x-split: 1\r\n.*\r\n\r\nok$/s);
  assert.match(ground.upstream.received[0] ?? '', /^GET \/\?q=a%20b%0D%0Ax:%201 HTTP\/1\.1\r\n/);
  assert.doesNotMatch(ground.upstream.received[0] ?? '', /content-length|transfer-encoding|x y|connection/);
});

test('with validate_mutations an answer that no message can hold is refused', async () => {
  const said = { status: { code: 0 }, ok_response: { headers: [{ header: { key: 'x', value: 'a\nb' } }] } };
  await using ground = await overGrpc(() => said, { validate_mutations: true });
  assert.match(await ground.proxied.ask(get()), /^HTTP\/1\.1 500 /);
  assert.equal(ground.proxied.logged[0]?.responseDetails, 'ext_authz_invalid');
  assert.deepEqual(ground.upstream.received, []);
});

test('a service that says no answers in place of the upstream, which never hears of it', async () => {
  await using ground = await overGrpc(() => ({
    status: { code: 7 },
    denied_response: { status: { code: 401 }, headers: [{ header: { key: 'x-why', value: 'no' } }], body: 'no' },
  }));
  assert.match(await ground.proxied.ask(get()), /^HTTP\/1\.1 401 Unauthorized\r\n.*x-why: no\r\n.*\r\n\r\nno$/s);
  assert.deepEqual(ground.upstream.received, []);
  assert.equal(stats(ground.proxied, 'denied'), 'http.x.ext_authz.denied: 1');
  assert.equal(ground.proxied.logged[0]?.responseDetails, 'ext_authz_denied');
});

test('counters of a filter with a prefix of its own are told apart by a label', async () => {
  await using ground = await overGrpc(() => ({ status: { code: 0 } }), { stat_prefix: 'shop' });
  await ground.proxied.ask(get());
  const text = ground.proxied.registry.prometheus();
  assert.match(text, /^envoy_http_ext_authz_ok{envoy_ext_authz_prefix="shop",envoy_http_conn_manager_prefix="x"} 1$/m);
  assert.match(text, /^envoy_cluster_ext_authz_ok{envoy_cluster_name="up",envoy_ext_authz_prefix="shop"} 1$/m);
});

test('where the service cannot be asked the request is refused, or let on where that is wanted', async () => {
  for (const [fields, answer] of [
    [{}, /^HTTP\/1\.1 403 /],
    [{ status_on_error: { code: 'BadGateway' } }, /^HTTP\/1\.1 502 /],
    [{ failure_mode_allow: true }, /^HTTP\/1\.1 200 /],
  ] as const) {
    await using ground = await overGrpc(() => 14, fields);
    assert.match(await ground.proxied.ask(get()), answer);
    assert.equal(stats(ground.proxied, 'error'), 'http.x.ext_authz.error: 1');
  }
});

test('the service is told who calls, by which certificate', async () => {
  const names = { dnsNames: ['d'], subject: 'CN=s', issuer: '', sha256: '' };
  const downstream = {
    tls: {
      version: 'TLSv1.3',
      cipher: '',
      serverName: 'shop.test',
      peerChainPem: '',
      peer: { ...names, uris: ['spiffe://weft.local/front'], pem: 'a b' },
      local: { ...names, uris: [], pem: '' },
    },
  };
  let asked: CheckRequest | undefined;
  const answer = (request: CheckRequest): CheckResponse => {
    asked = request;
    return { status: { code: 0 } };
  };
  const fields = { include_peer_certificate: true, include_tls_session: true };
  await using ground = await overGrpc(answer, fields, { downstream });
  await ground.proxied.ask(get());
  const { source, destination, tls_session } = asked?.attributes ?? {};
  assert.deepEqual(
    [source?.principal, source?.certificate, destination?.principal, tls_session?.sni],
    ['spiffe://weft.local/front', 'a%20b', 'd', 'shop.test'],
  );
});

test('the body is told up to a limit; one that is too long and must be whole is refused', async () => {
  const post = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 8\r\n\r\n12345678`;
  for (const partial of [true, false]) {
    const bodies: unknown[] = [];
    const answer = ({ attributes }: CheckRequest): CheckResponse => {
      bodies.push(attributes?.request?.http?.body);
      return { status: { code: 0 } };
    };
    const settings = { max_request_bytes: 5, allow_partial_message: partial };
    await using ground = await overGrpc(answer, { with_request_body: settings });
    assert.match(await ground.proxied.ask(post), partial ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 413 /);
    assert.deepEqual(bodies, partial ? ['12345'] : []);
    assert.equal(ground.upstream.received.join('').endsWith('12345678'), partial);
  }
});

test('a client that leaves takes the question back, and it counts as nothing', async () => {
  await using ground = await overGrpc(() => undefined);
  const client = ground.proxied.client();
  client.send(get());
  await until(() => ground.service.streams.length === 1, 'the question');
  client[Symbol.dispose]();
  await until(() => ground.service.streams[0]?.closed === true, 'its end');
  await until(() => ground.proxied.logged.length === 1, 'the log');
  assert.equal(stats(ground.proxied, 'error'), 'http.x.ext_authz.error: 0');
});

test('routes can do without, or tell the service more', async () => {
  const level = (fields: object) => ({ authz: { '@type': `${TYPE}.ExtAuthzPerRoute`, ...fields } });
  const asked: unknown[] = [];
  const answer = ({ attributes }: CheckRequest): CheckResponse => {
    asked.push(attributes?.context_extensions);
    return { status: { code: 0 } };
  };
  const routeConfig = {
    virtual_hosts: [
      {
        name: 'v',
        domains: ['*'],
        typed_per_filter_config: level({ check_settings: { context_extensions: { a: 'host', b: 'host' } } }),
        routes: [
          { match: { path: '/open' }, route: { cluster: 'up' }, typed_per_filter_config: level({ disabled: true }) },
          {
            match: { path: '/told' },
            route: { cluster: 'up' },
            typed_per_filter_config: level({ check_settings: { context_extensions: { a: 'route' } } }),
          },
        ],
      },
    ],
  };
  await using ground = await overGrpc(answer, {}, { routeConfig });
  for (const path of ['/open', '/told', '/nowhere']) await ground.proxied.ask(get(path));
  assert.deepEqual(asked, [{ a: 'route', b: 'host' }]);
});

test('a service over HTTP gets the head that it may see, and answers with one', async () => {
  const rules = {
    authorization_response: { allowed_upstream_headers: { patterns: [{ prefix: 'x-user' }] } },
    path_prefix: '/ask',
  };
  const yes = 'HTTP/1.1 200 OK\r\nx-user: me\r\nx-other: 1\r\ncontent-length: 0\r\n\r\n';
  await using ground = await overHttp1(yes, overHttp(rules));
  assert.match(await ground.proxied.ask(get('/p?q=1', 'authorization: b', 'x-own: 1')), /^HTTP\/1\.1 200 /);
  const [asked = ''] = ground.service.received;
  assert.match(asked, /^GET \/ask\/p\?q=1 HTTP\/1\.1\r\nhost: a\r\ncontent-length: 0\r\nauthorization: b\r\n/);
  assert.doesNotMatch(asked, /x-own/);
  assert.match(ground.upstream.received[0] ?? '', /x-user: me\r\n/);
  assert.doesNotMatch(ground.upstream.received[0] ?? '', /x-other/);
});

test('no from a service over HTTP goes to the client with its headers; 5xx says that it cannot tell', async () => {
  const no =
    'HTTP/1.1 302 Found\r\nlocation: /login\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 0\r\n\r\n';
  await using refusing = await overHttp1(no);
  const answer = await refusing.proxied.ask(get());
  assert.match(answer, /^HTTP\/1\.1 302 Found\r\nlocation: \/login\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n/);
  assert.deepEqual(refusing.upstream.received, []);
  await using broken = await overHttp1('HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n');
  assert.match(await broken.proxied.ask(get()), /^HTTP\/1\.1 403 /);
  assert.equal(broken.proxied.logged[0]?.responseDetails, 'ext_authz_error');
});

test('what is not honoured, or makes no sense, is refused by its path', () => {
  for (const [fields, issue] of [
    [{}, /^http_filters\[0\]\.typed_config needs grpc_service or http_service$/],
    [{ ...OVER_GRPC, shadow_mode: true }, /shadow_mode not supported/],
    [{ ...OVER_GRPC, status_on_error: { code: 299 } }, /status_on_error\.code 299 is no status/],
    [{ ...OVER_GRPC, with_request_body: {} }, /max_request_bytes is needed here/],
    [{ ...OVER_GRPC, transport_api_version: 'V2' }, /transport_api_version V2 is not supported/],
    [{ grpc_service: { google_grpc: {} } }, /grpc_service\.google_grpc not supported/],
    [overHttp({ path_prefix: 'x' }), /path_prefix must start with a slash/],
    [overHttp({ path_prefix: '/x', path_override: '/y' }), /both path_prefix and path_override/],
    [overHttp({ authorization_request: { headers_to_add: [{ key: 'Host' }] } }), /key host may not be set here/],
  ] as const) {
    const place = new Place();
    const filters = [authz({ ...(Object.keys(fields).length === 0 ? {} : fields) }), ROUTER];
    httpConnectionManager.parse({ stat_prefix: 'x', route_config: routes(), http_filters: filters }, place);
    assert.match(place.issues.map(({ path, message }) => `${path} ${message}`).join('\n'), issue);
  }
});
