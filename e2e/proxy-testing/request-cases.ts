/** Requests that nothing is wrong with, one for each thing that a proxy can do with them. */
import type { SendOptions } from './raw-client.ts';
import { answer } from './recording-upstream.ts';
import { httpText } from './wire.ts';

export interface RequestCase {
  readonly name: string;
  readonly bytes: string;
  /** Methods of the requests, and how many answers there will be at most. */
  readonly options?: SendOptions;
}

/** Sent after each case: whether it is answered tells whether the connection was kept. */
export const PROBE: string = httpText('GET /exact HTTP/1.1', ['Host: probe.test']);

const HOST = 'Host: any.test';

function get(name: string, path: string, headers: readonly string[] = [], host = HOST): RequestCase {
  return { name, bytes: httpText(`GET ${path} HTTP/1.1`, [host, ...headers]) };
}

function method(verb: string, path: string, headers: readonly string[] = [], body = ''): RequestCase {
  return {
    name: `${verb} ${path} ${headers.join(' ')}`,
    bytes: httpText(`${verb} ${path} HTTP/1.1`, [HOST, ...headers], body),
    options: { methods: [verb] },
  };
}

/** An upstream's answer: what comes back, and whether its connection is used again. */
function answered(name: string, text: string, then: 'keep' | 'close' | 'reset' = 'keep', verb = 'GET'): RequestCase {
  return {
    name: `upstream: ${name}`,
    bytes: httpText(`${verb} /answer HTTP/1.1`, [HOST, answer(text, then)]),
    options: { methods: [verb] },
  };
}

const ROUTES: readonly RequestCase[] = [
  get('exact domain', '/', [], 'Host: exact.example'),
  get('exact domain with its port', '/', [], 'Host: exact.example:8080'),
  get('exact domain with another port', '/', [], 'Host: exact.example:8081'),
  get('suffix domain', '/', [], 'Host: www.example'),
  get('suffix domain in other case', '/', [], 'Host: WWW.Example'),
  get('domain that ends like a suffix', '/', [], 'Host: wwwexample'),
  get('prefix domain', '/', [], 'Host: shop.internal'),
  get('no route for the method', '/', [], 'Host: only-get.test'),
  { ...get('a route for GET alone', '/', [], 'Host: only-get.test'), name: 'a route for GET alone' },
  {
    name: 'another method where the route is for GET',
    bytes: httpText('POST / HTTP/1.1', ['Host: only-get.test', 'Content-Length: 0']),
  },
  get('exact path', '/exact'),
  get('exact path with a query', '/exact?x=1'),
  get('exact path with more', '/exact/more'),
  get('separated prefix', '/api'),
  get('separated prefix with more', '/api/v1/things?x=1'),
  get('separated prefix with a query at once', '/api?x=1'),
  get('separated prefix without a separator', '/apiary'),
  get('regex', '/users/42/orders?open=1'),
  get('regex that does not match whole', '/users/42/orders/1'),
  get('header', '/headers', ['X-Version: v2']),
  get('header of another value', '/headers', ['X-Version: v1']),
  get('header twice', '/headers', ['X-Version: v1', 'X-Version: v2']),
  get('header that is there', '/headers', ['X-Canary: anything']),
  get('header that is there, and one that must not be', '/headers', ['X-Canary: anything', 'X-Not: 1']),
  get('query', '/query?v=2&debug'),
  get('query with a value missing', '/query?v=2'),
  get('query in another order', '/query?debug=&v=2'),
  get('path in any case', '/cAsE/x'),
  get('redirect', '/moved?x=1'),
  get('redirect to https', '/secure?x=1', [], 'Host: any.test:8080'),
  get('redirect of a prefix', '/old/things?x=1'),
  get('answer without a body', '/no-content'),
  get('answer of a route', '/teapot'),
  get('header changes', '/changes?q', ['X-Over: old', 'X-Absent: there', 'X-Added: zero', 'X-Secret: s']),
  get('host from a header', '/host-of', ['X-Host: other.internal']),
  get('host from a header that is missing', '/host-of'),
  get('cluster where nobody listens', '/dead'),
  get('cluster without hosts', '/nobody'),
  get('cluster from a header', '/chosen', ['X-Cluster: b']),
  get('cluster from a header that is unknown', '/chosen', ['X-Cluster: unknown']),
  get('cluster from a header that is missing', '/chosen'),
  get('weights', '/weighted/a'),
];

