import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forward, routes } from '../../stack/testing/proxied.ts';
import { Filtered, type FilteredOptions } from '../testing/filtered.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy';
const ORIGINS = [{ exact: 'http://a' }, { suffix: '.ok' }];

const serve = (options: FilteredOptions): Promise<Filtered> =>
  Filtered.serve([{ name: 'cors', type: 'filters.http.cors.v3.Cors' }], options);

/** The policy on the route `/`, and one on its virtual host. */
function policy(ofRoute: object, ofHost?: object): object {
  const level = (given: object) => ({ typed_per_filter_config: { cors: { '@type': TYPE, ...given } } });
  const config = forward({}, level(ofRoute)) as { virtual_hosts: object[] };
  return ofHost ? { virtual_hosts: config.virtual_hosts.map((host) => ({ ...host, ...level(ofHost) })) } : config;
}

const from = (origin: string, ...more: string[]) => ({ fields: [`Origin: ${origin}`, ...more] });
const preflight = (origin: string, ...more: string[]) => ({
  method: 'OPTIONS',
  ...from(origin, 'Access-Control-Request-Method: PUT', ...more),
});
const shown = (received: string): readonly string[] =>
  received
    .split('\r\n')
    .filter((line) => line.startsWith('access-control-'))
    .sort();

test('responses say what an origin that is allowed may see', async () => {
  const routeConfig = policy({ allow_origin_string_match: ORIGINS, allow_credentials: true, expose_headers: 'x-e' });
  await using served = await serve({ routeConfig });
  assert.deepEqual(shown(await served.ask(from('http://a'))), [
    'access-control-allow-credentials: true',
    'access-control-allow-origin: http://a',
    'access-control-expose-headers: x-e',
  ]);
  const two = from('http://a', 'Origin: http://evil');
  for (const request of [from('http://evil'), {}, from('http://a.evil'), from(''), two]) {
    assert.deepEqual(shown(await served.ask(request)), []);
  }
  assert.equal(served.requests, 6);
  assert.deepEqual([served.stat('http.x.cors.origin_valid'), served.stat('http.x.cors.origin_invalid')], [1, 3]);
});

test('preflight requests are answered in the place of the upstream', async () => {
  const routeConfig = policy({
    allow_origin_string_match: ORIGINS,
    allow_methods: 'GET,PUT',
    allow_headers: '*',
    max_age: '60',
    allow_private_network_access: true,
  });
  await using served = await serve({ routeConfig });
  const asked = ['Access-Control-Request-Headers: x-a, x-b', 'Access-Control-Request-Private-Network: true'];
  const received = await served.ask(preflight('http://x.ok', ...asked));
  assert.match(received, /^HTTP\/1\.1 200 OK\r\n/);
  assert.deepEqual(shown(received), [
    'access-control-allow-headers: x-a, x-b',
    'access-control-allow-methods: GET,PUT',
    'access-control-allow-origin: http://x.ok',
    'access-control-allow-private-network: true',
    'access-control-max-age: 60',
  ]);
  assert.deepEqual(served.upstream.received, []);
  assert.equal(served.proxied.logged[0]?.responseDetails, 'cors_response');
  await served.ask({ method: 'OPTIONS', ...from('http://a') });
  assert.equal(served.requests, 1);
});

test('a preflight request of another origin goes to the upstream, unless the policy says otherwise', async () => {
  const origins = { allow_origin_string_match: ORIGINS, allow_methods: '*' };
  await using served = await serve({ routeConfig: policy(origins) });
  assert.deepEqual(shown(await served.ask(preflight('http://evil'))), []);
  assert.equal(served.requests, 1);
  await using strict = await serve({ routeConfig: policy({ ...origins, forward_not_matching_preflights: false }) });
  assert.deepEqual(shown(await strict.ask(preflight('http://evil'))), ['access-control-allow-methods: PUT']);
  assert.deepEqual(strict.upstream.received, []);
});

test('a route says again only what differs from its virtual host', async () => {
  const host = { allow_origin_string_match: ORIGINS, allow_methods: 'GET', max_age: '5' };
  await using served = await serve({ routeConfig: policy({ max_age: '9' }, host) });
  assert.deepEqual(shown(await served.ask(preflight('http://a'))), [
    'access-control-allow-methods: GET',
    'access-control-allow-origin: http://a',
    'access-control-max-age: 9',
  ]);
});

test('the field cors of routes counts where filter configuration says nothing', async () => {
  const routeConfig = forward({ cors: { allow_origin_string_match: ORIGINS } });
  await using served = await serve({ routeConfig });
  assert.deepEqual(shown(await served.ask(from('http://a'))), ['access-control-allow-origin: http://a']);
});

test('a policy that is on trial counts origins and changes nothing; one that is off does nothing', async () => {
  const off = { default_value: { numerator: 0 } };
  const on = { default_value: { numerator: 100 } };
  const given = { allow_origin_string_match: ORIGINS, filter_enabled: off };
  await using shadow = await serve({ routeConfig: policy({ ...given, shadow_enabled: on }) });
  assert.deepEqual(shown(await shadow.ask(preflight('http://a'))), []);
  assert.equal(shadow.stat('http.x.cors.origin_valid'), 1);
  await using disabled = await serve({ routeConfig: policy(given) });
  assert.deepEqual(shown(await disabled.ask(preflight('http://a'))), []);
  assert.equal(disabled.stat('http.x.cors.origin_valid'), 0);
});

test('what a route answers by itself has no policy', async () => {
  const routeConfig = routes({
    match: { prefix: '/' },
    direct_response: { status: 200 },
    typed_per_filter_config: { cors: { '@type': TYPE, allow_origin_string_match: ORIGINS } },
  });
  await using served = await serve({ routeConfig });
  assert.deepEqual(shown(await served.ask(from('http://a'))), []);
});
