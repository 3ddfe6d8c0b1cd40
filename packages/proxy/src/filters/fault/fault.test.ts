import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layeredRuntime } from '../../config/runtime.ts';
import { Place } from '../../config/schema.ts';
import { FLAG } from '../../stack/response-flags.ts';
import { forward } from '../../stack/testing/proxied.ts';
import { Filtered, type FilteredOptions } from '../testing/filtered.ts';
import { faultFilter } from './schema.ts';

const TYPE = 'filters.http.fault.v3.HTTPFault';
const ALL = { numerator: 100 };
const ABORT = { abort: { http_status: 503, percentage: ALL } };
const BY_HEADER = { abort: { header_abort: {}, percentage: ALL }, delay: { header_delay: {}, percentage: ALL } };

const serve = (config: object, options?: FilteredOptions): Promise<Filtered> =>
  Filtered.serve([{ name: 'fault', type: TYPE, ...config }], options);

test('a request is answered with the status that is asked for, and the upstream never hears of it', async () => {
  await using served = await serve({ ...ABORT, filter_metadata: { why: 'test' } });
  assert.match(await served.ask(), /^HTTP\/1\.1 503 .*content-type: text\/plain\r\n.*\r\n\r\nfault filter abort$/s);
  assert.deepEqual(served.upstream.received, []);
  const [info] = served.proxied.logged;
  assert.equal(info?.flags, FLAG.FI);
  assert.equal(info?.responseDetails, 'fault_filter_abort');
  assert.deepEqual(info?.dynamicMetadata?.get('fault'), { why: 'test' });
  assert.deepEqual([served.stat('http.x.fault.aborts_injected'), served.stat('http.x.fault.active_faults')], [1, 0]);
});

test('a status of gRPC is one for gRPC clients, and an answer without error for others', async () => {
  await using served = await serve({ abort: { grpc_status: 14, percentage: ALL, response_body: 'mine' } });
  assert.match(await served.ask(), /^HTTP\/1\.1 200 .*\r\n\r\nmine$/s);
  const asked = { method: 'POST', fields: ['content-type: application/grpc'] };
  assert.match(await served.ask(asked), /^HTTP\/1\.1 200 .*grpc-status: 14\r\ngrpc-message: mine\r\n/s);
});

test('requests can ask for faults, up to the share that is allowed', async () => {
  await using served = await serve(BY_HEADER);
  assert.equal(await served.status({ fields: ['x-envoy-fault-abort-request: 418'] }), 418);
  assert.equal(await served.status({ fields: ['x-envoy-fault-abort-request: 199'] }), 200);
  assert.equal(await served.status(), 200);
  const none = ['x-envoy-fault-abort-request: 418', 'x-envoy-fault-abort-request-percentage: 0'];
  assert.equal(await served.status({ fields: none }), 200);
  assert.equal(served.stat('http.x.fault.delays_injected'), 0);
  await served.status({ fields: ['x-envoy-fault-delay-request: 20'] });
  const info = served.proxied.logged.at(-1);
  assert.ok((info?.endMs ?? 0) - (info?.startMs ?? 0) >= 18);
  assert.equal(info?.flags, FLAG.DI);
});

