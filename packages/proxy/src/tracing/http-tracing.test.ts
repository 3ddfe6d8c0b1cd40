import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '@weft/envoy-api';
import { compileText } from '../access-log/format.ts';
import { until } from '../cluster/testing/cluster.ts';
import { httpConnectionManager } from '../config/http.ts';
import { Place } from '../config/schema.ts';
import type { StreamInfo } from '../stack/stream-info.ts';
import { forward, Proxied, ROUTER, routes, TextUpstream } from '../stack/testing/proxied.ts';
import { together } from '../testing/together.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const TRACE = 'type.googleapis.com/envoy.config.trace.v3';
const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331';
const OTLP = {
  name: 'otlp',
  typed_config: {
    '@type': `${TRACE}.OpenTelemetryConfig`,
    service_name: 'shop',
    http_service: { http_uri: { uri: 'http://collector/v1/traces', cluster: 'collector', timeout: '5s' } },
  },
};
const get = (...fields: readonly string[]): string =>
  `${['GET /p HTTP/1.1', 'Host: a', ...fields].join('\r\n')}\r\n\r\n`;

/** Spans in bodies of requests with a length. */
function spansIn(received: readonly string[]) {
  return received.flatMap((text) => {
    const bodies: string[] = [];
    for (let rest = text; rest !== ''; ) {
      const end = rest.indexOf('\r\n\r\n') + 4;
      const length = Number(/content-length: (\d+)/.exec(rest.slice(0, end))?.[1] ?? 0);
      bodies.push(rest.slice(end, end + length));
      rest = rest.slice(end + length);
    }
    return bodies.flatMap((body) => {
      const { resource_spans = [] } = decode(
        'opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest',
        Buffer.from(body, 'latin1'),
      );
      return resource_spans.flatMap(({ scope_spans = [] }) => scope_spans.flatMap(({ spans = [] }) => spans));
    });
  });
}

async function traced(fields: object = {}, answer = OK) {
  const upstream = await new TextUpstream(() => answer).start();
  const collector = await new TextUpstream((text) =>
    text.endsWith('\r\n\r\n') ? undefined : 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
  ).start();
  const proxied = await new Proxied([upstream.port], {
    clusters: { collector: collector.port },
    routeConfig: forward({
      retry_policy: { retry_on: '5xx', num_retries: 1, retry_back_off: { base_interval: '0.001s' } },
    }),
    manager: { tracing: { provider: OTLP, ...fields } },
  }).start();
  return together({ upstream, collector, proxied });
}

test('the upstream and the collector are told of the same trace', async () => {
  await using ground = await traced();
  using client = ground.proxied.client();
  for (let i = 0; i < 5; i++) {
    client.send(get(`traceparent: ${PARENT}-01`));
    await client.until(({ received }) => received.split('\r\n\r\nok').length > i + 1);
  }
  await until(() => ground.collector.received.length > 0, 'spans');
  const told = [...(ground.upstream.received[0] ?? '').matchAll(/traceparent: 00-(\w+)-(\w+)-01\r\n/g)];
  assert.equal(told.length, 5);
  await until(() => spansIn(ground.collector.received).length === 5, 'five spans');
  const spans = spansIn(ground.collector.received);
  const hex = (base64 = '') => Buffer.from(base64, 'base64').toString('hex');
  assert.deepEqual(
    spans.map(({ trace_id, span_id, parent_span_id }) => [hex(trace_id), hex(span_id), hex(parent_span_id)]),
    told.map(([, trace, span]) => [trace, span, 'b7ad6b7169203331']),
  );
  assert.equal(ground.proxied.logged[0]?.trace?.traceId, '0af7651916cd43dd8448eb211c80319c');
});

test('a trace that the caller does not sample is told on, and not told the collector', async () => {
  await using ground = await traced();
  await ground.proxied.ask(get(`traceparent: ${PARENT}-00`, 'Connection: close'));
  assert.match(ground.upstream.received[0] ?? '', /traceparent: 00-0af7651916cd43dd8448eb211c80319c-\w{16}-00\r\n/);
  ground.proxied.manager.destroy();
  assert.deepEqual(ground.collector.received, []);
});

