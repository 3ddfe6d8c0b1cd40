import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, type HttpAccessLogEntry, type TcpAccessLogEntry } from '@weft/envoy-api';
import { fieldOf } from '../http/field-text.ts';
import { FLAG, flagsMessage } from '../stack/response-flags.ts';
import { StreamInfo } from '../stack/stream-info.ts';
import { EntryWriter, type ListedHeaders } from './entry.ts';
import { PEER, someRequest } from './testing/some-request.ts';

const HTTP = 'envoy.data.accesslog.v3.HTTPAccessLogEntry';
const TCP = 'envoy.data.accesslog.v3.TCPAccessLogEntry';
const NONE = { request: [], response: [], trailers: [] };
const fail = (): never => {
  throw new Error('a field that the API does not have');
};

function sentHttp(info: StreamInfo, listed: ListedHeaders = NONE): HttpAccessLogEntry {
  return decode(HTTP, new EntryWriter(listed).http(info));
}

function sentTcp(info: StreamInfo): TcpAccessLogEntry {
  return decode(TCP, new EntryWriter(NONE).tcp(info));
}

test('the bytes are those that the whole API writes of the same entry', () => {
  const info = someRequest({ 'user-agent': 'é'.repeat(3000), referer: '\u20ac', 'x-forwarded-for': '10.0.0.7' });
  info.upstreamFailure = 'TLS error';
  info.remoteHost = '2001:db8::1';
  info.upstreamHost = '[::1]:8080';
  info.bytesSent = 2 ** 40 + 5;
  info.flags = FLAG.DC;
  const writer = new EntryWriter({ request: ['x-twice'], response: ['x-up'], trailers: ['x-sum'] });
  for (let i = 0; i < 2; i++) {
    const bytes = writer.http(info);
    assert.deepEqual(bytes, encode(HTTP, decode(HTTP, bytes, { unknownField: fail })));
    const tcp = writer.tcp(info);
    assert.deepEqual(tcp, encode(TCP, decode(TCP, tcp, { unknownField: fail })));
  }
});

for (const [name, bit] of Object.entries(FLAG)) {
  test(`the flag ${name} is the field that it is called by`, () => {
    const info = someRequest();
    info.flags = bit;
    assert.deepEqual(sentHttp(info).common_properties?.response_flags, flagsMessage(bit));
  });
}

test('a request is told with everything that telemetry counts by', () => {
  const info = someRequest();
  info.flags = FLAG.UF | FLAG.URX;
  const { common_properties: common, request, response, protocol_version } = sentHttp(info);
  assert.equal(protocol_version, 'HTTP11');
  assert.equal(common?.upstream_cluster, 'inbound/8080');
  assert.equal(common?.duration, '0.042900s');
  assert.equal(common?.time_to_last_downstream_tx_byte, '0.042900s');
  assert.deepEqual(common?.response_flags, { upstream_connection_failure: true, upstream_retry_limit_exceeded: true });
  assert.deepEqual(common?.tls_properties?.peer_certificate_properties?.subject_alt_name?.[0], { uri: PEER });
  assert.equal(request?.request_body_bytes, '11');
  assert.deepEqual([response?.response_code, response?.response_body_bytes], [201, '22']);
});

test('addresses, times, names and the head of the request are told', () => {
  const { common_properties: common, request, response } = sentHttp(someRequest({ 'user-agent': 'curl' }));
  assert.deepEqual(common?.downstream_remote_address, { socket_address: { address: '10.0.0.1', port_value: 4000 } });
  assert.deepEqual(common?.upstream_remote_address, { socket_address: { address: '10.0.0.9', port_value: 8080 } });
  assert.equal(common?.start_time, '2026-02-03T04:05:06.789Z');
  assert.equal(common?.time_to_first_upstream_rx_byte, '0.040s');
  assert.equal(common?.route_name, 'default');
  assert.equal(common?.tls_properties?.tls_version, 'TLSv1_3');
  assert.equal(common?.access_log_type, 'DownstreamEnd');
  assert.deepEqual(
    [
      request?.request_method,
      request?.path,
      request?.authority,
      request?.scheme,
      request?.user_agent,
      request?.request_id,
    ],
    ['POST', '/buy?x=1', 'cart.mesh', 'http', 'curl', 'id-1'],
  );
  assert.equal(response?.response_code_details, 'via_upstream');
});

test('headers that are asked for are told, several of a name as one', () => {
  const { request, response } = sentHttp(someRequest(), {
    request: ['x-twice', ':path', 'x-none'],
    response: ['x-up'],
    trailers: ['x-sum', 'x-none'],
  });
  assert.deepEqual(request?.request_headers, { 'x-twice': 'one,two', ':path': '/buy?x=1' });
  assert.deepEqual(response?.response_headers, { 'x-up': 'v1' });
  assert.deepEqual(response?.response_trailers, { 'x-sum': '9' });
});

test('fields beyond ASCII are the text that they are, and marked where they are none', () => {
  const info = someRequest({ 'user-agent': fieldOf('é€'), referer: 'a\xff', listed: fieldOf('größe') });
  info.routeName = 'größe';
  const { request, common_properties: common } = sentHttp(info, { request: ['listed'], response: [], trailers: [] });
  assert.deepEqual([request?.user_agent, request?.referer], ['é€', 'a!']);
  assert.deepEqual(request?.request_headers, { listed: 'größe' });
  assert.equal(common?.route_name, 'größe');
});

test('a request that came to nothing, of a client that came through a socket, is told all the same', () => {
  const downstream = { id: 1, remoteHost: '', remotePort: 0, localHost: '', localPort: 0, tls: undefined };
  const info = new StreamInfo(downstream, 0, 5);
  const entry = sentHttp(info);
  assert.equal(entry.common_properties?.downstream_remote_address, undefined);
  assert.equal(entry.response?.response_code, undefined);
});

test('a TCP connection is told with its bytes and who made it', () => {
  const info = someRequest();
  info.request = undefined;
  info.logType = 'TcpConnectionEnd';
  info.upstreamHost = '/run/app.sock';
  const { common_properties: common, connection_properties: connection } = sentTcp(info);
  assert.deepEqual(connection, { received_bytes: '11', sent_bytes: '22' });
  assert.deepEqual(common?.upstream_remote_address, { pipe: { path: '/run/app.sock' } });
  assert.equal(common?.access_log_type, 'TcpConnectionEnd');
  assert.deepEqual(common?.tls_properties?.peer_certificate_properties?.subject_alt_name?.[0], { uri: PEER });
});
