import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forward, routes } from '../../stack/testing/proxied.ts';
import { A, bearer, issuer, jwt, local, requires, serve, TYPE } from './testing/served.ts';

const PROVIDERS = {
  a: { issuer: 'ia', ...local },
  b: { issuer: 'ib', ...local, from_headers: [{ name: 'x-b' }] },
};
const a = (claims: object = {}): string => bearer({ ...A, ...claims });
const b = (claims: object = {}): string => `x-b: ${issuer.token({ iss: 'ib', ...claims })}`;
const [NEEDS_A, NEEDS_B] = [{ provider_name: 'a' }, { provider_name: 'b' }];

const REQUIREMENTS: readonly (readonly [
  requirement: object,
  cases: readonly (readonly [answer: string, ...lines: string[]])[],
])[] = [
  [
    { requires_any: { requirements: [NEEDS_A, NEEDS_B] } },
    [
      ['200 ok', a()],
      ['200 ok', b()],
      ['200 ok', a({ exp: 1 }), b()],
      ['401 Jwt is missing'],
      ['401 Jwt is expired', a({ exp: 1 })],
      ['401 Jwt issuer is not configured', b({ iss: 'ia' })],
    ],
  ],
  [
    { requires_all: { requirements: [NEEDS_A, NEEDS_B] } },
    [
      ['200 ok', a(), b()],
      ['401 Jwt is missing', a()],
      ['401 Jwt is missing', b()],
      ['401 Jwt is expired', a(), b({ exp: 1 })],
    ],
  ],
  [
    { requires_any: { requirements: [NEEDS_A, { allow_missing: {} }] } },
    [
      ['200 ok'],
      ['200 ok', a()],
      ['401 Jwt is expired', a({ exp: 1 })],
      ['401 Jwt issuer is not configured', a({ iss: 'ib' })],
    ],
  ],
  [
    { allow_missing: {} },
    [
      ['200 ok'],
      ['200 ok', a(), b()],
      ['401 Jwt is expired', a({ exp: 1 }), b()],
      ['401 Jwt is expired', a(), b({ exp: 1 })],
    ],
  ],
  [{ allow_missing_or_failed: {} }, [['200 ok'], ['200 ok', a({ exp: 1 })], ['200 ok', 'Authorization: Bearer x']]],
  [
    { provider_and_audiences: { provider_name: 'a', audiences: ['x'] } },
    [
      ['200 ok', a({ aud: 'x' })],
      ['403 Audiences in Jwt are not allowed', a()],
    ],
  ],
  [{}, [['200 ok']]],
];

test('requirements are met by one of several tokens, by all of them, or by none', async () => {
  for (const [requirement, cases] of REQUIREMENTS) {
    await using served = await serve([jwt({ providers: PROVIDERS, rules: [requires(requirement)] })]);
    for (const [answer, ...lines] of cases)
      assert.equal(await served.ask('/', ...lines), answer, JSON.stringify([requirement, answer]));
  }
});

test('the first rule that matches decides; a route can decide otherwise', async () => {
  const level = (fields: object): object => ({
    typed_per_filter_config: { jwt: { '@type': `${TYPE}.PerRouteConfig`, ...fields } },
  });
  const answering = (prefix: string, fields: object = {}): object => ({
    match: { prefix },
    direct_response: { status: 200, body: { inline_string: 'ok' } },
    ...fields,
  });
  await using served = await serve(
    [
      jwt({
        providers: PROVIDERS,
        requirement_map: { named: NEEDS_B },
        rules: [
          { match: { path: '/open' } },
          { match: { prefix: '/named', headers: [{ name: 'x-b' }] }, requirement_name: 'named' },
          requires(NEEDS_A, '/closed'),
        ],
      }),
    ],
    {
      routeConfig: routes(
        answering('/closed/off', level({ disabled: true })),
        answering('/closed/b', level({ requirement_name: 'named' })),
        answering('/closed/wrong', level({ requirement_name: 'nobody' })),
        answering('/'),
      ),
    },
  );
  assert.equal(await served.ask('/open?x'), '200 ok');
  assert.equal(await served.ask('/elsewhere'), '200 ok');
  assert.equal(await served.ask('/closed'), '401 Jwt is missing');
  assert.equal(await served.ask('/closed?/open'), '401 Jwt is missing');
  assert.equal(
    await served.ask('/named', 'x-b: x'),
    '401 Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
  );
  assert.equal(await served.ask('/closed/off'), '200 ok');
  assert.equal(await served.ask('/closed/b', b()), '200 ok');
  assert.equal(await served.ask('/closed/b', a()), '401 Jwt is missing');
  assert.equal(
    await served.ask('/closed/wrong', a()),
    '403 Failed JWT authentication: Wrong requirement_name: nobody. It should be one of [named]',
  );
});