test('each attempt is a span of its own where that is wanted', async () => {
  await using ground = await traced({ spawn_upstream_span: true }, 'HTTP/1.1 503 Oh\r\ncontent-length: 0\r\n\r\n');
  await ground.proxied.ask(get('Connection: close'));
  ground.proxied.manager.destroy();
  await until(() => spansIn(ground.collector.received).length === 3, 'three spans');
  const spans = spansIn(ground.collector.received);
  const [server] = spans.filter(({ kind }) => kind === 'SPAN_KIND_SERVER');
  const clients = spans.filter(({ kind }) => kind === 'SPAN_KIND_CLIENT');
  assert.deepEqual(
    clients.map(({ parent_span_id }) => parent_span_id),
    [server?.span_id, server?.span_id],
  );
  assert.deepEqual(
    clients.map(({ status }) => status?.code),
    ['STATUS_CODE_ERROR', 'STATUS_CODE_ERROR'],
  );
});

test('what is not sampled costs no span, and is counted', async () => {
  await using ground = await traced({ random_sampling: { value: 0 } });
  await ground.proxied.ask(get('Connection: close'));
  assert.match(ground.proxied.registry.text(), /^http\.x\.tracing\.not_traceable: 1$/m);
  ground.proxied.manager.destroy();
  assert.deepEqual(ground.collector.received, []);
});

test('without a provider requests are sampled and counted, and nobody is told', async () => {
  await using ground = await traced({ provider: undefined });
  await ground.proxied.ask(get(`traceparent: ${PARENT}-01`, 'Connection: close'));
  assert.match(ground.upstream.received[0] ?? '', new RegExp(`traceparent: ${PARENT}-01\r\n`));
  assert.match(ground.proxied.registry.text(), /^http\.x\.tracing\.random_sampling: 1$/m);
  ground.proxied.manager.destroy();
  assert.deepEqual(ground.collector.received, []);
  const [logged] = ground.proxied.logged;
  assert.equal(logged?.trace?.traceId, '');
  const line = compileText('%TRACE_ID% %SPAN_ID%', '-', assert.fail);
  assert.equal(line(logged as StreamInfo), '- -', 'there is no span to name');
});

test('what is not honoured is refused by its path', () => {
  const zipkin = { collector_cluster: 'z', collector_endpoint: '/api', collector_endpoint_version: 'HTTP_JSON' };
  for (const [tracing, issue] of [
    [
      { provider: { name: 'x', typed_config: { '@type': `${TRACE}.LightstepConfig` } } },
      /LightstepConfig is not supported/,
    ],
    [
      { provider: { name: 'x', typed_config: { '@type': `${TRACE}.OpenTelemetryConfig` } } },
      /either grpc_service or http_service/,
    ],
    [{ provider: OTLP, no_context_propagation: true }, /tracing\.no_context_propagation not supported/],
    [{ provider: OTLP, random_sampling: { value: 101 } }, /tracing\.random_sampling\.value must be from 0 to 100/],
    [{ provider: OTLP, custom_tags: [{ tag: 'x' }] }, /tracing\.custom_tags\[0\] needs exactly one of/],
    [
      {
        provider: {
          name: 'x',
          typed_config: { '@type': `${TRACE}.ZipkinConfig`, ...zipkin, collector_endpoint_version: 'HTTP_PROTO' },
        },
      },
      /collector_endpoint_version HTTP_PROTO is not supported/,
    ],
    [
      { provider: { name: 'x', typed_config: { ...OTLP.typed_config, sampler: { name: 's' } } } },
      /typed_config\.sampler not supported/,
    ],
  ] as const) {
    const place = new Place();
    httpConnectionManager.parse({ stat_prefix: 'x', route_config: routes(), http_filters: [ROUTER], tracing }, place);
    assert.match(place.issues.map(({ path, message }) => `${path} ${message}`).join('\n'), issue);
  }
});