test('a delay holds the request with its body, and an abort may follow', async () => {
  const delay = { delay: { fixed_delay: '0.030s', percentage: ALL } };
  await using served = await serve(delay, { answer: 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok' });
  assert.equal(await served.status({ method: 'POST', body: 'a\r\n\r\n' }), 200);
  assert.match(served.upstream.received.join(''), /a\r\n\r\n$/);
  assert.equal(served.stat('http.x.fault.delays_injected'), 1);
  await using both = await serve({ ...delay, ...ABORT });
  assert.equal(await both.status(), 503);
  assert.equal(both.proxied.logged[0]?.flags, FLAG.DI | FLAG.FI);
});

test('a client that leaves while it is delayed is no active fault any more', async () => {
  await using served = await serve({ delay: { fixed_delay: '60s', percentage: ALL }, max_active_faults: 1 });
  const client = served.proxied.client();
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  while (served.stat('http.x.fault.active_faults') !== 1) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(await served.status(), 200);
  assert.equal(served.stat('http.x.fault.faults_overflow'), 1);
  client.socket.destroy();
  while (served.stat('http.x.fault.active_faults') !== 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(served.upstream.received.length, 1);
});

test('faults are for some requests alone, where the configuration says so', async () => {
  const headers = [{ name: 'x-test', string_match: { exact: '1' } }];
  await using served = await serve({ ...ABORT, headers, downstream_nodes: ['n1'], upstream_cluster: 'c' });
  const node = 'x-envoy-downstream-service-node: n1';
  assert.equal(await served.status({ fields: ['x-test: 1', node] }), 503);
  assert.equal(await served.status({ fields: ['x-test: 1'] }), 200);
  assert.equal(await served.status({ fields: [node] }), 200);
  await using other = await serve({ ...ABORT, upstream_cluster: 'd' });
  assert.equal(await other.status(), 200);
});

test('a route has faults of its own, or none', async () => {
  const level = (config: object) => forward({}, { typed_per_filter_config: { fault: config } });
  const type = `type.googleapis.com/envoy.extensions.${TYPE}`;
  await using own = await serve(ABORT, {
    routeConfig: level({ '@type': type, abort: { http_status: 418, percentage: ALL } }),
  });
  assert.equal(await own.status(), 418);
  await using none = await serve(ABORT, { routeConfig: level({ '@type': type }) });
  assert.equal(await none.status(), 200);
});

test('the runtime decides over shares, durations and statuses, for one service before all', async () => {
  const values = {
    'fault.http.abort.abort_percent': 0,
    'fault.http.special.abort.abort_percent': 100,
    'fault.http.abort.http_status': 500,
    'fault.http.special.abort.http_status': 501,
  };
  const runtime = layeredRuntime.parse({ layers: [{ name: 'l', static_layer: values }] }, new Place());
  await using served = await serve(ABORT, { runtime });
  assert.equal(await served.status(), 200);
  assert.equal(await served.status({ fields: ['x-envoy-downstream-service-cluster: special'] }), 501);
  assert.equal(served.stat('http.x.fault.special.aborts_injected'), 1);
  await using together = await serve({ ...ABORT, disable_downstream_cluster_stats: true }, { runtime });
  assert.equal(await together.status({ fields: ['x-envoy-downstream-service-cluster: special'] }), 501);
  assert.ok(Number.isNaN(together.stat('http.x.fault.special.aborts_injected')));
});

test('services that clients make up do not fill memory', async () => {
  await using served = await serve(ABORT);
  for (let i = 0; i < 270; i++) await served.status({ fields: [`x-envoy-downstream-service-cluster: s${i}`] });
  assert.equal(served.stat('http.x.fault.aborts_injected'), 270);
  assert.equal(served.stat('http.x.fault.s255.aborts_injected'), 1);
  assert.ok(Number.isNaN(served.stat('http.x.fault.s256.aborts_injected')));
});

test('a response is slowed down to a rate, whole and in order', async () => {
  const body = Array.from({ length: 3000 }, (_, index) => String.fromCharCode(97 + (index % 26))).join('');
  const answer = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  await using served = await serve(
    { response_rate_limit: { fixed_limit: { limit_kbps: 20 }, percentage: ALL } },
    { answer },
  );
  assert.ok((await served.ask()).endsWith(`\r\n\r\n${body}`));
  const [info] = served.proxied.logged;
  // Three slices of 1024 bytes, 50 ms apart.
  assert.ok((info?.endMs ?? 0) - (info?.firstResponseSentMs ?? 0) >= 90);
  assert.equal(served.stat('http.x.fault.response_rl_injected'), 1);
});

test('what is wrong is told with its path', () => {
  const issues = (given: object): string => {
    const place = new Place();
    faultFilter.parse(given, place);
    return place.issues.map(({ path, message }) => `${path}: ${message}`).join('\n');
  };
  assert.match(issues({ abort: {} }), /^abort: needs one of http_status, grpc_status, header_abort$/);
  assert.match(issues({ abort: { http_status: 100 } }), /^abort.http_status: must be from 200 to 599/);
  assert.match(issues({ delay: { fixed_delay: '0s' } }), /^delay.fixed_delay: must be at least/);
  assert.match(issues({ response_rate_limit: { fixed_limit: {} } }), /limit_kbps: must be from 1/);
  assert.equal(issues({}), '');
});