test('preflights of CORS need no token where that is said', async () => {
  const preflight =
    'OPTIONS / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: b\r\nAccess-Control-Request-Method: GET\r\n\r\n';
  for (const bypass_cors_preflight of [true, false]) {
    await using served = await serve([
      jwt({
        providers: PROVIDERS,
        rules: [requires(NEEDS_A)],
        bypass_cors_preflight,
        strip_failure_response: true,
        stat_prefix: 'p',
      }),
    ]);
    const answer = await served.proxied.ask(preflight);
    assert.match(
      answer,
      bypass_cors_preflight ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 401 (?!.*www-authenticate).*\r\n\r\n$/s,
    );
    assert.equal(served.stat('p.cors_preflight_bypassed'), bypass_cors_preflight ? 1 : 0);
  }
});

test("fields that speak of tokens are nobody else's, where no token is asked for either", async () => {
  const claim_to_headers = [{ header_name: 'x-user', claim_name: 'sub' }];
  const filter = jwt({
    providers: { a: { ...PROVIDERS.a, claim_to_headers }, b: { ...PROVIDERS.b, claim_to_headers } },
    rules: [requires({ requires_all: { requirements: [NEEDS_A, NEEDS_B] } }, '/both'), requires(NEEDS_A, '/closed')],
    bypass_cors_preflight: true,
  });
  const disabled = { typed_per_filter_config: { jwt: { '@type': `${TYPE}.PerRouteConfig`, disabled: true } } };
  await using open = await serve([filter], { routeConfig: forward({}, disabled) });
  assert.equal(await open.ask('/closed', 'X-User: root'), '200 ok');
  assert.doesNotMatch(open.last, /x-user/i);
  await using served = await serve([filter]);
  await served.proxied.ask(
    'OPTIONS /closed HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: b\r\nX-User: root\r\nAccess-Control-Request-Method: GET\r\n\r\n',
  );
  assert.match(served.last, /^OPTIONS /);
  assert.doesNotMatch(served.last, /x-user/i);
  assert.equal(await served.ask('/both', a(), b({ sub: 'other' })), '200 ok');
  assert.deepEqual(served.last.match(/x-user: .*/gi), ['x-user: other']);
});

test('metadata tells of failures, and not of tokens that others stand in for', async () => {
  const provider = (fields: object) => ({ ...fields, failed_status_in_metadata: 'failed' });
  await using served = await serve([
    jwt({
      providers: { a: provider(PROVIDERS.a), b: provider(PROVIDERS.b) },
      rules: [requires({ requires_any: { requirements: [NEEDS_A, NEEDS_B] } })],
    }),
  ]);
  assert.equal(await served.ask('/', b()), '200 ok');
  assert.equal(await served.ask('/', a({ exp: 1 })), '401 Jwt is expired');
  const found = served.proxied.logged.map(
    ({ dynamicMetadata }) => dynamicMetadata?.get('envoy.filters.http.jwt_authn') ?? {},
  );
  assert.deepEqual(found, [{}, { failed: { code: 3, message: 'Jwt is expired' } }]);
});
