import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encode } from '@weft/envoy-api';
import { HttpEntry, LogMessage, TABLES, TcpEntry } from './access-log.ts';

test('the tables say of each field what the whole API says', () => {
  const path = fileURLToPath(new URL('../gen/tables.json', import.meta.resolve('@weft/envoy-api')));
  const whole = JSON.parse(readFileSync(path, 'utf8')) as { messages: Record<string, string> };
  const wellKnown = {
    'google.protobuf.Duration': '1 seconds =I;2 nanos =i',
    'google.protobuf.UInt32Value': '1 value =u',
  };
  const messages: Record<string, string> = { ...whole.messages, ...wellKnown };
  for (const [name, body] of Object.entries(TABLES.messages)) {
    const fields = (messages[name] ?? '').split(';').map((field) => field.replace(/ @\w+$/, ''));
    for (const field of body.split(';').filter((text) => text !== '' && text !== '1 log_entry *B')) {
      assert.ok(fields.includes(field), `${name}: ${field} is not in the API: ${fields.join(', ')}`);
    }
  }
});

test('a message of Envoy is read', () => {
  const bytes = encode('envoy.service.accesslog.v3.StreamAccessLogsMessage', {
    identifier: { node: { id: 'shop/cart-1', cluster: 'cart' }, log_name: 'outbound' },
    http_logs: {
      log_entry: [
        {
          common_properties: {
            upstream_cluster: 'outbound/shop/stock',
            duration: '0.0125s',
            response_flags: { upstream_connection_failure: true },
            tls_properties: { peer_certificate_properties: { subject_alt_name: [{ uri: 'spiffe://a/ns/b/sa/c' }] } },
          },
          request: { authority: 'stock.mesh', request_body_bytes: 7 },
          response: { response_code: 503, response_body_bytes: 9 },
        },
      ],
    },
  });
  const message = LogMessage.decode(bytes);
  assert.equal(message.identifier?.logName, 'outbound');
  assert.equal(message.identifier?.node?.id, 'shop/cart-1');
  const [entry] = message.httpLogs?.logEntry ?? [];
  const http = HttpEntry.decode(entry!);
  assert.equal(http.commonProperties?.upstreamCluster, 'outbound/shop/stock');
  assert.deepEqual({ ...http.commonProperties?.duration }, { seconds: 0, nanos: 12_500_000 });
  assert.equal(http.commonProperties?.responseFlags?.upstreamConnectionFailure, true);
  assert.equal(http.response?.responseCode?.value, 503);
  assert.equal(http.request?.requestBodyBytes, 7);
  const [san] = http.commonProperties?.tlsProperties?.peerCertificateProperties?.subjectAltName ?? [];
  assert.equal(san?.uri, 'spiffe://a/ns/b/sa/c');
});

test('a TCP entry of Envoy is read', () => {
  const bytes = encode('envoy.data.accesslog.v3.TCPAccessLogEntry', {
    common_properties: { upstream_cluster: 'outbound/shop/db' },
    connection_properties: { received_bytes: 5, sent_bytes: 6 },
  });
  const tcp = TcpEntry.decode(bytes);
  assert.deepEqual({ ...tcp.connectionProperties }, { receivedBytes: 5, sentBytes: 6 });
});
