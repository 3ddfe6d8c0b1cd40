/** Requests that services are asked about, and what those answer: by the word that the request brings along. */
import type { Messages } from '@weft/envoy-api';
import { httpText } from './wire.ts';

type CheckResponse = Messages['envoy.service.auth.v3.CheckResponse'];
type RateLimitResponse = Messages['envoy.service.ratelimit.v3.RateLimitResponse'];

const option = (key: string, value: string) => ({ header: { key, value } });

/** By `x-authz`. */
export const CHECKS: Readonly<Record<string, CheckResponse>> = {
  ok: { status: { code: 0 } },
  change: {
    status: { code: 0 },
    ok_response: {
      headers: [
        option('x-set', 'new'),
        { ...option('X-Append', 'b'), append: true },
        { ...option('x-absent', 'b'), append: true },
        { ...option('x-there', 'new'), append_action: 'OVERWRITE_IF_EXISTS' },
        { ...option('x-added', 'new'), append_action: 'ADD_IF_ABSENT' },
      ],
      headers_to_remove: ['x-gone', 'host', ':path'],
      response_headers_to_add: [
        option('x-answer-add', 'authz'),
        { ...option('x-upstream', 'authz'), append: true },
        { ...option('x-internal', 'authz'), append_action: 'OVERWRITE_IF_EXISTS' },
        { ...option('x-missing', 'authz'), append_action: 'OVERWRITE_IF_EXISTS' },
        { ...option('server', 'authz'), append_action: 'ADD_IF_ABSENT' },
      ],
      query_parameters_to_set: [{ key: 'q', value: '2' }],
      query_parameters_to_remove: ['gone'],
    },
    dynamic_metadata: { user: 'me' },
  },
  move: { status: { code: 0 }, ok_response: { headers: [option(':path', '/moved')] } },
  denied: {
    status: { code: 7 },
    denied_response: {
      status: { code: 401 },
      headers: [
        option('www-authenticate', 'Basic'),
        option('content-type', 'text/html'),
        option('set-cookie', 'a=1'),
        option('set-cookie', 'b=2'),
        { ...option('x-appended', '1'), append: true },
      ],
      body: '<b>no</b>',
    },
  },
  plain: { status: { code: 7 } },
  broken: {
    status: { code: 13 },
    error_response: { status: { code: 503 }, headers: [option('x-why', 'down')], body: 'down' },
  },
  invalid: { status: { code: 0 }, ok_response: { headers: [option('x-bad', 'a\u0001b')] } },
};

/** By `x-limit` and the like. */
export const LIMITS: Readonly<Record<string, RateLimitResponse>> = {
  within: {
    overall_code: 'OK',
    statuses: [
      {
        code: 'OK',
        current_limit: { requests_per_unit: 10, unit: 'MINUTE', name: 'n' },
        limit_remaining: 5,
        duration_until_reset: '7s',
      },
    ],
    response_headers_to_add: [{ key: 'x-answer-add', value: 'limits' }],
    request_headers_to_add: [{ key: 'x-request-add', value: 'limits' }],
  },
  over: {
    overall_code: 'OVER_LIMIT',
    statuses: [
      {
        code: 'OVER_LIMIT',
        current_limit: { requests_per_unit: 10, unit: 'SECOND' },
        duration_until_reset: '1s',
      },
      {
        code: 'OK',
        current_limit: { requests_per_unit: 100, unit: 'HOUR' },
        limit_remaining: 50,
        duration_until_reset: '100.9s',
      },
    ],
    response_headers_to_add: [{ key: 'content-type', value: 'text/limits' }],
    raw_body: Buffer.from('too many').toString('base64'),
  },
  plainly: { overall_code: 'OVER_LIMIT' },
  unknown: { overall_code: 'UNKNOWN' },
};

export interface ServiceCase {
  readonly name: string;
  readonly listener: string;
  readonly bytes: string;
}

function request(listener: string, target: string, headers: readonly string[] = [], body = ''): ServiceCase {
  const [method = 'GET', path = target] = target.split(' ');
  const length = body === '' ? [] : [`content-length: ${body.length}`];
  const bytes = httpText(
    `${method} ${path} HTTP/1.1`,
    ['host: shop.test', ...headers, ...length, 'connection: close'],
    body,
  );
  return { name: `${listener}: ${target} ${headers.join(', ')} ${body}`.trim(), listener, bytes };
}

const CHANGED = ['x-gone: 1', 'x-append: a', 'x-there: old', 'x-added: old', 'x-set: old', 'x-twice: 1', 'x-twice: 2'];

