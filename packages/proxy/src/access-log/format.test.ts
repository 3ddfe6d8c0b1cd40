import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderList } from '../http/header-list.ts';
import { FLAG } from '../stack/response-flags.ts';
import { StreamInfo } from '../stack/stream-info.ts';
import { compileJsonLine, compileText } from './format.ts';
import { PEER, someRequest } from './testing/some-request.ts';

const fail = (problem: string): never => {
  throw new Error(problem);
};
const write = (format: string, info: StreamInfo = someRequest()): string => compileText(format, '-', fail)(info);

/** What real Envoy writes for the same request. */
const VALUES: Readonly<Record<string, string>> = {
  '%START_TIME%': '2026-02-03T04:05:06.789Z',
  '%START_TIME(%Y/%m/%d %H:%M:%S %z)%': '2026/02/03 04:05:06 +0000',
  '%START_TIME(%s.%3f)%': '1770091506.789',
  '%START_TIME(%FT%T.%6f|%1f|%f)%': '2026-02-03T04:05:06.789000|7|789000000',
  '%START_TIME(%a %e %b %Z %%)%': 'Tue  3 Feb UTC %',
  '%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(:SCHEME)%': 'POST /buy?x=1 cart.mesh http',
  '%REQ(X-Twice)%': 'one',
  '%REQ(X-NONE?X-REQUEST-ID)%': 'id-1',
  '%REQ(:PATH):4%|%REQ(X-NONE):4%': '/buy|-',
  '%RESP(X-NONE?X-UP):1% %RESP(:STATUS)% %TRAILER(X-SUM)%': 'v 201 9',
  '%PROTOCOL% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS%': 'HTTP/1.1 201 via_upstream -',
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %REQUEST_DURATION%': '11 22 42 1',
  '%REQUEST_TX_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%': '3 40 2',
  '%ROUTE_NAME% %UPSTREAM_CLUSTER% %UPSTREAM_REQUEST_ATTEMPT_COUNT%': 'default inbound/8080 1',
  '%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_LOCAL_ADDRESS%': '10.0.0.9:8080 10.0.0.9:8080 10.0.0.2:5000',
  '%UPSTREAM_TRANSPORT_FAILURE_REASON% %CONNECTION_TERMINATION_DETAILS%': '- -',
  '%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%': '10.0.0.1:4000 10.0.0.1',
  '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS%':
    '10.0.0.2:443 443 10.0.0.1:4000',
  '%DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_PEER_DNS_SAN%': `${PEER} front.shop,front`,
  '%DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_ISSUER%': 'CN=front,O=weft CN=root',
  '%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %REQUESTED_SERVER_NAME%':
    'TLSv1.3 TLS_AES_256_GCM_SHA384 cart.shop',
  '%ENVIRONMENT(WEFT_NOT_SET)%': '-',
  '100%% %CONNECTION_ID%': '100% 7',
};

for (const [format, expected] of Object.entries(VALUES)) {
  test(`${format} is ${expected}`, () => assert.equal(write(format), expected));
}

test('flags are written short and long, several with a comma', () => {
  const info = someRequest();
  info.flags = FLAG.UF | FLAG.URX;
  assert.equal(
    write('%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%', info),
    'URX,UF UpstreamRetryLimitExceeded,UpstreamConnectionFailure',
  );
});

test('a host that was chosen and never reached is no remote address', () => {
  const info = someRequest();
  info.upstreamLocalAddress = '';
  assert.equal(write('%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS%', info), '10.0.0.9:8080 -');
});

test('of what never was there is a dash, or nothing where that is asked for', () => {
  const downstream = { id: 1, remoteHost: '::1', remotePort: 9, localHost: '::1', localPort: 8, tls: undefined };
  const info = new StreamInfo(downstream, 0, 0);
  const format = '%PROTOCOL% %RESPONSE_CODE% %REQ(:PATH)% %DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_REMOTE_ADDRESS%';
  assert.equal(write(format, info), '- 0 - - [::1]:9');
  assert.equal(compileText(format, '', fail)(info), ' 0   [::1]:9');
});

test('in JSON a value that is one operator keeps its type, and nothing is null or left out', () => {
  const format = {
    code: '%RESPONSE_CODE%',
    text: 'a %RESPONSE_CODE%',
    none: '%REQ(X-NONE)%',
    deep: { list: ['%BYTES_SENT%', 5] },
  };
  const options = { omitsEmpty: false, sorts: false };
  assert.equal(
    compileJsonLine(format, options, fail)(someRequest()),
    '{"code":201,"text":"a 201","none":null,"deep":{"list":[22,5]}}\n',
  );
  const sorted = compileJsonLine(format, { omitsEmpty: true, sorts: true }, fail)(someRequest());
  assert.equal(sorted, '{"code":201,"deep":{"list":[22,5]},"text":"a 201"}\n');
});

test('what a client sends cannot break a line of JSON', () => {
  const line = compileJsonLine({ agent: '%REQ(USER-AGENT)%' }, { omitsEmpty: false, sorts: false }, fail);
  const written = line(someRequest({ 'user-agent': 'a"}\\\u0085' }));
  assert.deepEqual(JSON.parse(written), { agent: 'a"}\\\u0085' });
  assert.equal(written.indexOf('\n'), written.length - 1);
});

test('operators and times that are not supported are refused by name, and so is a lone percent sign', () => {
  const problems = (format: string): readonly string[] => {
    const told: string[] = [];
    compileText(format, '-', (problem) => told.push(problem));
    return told;
  };
  assert.deepEqual(problems('%NONSENSE% %START_TIME(%Q)%'), [
    'the operator %NONSENSE% is not supported',
    'the time format %Q is not supported',
  ]);
  assert.match(problems('100% sure')[0] ?? '', /has a % that begins no operator/);
});

test('the status of a gRPC call is told in three ways, and of nothing else', () => {
  const forms = '%GRPC_STATUS% %GRPC_STATUS(CAMEL_STRING)% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)%';
  const info = someRequest();
  assert.equal(write(`${forms} %GRPC_STATUS_NUMBER%`, info), '- - - - -');
  info.request?.headers.set('content-type', 'application/grpc');
  info.responseTrailers = new HeaderList(['grpc-status', '4']);
  assert.equal(write(forms, info), 'DeadlineExceeded DeadlineExceeded DEADLINE_EXCEEDED 4');
  info.responseTrailers = new HeaderList(['grpc-status', '1']);
  assert.equal(write(`${forms} %GRPC_STATUS_NUMBER%`, info), 'Canceled Canceled CANCELLED 1 1');
  info.responseTrailers = new HeaderList(['grpc-status', '99']);
  assert.equal(write('%GRPC_STATUS%', info), '99');
  assert.throws(() => write('%GRPC_STATUS(ROMAN)%'), /expected CAMEL_STRING, SNAKE_STRING or NUMBER/);
});