const PATHS: readonly RequestCase[] = [
  '/a/../exact',
  '/./exact',
  '//exact',
  '/exact//',
  '/%65xact',
  '/a/%2e%2e/exact',
  '/exact%00',
  '/a%2fb',
  '/a%5Cb',
  '/a\\b',
  '/..',
  '/../../x',
  '/a;b=c/d',
  '/%',
  '/%zz',
  '/a?b=/../c',
  '/~user/%7euser',
  '/a|b^c`d{e}',
  '/a?x=%0a"<>',
  '/a#fragment',
  '/exact#fragment?x',
].map((path) => get(`path ${path}`, path));

const REQUESTS: readonly RequestCase[] = [
  method('HEAD', '/'),
  method('HEAD', '/teapot'),
  method('OPTIONS', '/'),
  method('OPTIONS', '*'),
  method('DELETE', '/'),
  method('PATCH', '/', ['Content-Length: 3'], 'abc'),
  method('POST', '/', ['Content-Length: 5'], 'hello'),
  method('POST', '/', ['Content-Length: 0']),
  method('POST', '/'),
  method('PUT', '/', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n'),
  method('PUT', '/', ['Transfer-Encoding: chunked'], '0\r\n\r\n'),
  method('PUT', '/', ['Transfer-Encoding: Chunked'], '2;x=y\r\nab\r\n0\r\n\r\n'),
  method('PUT', '/', ['Transfer-Encoding: chunked', 'Trailer: x-sum'], '2\r\nab\r\n0\r\nx-sum: 1\r\n\r\n'),
  method('GET', '/', ['Content-Length: 2'], 'hi'),
  method('POST', '/', ['Expect: 100-continue', 'Content-Length: 2'], 'hi'),
  method('PROPFIND', '/'),
  method('TRACE', '/'),
  method('POST', '/exact', ['Content-Length: 5'], 'hello'),
  {
    name: 'three in a pipeline, the first of which is slow to end',
    bytes:
      httpText('POST /one HTTP/1.1', [HOST, 'Content-Length: 3'], 'abc') +
      httpText('GET /two HTTP/1.1', [HOST]) +
      httpText('GET /three HTTP/1.1', [HOST]),
    options: { answers: 3 },
  },
  get('connection: close', '/', ['Connection: close']),
  get('connection: close in other case', '/', ['Connection: Close']),
  get('connection: keep-alive', '/', ['Connection: keep-alive', 'Keep-Alive: timeout=5']),
  get('fields of the hop', '/', [
    'Connection: x-hop, keep-alive',
    'X-Hop: 1',
    'Proxy-Connection: keep-alive',
    'TE: gzip',
  ]),
  get('TE: trailers', '/', ['Connection: te', 'TE: trailers']),
  { name: 'an empty line before the request line', bytes: `\r\n${httpText('GET / HTTP/1.1', [HOST])}` },
  get('empty field', '/', ['X-Empty:']),
  get('spaces around a value', '/', ['X-Spaces: \t a b \t ']),
  get('a field twice', '/', ['X-Twice: a', 'X-Twice: b', 'Accept: a', 'Accept: b']),
  get('cookies', '/', ['Cookie: a=1', 'Cookie: b=2']),
  get('names in any case', '/', ['X-MiXeD: Value', 'USER-AGENT: test']),
  get('bytes above 127 in a value', '/', ['X-Latin: \xe9\xff']),
  get('forwarded before', '/', [
    'X-Forwarded-For: 1.2.3.4, 5.6.7.8',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: h',
  ]),
  get('inner headers from outside', '/', [
    'X-Forwarded-For: 1.2.3.4',
    'X-Envoy-Retry-On: 5xx',
    'X-Envoy-Max-Retries: 3',
  ]),
  get('request id of the client', '/', ['X-Request-Id: 7a1c2a4e-6d6a-4a4e-9f0e-3d5b2f0f0a11']),
  get('timeout asked for', '/', ['X-Envoy-Upstream-Rq-Timeout-Ms: 500']),
  get('client certificate claimed', '/', ['X-Forwarded-Client-Cert: By=spiffe://a;URI=spiffe://b']),
  { name: 'absolute form', bytes: httpText('GET http://exact.example/x?y HTTP/1.1', ['Host: exact.example']) },
  { name: 'absolute form to an upstream', bytes: httpText('GET http://other.test/x?y HTTP/1.1', ['Host: other.test']) },
  { name: 'absolute form without a path', bytes: httpText('GET http://other.test HTTP/1.1', ['Host: other.test']) },
  {
    name: 'absolute form whose Host says otherwise',
    bytes: httpText('GET http://other.test/x HTTP/1.1', ['Host: evil.test']),
  },
  { name: 'HTTP/1.2', bytes: httpText('GET / HTTP/1.2', [HOST]) },
  get('an upgrade that is not offered', '/', ['Connection: Upgrade', 'Upgrade: h2c', 'HTTP2-Settings: AAA']),
];

const OK = 'HTTP/1.1 200 OK\r\n';

const ANSWERS: readonly RequestCase[] = [
  answered('length', `${OK}Content-Length: 2\r\n\r\nhi`),
  answered('chunks', `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`),
  answered('chunks with trailers', `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n`),
  answered('until the end', `${OK}Connection: close\r\n\r\nhi`, 'close'),
  answered('until the end, unannounced', `${OK}\r\nhi`, 'close'),
  answered('204', 'HTTP/1.1 204 No Content\r\n\r\n'),
  answered('304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n'),
  answered('204 with a length', 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n'),
  answered('205', 'HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n'),
  answered('HEAD with a length', `${OK}Content-Length: 10\r\n\r\n`, 'keep', 'HEAD'),
  answered('HEAD with chunks', `${OK}Transfer-Encoding: chunked\r\n\r\n`, 'keep', 'HEAD'),
  answered('another reason', 'HTTP/1.1 200 Fine\r\nContent-Length: 0\r\n\r\n'),
  answered('no reason', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n'),
  answered('unknown status', 'HTTP/1.1 299 What\r\nContent-Length: 0\r\n\r\n'),
  answered('103 before', `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}Content-Length: 0\r\n\r\n`),
  answered('100 before', `HTTP/1.1 100 Continue\r\n\r\n${OK}Content-Length: 0\r\n\r\n`),
  answered('HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi', 'close'),
  answered('fields of the hop', `${OK}Connection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nContent-Length: 0\r\n\r\n`),
  answered('cookies', `${OK}Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n`),
  answered(
    'server and date of its own',
    `${OK}Server: mine\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n`,
  ),
  answered('connection: close', `${OK}Connection: close\r\nContent-Length: 2\r\n\r\nhi`, 'close'),
  answered('503', 'HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy'),
  answered('ended before any byte', '', 'close'),
  answered('reset before any byte', '', 'reset'),
  answered('ended within the head', `${OK}Content-Le`, 'close'),
  answered('ended within a body', `${OK}Content-Length: 10\r\n\r\nhi`, 'close'),
  answered('ended within chunks', `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhi`, 'close'),
  answered('ended between chunks', `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`, 'close'),
  answered('not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'close'),
  answered('a body longer than it said', `${OK}Content-Length: 2\r\n\r\nhi there`),
];

const RETRIES: readonly RequestCase[] = [
  get('retried on a status', '/retried', [answer('HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n')]),
  get('retried on 5xx', '/retried', [answer('HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n')]),
  get('retried on a reset', '/retried', [answer('', 'reset')]),
  get('not retried on 404', '/retried', [answer('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')]),
  {
    name: 'retried with its body',
    bytes: httpText(
      'POST /retried HTTP/1.1',
      [HOST, 'Content-Length: 4', answer('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n')],
      'body',
    ),
  },
  get('timeout of the route', '/slow', [answer('')]),
  get('timeout of each try', '/tried', [answer('')]),
];

export const REQUEST_CASES: readonly RequestCase[] = [...ROUTES, ...PATHS, ...REQUESTS, ...ANSWERS, ...RETRIES];
