import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldOf, textOf } from '../http/field-text.ts';
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
  '%PATH%|%PATH(NQ)%|%PATH(WQ:PATH):3%|%PATH(NQ:ORIG)%': '/buy?x=1|/buy|/bu|-',
  '%QUERY_PARAM(x)%|%QUERY_PARAM(y)%|%QUERY_PARAMS%|%QUERY_PARAMS(DECODED):2%': '1|-|x=1|x=',
  '%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)% %REQUEST_HEADER(:METHOD)%': '/buy POST',
  '%RESPONSE_HEADER(x-up)% %RESPONSE_TRAILER(x-sum):1%': 'v1 9',
  '%START_TIME(%A %d-%b-%y %I:%M:%S %p %j %u %w %D %R %r %h %B %C)%':
    'Tuesday 03-Feb-26 04:05:06 AM 034 2 2 02/03/26 04:05 04:05:06 AM Feb February 20',
  '%COMMON_DURATION(DS_RX_BEG:DS_TX_END:ms)% %COMMON_DURATION(US_RX_BEG:US_RX_END:us)%': '42 2000',
  '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)% %UPSTREAM_LOCAL_PORT%':
    '10.0.0.0/8 10.0.0.0/24 5000',
  '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(99)% %UPSTREAM_REMOTE_PORT% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS%':
    '10.0.0.2/32 8080 10.0.0.2:443',
  '%REQUESTED_SERVER_NAME(SNI_FIRST)% %REQUESTED_SERVER_NAME(HOST_FIRST:HOST)%': 'cart.shop cart.mesh',
  '%COALESCE({"operators":[{"command":"REQ","param":"x-none"},"ROUTE_NAME"]}):3%': 'def',
  '%ACCESS_LOG_TYPE% %CUSTOM_FLAGS%|%BYTES_RETRANSMITTED%|%FILTER_STATE(a:PLAIN)%': 'DownstreamEnd |0|-',
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

test('where what is empty is left out, so are objects of which nothing is left', () => {
  const line = compileJsonLine({ a: { b: { c: '%REQ(X-NONE)%' } } }, { omitsEmpty: true, sorts: false }, fail);
  assert.equal(line(someRequest()), '{}\n');
});

test('what a client sends cannot break a line of JSON', () => {
  const line = compileJsonLine({ agent: '%REQ(USER-AGENT)%' }, { omitsEmpty: false, sorts: false }, fail);
  const written = line(someRequest({ 'user-agent': 'a"}\\\u0085' }));
  assert.deepEqual(JSON.parse(textOf(written)), { agent: 'a"}\\\u0085' });
  assert.equal(written.indexOf('\n'), written.length - 1);
});

test('fields are told byte for byte, in texts; in JSON they are text, or characters of their bytes where they are none', () => {
  const info = someRequest({ good: fieldOf('é€'), bad: 'a\xff' });
  info.routeName = 'größe';
  assert.equal(
    write('ü %REQ(good)% %REQ(bad)% %REQ(good):2% %ROUTE_NAME%', info),
    `${fieldOf('ü é€ ')}a\xff ${fieldOf('é größe')}`,
  );
  const object = { good: '%REQ(good)%', bad: '%REQ(bad)%', both: 'ü %REQ(good)% %REQ(bad)% %ROUTE_NAME%' };
  const line = compileJsonLine(object, { omitsEmpty: false, sorts: false }, fail)(info);
  assert.deepEqual(JSON.parse(textOf(line)), { good: 'é€', bad: 'aÿ', both: 'ü é€ aÿ größe' });
});

test('metadata is told from wherever it is, whole or by a path, as text and as JSON', () => {
  const info = someRequest();
  const metadata = (of: string) => ({ filter_metadata: { com: { z: { b: [true, 1.5], a: of }, text: 'long text' } } });
  info.addMetadata('com', metadata('dynamic').filter_metadata.com);
  info.route = { metadata: metadata('route'), virtualHost: { metadata: metadata('host') } };
  info.clusterConfig = { alt_stat_name: 'alt', metadata: metadata('cluster') };
  const endpoint = { hostname: 'up.test', filterMetadata: metadata('endpoint').filter_metadata };
  info.host = { key: '10.0.0.9:8080', endpoint };
  info.reached({ key: '[::1]:80', endpoint: { hostname: '' } });
  info.reached(info.host);
  assert.equal(
    write('%DYNAMIC_METADATA(com:z:a)% %METADATA(DYNAMIC:com:z)%', info),
    'dynamic {"a":"dynamic","b":[true,1.5]}',
  );
  assert.equal(write('%METADATA(ROUTE:com:z:a)% %METADATA(VIRTUAL_HOST:com:z:a)%', info), 'route host');
  assert.equal(write('%CLUSTER_METADATA(com:z:a)% %UPSTREAM_METADATA(com:z:a):3%', info), 'cluster end');
  assert.equal(write('%METADATA(LISTENER:com)% %METADATA(ROUTE:none)% %METADATA(ROUTE:com:z:none)%', info), '- - -');
  assert.equal(write('%UPSTREAM_CLUSTER% %UPSTREAM_HOST_NAME%', info), 'alt up.test');
  assert.equal(
    write('%UPSTREAM_HOSTS_ATTEMPTED% %UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT%', info),
    '[::1]:80,10.0.0.9:8080 ::1,up.test',
  );
  const format = {
    all: '%METADATA(ROUTE:com:z)%',
    text: '%METADATA(ROUTE:com:text):4%',
    in: 'a%METADATA(ROUTE:com:text):4%',
  };
  assert.deepEqual(JSON.parse(compileJsonLine(format, { omitsEmpty: false, sorts: false }, fail)(info)), {
    all: { a: 'route', b: [true, 1.5] },
    text: 'long',
    in: 'along',
  });
});

test('an argument or a length where none can be, and an argument that is missing or wrong, are refused', () => {
  const refused = [
    '%REQ%',
    '%REQ(a?b?c)%',
    '%DYNAMIC_METADATA()%',
    '%METADATA(NOWHERE:a)%',
    '%PROTOCOL(a)%',
    '%RESPONSE_CODE:2%',
    '%START_TIME:4%',
    '%PATH(X)%',
    '%QUERY_PARAMS(X)%',
    '%REQUESTED_SERVER_NAME(X)%',
    '%COMMON_DURATION(DS_RX_BEG:DS_TX_END:s)%',
    '%COMMON_DURATION(DS_RX_BEG)%',
    '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(x)%',
    '%FILTER_STATE(a:FIELD)%',
    '%COALESCE({"operators":["NONSENSE"]})%',
    '%COALESCE([])%',
    '%ENVIRONMENT%',
    '%CEL(response.code)%',
  ];
  for (const format of refused) assert.throws(() => write(format), Error, format);
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