export const AUTHORIZATION_CASES: readonly ServiceCase[] = [
  request('authz-grpc', 'GET /p?q=1&gone=2&z=%20', ['x-authz: change', ...CHANGED]),
  request('authz-grpc', 'GET /p?z=1&a&b=2', ['x-authz: change']),
  request('authz-grpc', 'GET /', ['x-authz: ok', 'x-latin: \xff', 'x-envoy-downstream-service-cluster: caller']),
  request('authz-grpc', 'POST /', ['x-authz: ok'], 'body'),
  ...['denied', 'plain', 'broken', 'status', 'silence'].map((word) =>
    request('authz-grpc', 'GET /', [`x-authz: ${word}`]),
  ),
  request('authz-grpc', 'HEAD /', ['x-authz: denied']),
  request('authz-grpc', 'POST /a.B/C', ['x-authz: denied', 'content-type: application/grpc', 'te: trailers'], 'abc'),
  ...['12345678', '12345', '1\xff3'].map((body) =>
    request('authz-grpc-body', 'POST /', ['authorization: change'], body),
  ),
  request('authz-grpc-body', 'POST /', ['authorization: status'], '123'),
  request('authz-grpc-listed', 'POST /', ['x-authz: ok', 'x-secret: 1', 'other: 1'], '12345678'),
  request('authz-grpc-listed', 'POST /', ['x-authz: ok', 'x-secret: 1', 'other: 1'], '123'),
  request('authz-grpc-listed', 'GET /', ['x-authz: move']),
  request('authz-grpc-listed', 'GET /', ['x-authz: invalid']),
  request('authz-grpc-listed', 'GET /open', ['x-authz: denied']),
  request('authz-grpc-listed', 'POST /told', ['x-authz: status'], '123'),
  request('authz-off', 'GET /', ['x-authz: ok']),
  request('authz-http', 'GET /p?q=1&authz=ok', ['x-foo: 1', 'authorization: me', 'x-gone: 1', 'x-u: own']),
  ...['denied', 'redirect', 'broken', 'created', 'close', 'silence'].map((word) =>
    request('authz-http', `GET /?authz=${word}`),
  ),
  request('authz-http', 'POST /?authz=ok', [], 'body'),
  request('authz-http-rules', 'POST /p', ['x-a: 1', 'x-gone: 1', 'x-u: own', 'x-ap: own'], '12345678'),
  request('authz-http-rules', 'POST /p', ['x-authz: denied', 'x-gone: 1', 'x-u: own'], '123'),
  request('authz-http-fixed', 'GET /p?authz=denied', ['x-a: 1']),
];

const CALL = ['content-type: application/grpc', 'te: trailers'];

export const LIMIT_CASES: readonly ServiceCase[] = [
  request('limits', 'GET /host', ['x-host-limit: within']),
  request('limits', 'GET /host'),
  request('limits', 'GET /nowhere', ['x-host-limit: within']),
  ...['within', 'over', 'plainly', 'unknown', 'status', 'silence'].flatMap((word) => [
    request('limits', 'GET /own', [`x-limit: ${word}`, 'x-host-limit: within']),
    request('limits-strict', 'GET /own', [`x-limit: ${word}`]),
  ]),
  request('limits', 'GET /own'),
  request('limits', 'GET /include', ['x-limit: within', 'x-host-limit: within']),
  request('limits', 'GET /ignore', ['x-host-limit: within']),
  request('limits', 'GET /filter', ['x-limit: within', 'x-host-limit: within']),
  request('limits', 'POST /own', ['x-limit: plainly', ...CALL], 'abc'),
  request('limits-strict', 'POST /own', ['x-limit: plainly', ...CALL], 'abc'),
];

const PARENT = 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-';
const B3 = ['x-b3-traceid: 0af7651916cd43dd8448eb211c80319c', 'x-b3-spanid: b7ad6b7169203331'];
const TRACED = [
  ['GET /p?x=1', 'user-agent: ua', 'x-shop: mine'],
  ['GET /decorated/and/long', `${PARENT}01`, 'tracestate: a=b'],
  ['GET /p', `${PARENT}00`],
  ['GET /decorated', 'x-client-trace-id: c', 'x-envoy-downstream-service-cluster: caller'],
  ['GET /silent', ...B3, 'x-b3-sampled: 1'],
  ['GET /p', 'b3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1'],
  ['GET /p', ...B3, 'x-b3-sampled: 0'],
  ['GET /untraced'],
  ['GET /fixed'],
  ['GET /dead'],
  ['GET /p', 'x-envoy-decorator-operation: given'],
  ['GET /decorated', 'x-envoy-decorator-operation: given'],
  ['GET /p', 'x-request-id: 0af76519-16cd-9fdd-8448-eb211c80319c'],
  ['GET /p', 'x-request-id: 0af76519-16cd-4fdd-8448-eb211c80319c'],
  ['GET /p', 'x-request-id: not-a-uuid'],
] as const;

export const TRACE_CASES: readonly ServiceCase[] = ['traced', 'traced-http', 'traced-rarely', 'traced-zipkin'].flatMap(
  (listener) => TRACED.map(([target, ...headers]) => request(listener, target, headers)),
);
