import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../cluster/testing/cluster.ts';
import { forward, Proxied, type ProxiedOptions, ROUTER, routes, TextUpstream } from '../../stack/testing/proxied.ts';
import { Issuer } from './testing.ts';

const TYPE = 'type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3';
const issuer = new Issuer();
const local = { local_jwks: { inline_string: issuer.jwks } };
const nowS = Math.floor(Date.now() / 1000);
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

const requires = (requirement: object, prefix = '/'): object => ({ match: { prefix }, requires: requirement });
const jwt = (fields: object): object => ({
  name: 'jwt',
  typed_config: { '@type': `${TYPE}.JwtAuthentication`, ...fields },
});
const one = (provider: object): object =>
  jwt({ providers: { a: { issuer: 'ia', ...local, ...provider } }, rules: [requires({ provider_name: 'a' })] });

interface Served extends AsyncDisposable {
  readonly proxied: Proxied;
  readonly upstream: TextUpstream;
  /** Asks, and gives the status and the body of the answer. */
  ask(target: string, ...lines: readonly string[]): Promise<string>;
  /** What the upstream got of the last request. */
  readonly last: string;
  stat(name: string): number;
}

async function serve(filters: readonly object[], options: ProxiedOptions = {}): Promise<Served> {
  const seen: string[] = [];
  const upstream = await new TextUpstream((text) => {
    if (text.startsWith('GET /jwks '))
      return `HTTP/1.1 200 OK\r\ncontent-length: ${issuer.jwks.length}\r\n\r\n${issuer.jwks}`;
    if (text.startsWith('GET /slow ')) return undefined;
    if (text.startsWith('GET /broken ')) return 'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n';
    seen.push(text);
    return OK;
  }).start();
  const manager = { http_filters: [...filters, ROUTER], generate_request_id: false };
  const proxied = await new Proxied([upstream.port], { manager, ...options }).start();
  return {
    proxied,
    upstream,
    async ask(target, ...lines) {
      const head = [`GET ${target} HTTP/1.1`, 'Host: a', 'Connection: close', ...lines, '', ''].join('\r\n');
      const answer = await proxied.ask(head);
      return `${answer.split(' ')[1]} ${answer.slice(answer.indexOf('\r\n\r\n') + 4)}`;
    },
    get last() {
      return seen.at(-1) ?? '';
    },
    stat(name) {
      const { stats } = proxied.registry.json({ matching: /jwt_authn/ }) as {
        stats: { name: string; value: number }[];
      };
      return stats.find((stat) => stat.name === `http.x.jwt_authn.${name}`)?.value ?? -1;
    },
    async [Symbol.asyncDispose]() {
      await proxied[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

const bearer = (claims: object, header?: object): string => `Authorization: Bearer ${issuer.token(claims, header)}`;
const A = { iss: 'ia', sub: 'me' };

test('a request without a good token is answered 401, and the answer says why', async () => {
  await using served = await serve([one({ audiences: ['https://api/'] })]);
  const good = { ...A, aud: 'api' };
  assert.equal(await served.ask('/', bearer(good)), '200 ok');
  for (const [line, expected] of [
    ['X: y', '401 Jwt is missing'],
    ['Authorization: bearer a.b.c', '401 Jwt is missing'],
    [
      'Authorization: Bearer a.b',
      '401 Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
    ],
    [bearer({ ...good, exp: nowS - 100 }), '401 Jwt is expired'],
    [bearer({ ...good, nbf: nowS + 100 }), '401 Jwt not yet valid'],
    [bearer({ ...good, iss: 'ib' }), '401 Jwt issuer is not configured'],
    [bearer({ ...good, aud: 'other' }), '403 Audiences in Jwt are not allowed'],
    [bearer(A), '403 Audiences in Jwt are not allowed'],
    [bearer(good, { alg: 'none' }), '401 Jwt header [alg] is not supported'],
    [`${bearer(good)}x`, '401 Jwt signature is an invalid Base64url encoded'],
    [`${bearer(good).slice(0, -8)}AAAAAAAA`, '401 Jwt verification fails'],
  ] as const) {
    assert.equal(await served.ask('/', line), expected, line);
  }
  assert.equal(served.proxied.logged[1]?.responseDetails, 'jwt_authn_access_denied{Jwt_is_missing}');
  assert.equal(served.stat('allowed'), 1);
  assert.equal(served.stat('denied'), 11);
});

test('the answer challenges for what was asked for', async () => {
  await using served = await serve([one({})]);
  const { proxied } = served;
  assert.match(
    await proxied.ask('GET /a?b HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n'),
    /\r\nwww-authenticate: Bearer realm="http:\/\/c\/a\?b"\r\n/,
  );
  const bad = `GET /a HTTP/1.1\r\nHost: c\r\nConnection: close\r\nAuthorization: Bearer x.y\r\n\r\n`;
  assert.match(await proxied.ask(bad), /\r\nwww-authenticate: Bearer realm="http:\/\/c\/a", error="invalid_token"\r\n/);
});

test('the token goes no further unless that is asked for', async () => {
  for (const forwards of [false, true]) {
    await using served = await serve([one({ forward: forwards })]);
    assert.equal(await served.ask('/', bearer(A)), '200 ok');
    assert.equal(/authorization/i.test(served.last), forwards);
    assert.equal(await served.ask(`/p?x=%2F+1&access_token=${issuer.token(A)}&y`), '200 ok');
    assert.equal(served.last.split(' ')[1]?.includes('access_token'), forwards);
    if (!forwards) assert.equal(served.last.split(' ')[1], '/p?x=%2F+1&y');
  }
});

test('tokens are looked for where the provider says, and every one that is found must be good', async () => {
  await using served = await serve([
    one({ from_headers: [{ name: 'X-Jwt', value_prefix: 'tok ' }], from_params: ['tk'], from_cookies: ['ck'] }),
  ]);
  const [good, bad] = [issuer.token(A), issuer.token({ ...A, exp: 1 })];
  for (const [target, ...lines] of [
    ['/', `x-jwt: tok ${good}`],
    [`/?tk=${good}`],
    [`/?%74k=${good.replaceAll('.', '%2E')}`],
    ['/', `cookie: a=b; ck=${good}`],
    ['/', 'cookie: a=b', `cookie: ck="${good}"`],
  ] as const) {
    assert.equal(await served.ask(target, ...lines), '200 ok', target);
  }
  for (const [target, ...lines] of [
    ['/', `authorization: Bearer ${good}`],
    [`/?tk=${bad}`, `x-jwt: tok ${good}`],
    [`/?tk=${good}`, `x-jwt: tok ${bad}`],
    [`/?tk=${good}&tk=${bad}`],
    [`/?tk=${good}&%74%6b=${bad}`],
    ['/', `x-jwt: tok ${good}`, `x-jwt: tok ${bad}`],
    ['/', `cookie: ck=${good}; ck=${bad}`],
    ['/', `cookie: ck=${good}`, `cookie: ck=${bad}`],
  ] as const) {
    assert.match(await served.ask(target, ...lines), /^401 /, `${target} ${lines}`);
  }
});

test('what a token says goes to the upstream in fields that clients cannot set', async () => {
  const claim = (header_name: string, claim_name: string): object => ({ header_name, claim_name });
  await using served = await serve([
    one({
      forward_payload_header: 'X-Payload',
      pad_forward_payload_header: true,
      claim_to_headers: [
        ...['sub', 'n', 'f', 'b', 'l', 'o.p', 'd.t', 'evil', 'utf'].map((name) =>
          claim(`x-${name.replace('.', '-')}`, name),
        ),
        { header_name: 'x-dotted', claim_path: [{ key: 'd.t' }] },
      ],
    }),
  ]);
  const claims = {
    ...A,
    n: 5,
    f: 1.5,
    b: true,
    l: [1],
    o: { p: 'q' },
    'd.t': 'dot',
    evil: 'a\r\nx-role: admin',
    utf: 'é',
  };
  const spoofed = ['X-Sub: root', 'x-payload: e30', 'X-EVIL: 1', 'x-d-t: 1'];
  assert.equal(await served.ask('/', bearer(claims), ...spoofed), '200 ok');
  const lines = served.last.split('\r\n');
  const payload = Buffer.from(JSON.stringify(claims)).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
  const expected = [
    'x-sub: me',
    'x-n: 5',
    'x-f: 1.500000',
    'x-b: true',
    'x-l: WzFd',
    'x-o-p: q',
    'x-dotted: dot',
    'x-utf: Ã©',
    `x-payload: ${payload}`,
  ];
  assert.deepEqual(
    lines
      .filter((line) => line.startsWith('x-') && !line.startsWith('x-forwarded') && !line.startsWith('x-envoy'))
      .sort(),
    expected.sort(),
  );
});

test('metadata tells what tokens say, and why they are not good', async () => {
  await using served = await serve([
    one({
      payload_in_metadata: 'claims',
      header_in_metadata: 'head',
      failed_status_in_metadata: 'failed',
      normalize_payload_in_metadata: { space_delimited_claims: ['scope', 'none'] },
    }),
  ]);
  await served.ask('/', bearer({ ...A, scope: 'read write' }));
  await served.ask('/', bearer({ ...A, exp: 1 }));
  const found = served.proxied.logged.map(({ dynamicMetadata }) =>
    dynamicMetadata?.get('envoy.filters.http.jwt_authn'),
  );
  assert.deepEqual(found, [
    { head: { alg: 'RS256', kid: 'RSA' }, claims: { ...A, scope: ['read', 'write'] } },
    { failed: { code: 3, message: 'Jwt is expired' } },
  ]);
});

test('policies of the filter behind decide by what the token says', async () => {
  const path = [{ key: 'claims' }, { key: 'groups' }];
  const value = { list_match: { one_of: { string_match: { exact: 'dev' } } } };
  const metadata = { filter: 'envoy.filters.http.jwt_authn', path, value };
  const rules = { policies: { dev: { permissions: [{ any: true }], principals: [{ metadata }] } } };
  const rbac = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC', rules };
  await using served = await serve([one({ payload_in_metadata: 'claims' }), { name: 'rbac', typed_config: rbac }]);
  assert.equal(await served.ask('/', bearer({ ...A, groups: ['ops', 'dev'] })), '200 ok');
  assert.equal(await served.ask('/', bearer({ ...A, groups: ['ops'] })), '403 RBAC: access denied');
});

test('how long a token may live, and who it is for, can be limited', async () => {
  await using served = await serve([
    jwt({
      providers: {
        life: { issuer: 'life', ...local, max_lifetime: '100s' },
        exp: { issuer: 'exp', ...local, require_expiration: true },
        sub: { issuer: 'sub', ...local, subjects: { prefix: 'good' }, clock_skew_seconds: 5 },
      },
      rules: ['life', 'exp', 'sub'].map((name) => requires({ provider_name: name }, `/${name}`)),
    }),
  ]);
  const status = async (iss: string, claims: object) =>
    (await served.ask(`/${iss}`, bearer({ iss, ...claims }))).slice(0, 3);
  assert.equal(await status('life', { exp: nowS + 50 }), '200');
  assert.equal(await status('life', { exp: nowS + 500 }), '401');
  assert.equal(await status('life', {}), '401');
  assert.equal(await status('exp', {}), '401');
  assert.equal(await status('exp', { exp: nowS + 1e6 }), '200');
  assert.equal(await status('sub', { sub: 'good one' }), '200');
  assert.equal(await status('sub', { sub: 'bad one' }), '401');
  assert.equal(await status('sub', { sub: 'good', exp: nowS - 20 }), '401');
});

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

test('tokens that were checked are kept, as many as may be, and checked for their time again', async () => {
  await using served = await serve([one({ jwt_cache_config: { jwt_cache_size: 1 } })]);
  for (const line of [a(), a(), a({ n: 1 }), a(), a({ exp: 1 })]) await served.ask('/', line);
  assert.equal(served.stat('jwt_cache_hit'), 1);
  assert.equal(served.stat('jwt_cache_miss'), 4);
});

const remote = (path: string, more: object = {}): object => ({
  local_jwks: undefined,
  remote_jwks: { http_uri: { uri: `http://keys.example:81${path}`, cluster: 'c', timeout: '5s' }, ...more },
});

test('keys are fetched once for all who wait, and again when they are old', async () => {
  await using served = await serve([one(remote('/jwks', { cache_duration: '0.5s' }))]);
  const fetches = () =>
    served.upstream.received.join('').split('GET /jwks HTTP/1.1\r\nhost: keys.example:81\r\n').length - 1;
  const answers = await Promise.all(Array.from({ length: 8 }, () => served.ask('/', a())));
  assert.deepEqual(new Set(answers), new Set(['200 ok']));
  assert.equal(fetches(), 1);
  const deadlineMs = performance.now() + 20_000;
  while (fetches() === 1 && performance.now() < deadlineMs) assert.equal(await served.ask('/', a()), '200 ok');
  assert.ok(served.stat('jwks_fetch_success') >= 2);
});

test('where keys cannot be fetched, the request is refused after as many attempts as may be', async () => {
  const retry_policy = { num_retries: 2, retry_back_off: { base_interval: '0.005s', max_interval: '0.01s' } };
  await using served = await serve([one(remote('/broken', { retry_policy }))]);
  assert.equal(await served.ask('/', a()), '401 Jwks remote fetch is failed');
  assert.equal(served.upstream.received.join('').split('GET /broken ').length - 1, 3);
  assert.equal(served.stat('jwks_fetch_failed'), 1);
  assert.equal(await served.ask('/', a({ exp: 1 })), '401 Jwt is expired');
});

test('a client that leaves while keys are fetched is forgotten', async () => {
  await using served = await serve([one(remote('/slow'))], { routeConfig: forward() });
  using client = served.proxied.client();
  client.send(`GET / HTTP/1.1\r\nHost: a\r\n${a()}\r\n\r\n`);
  await served.upstream.receives('GET /slow ');
  client[Symbol.dispose]();
  await until(() => served.proxied.logged.length === 1, 'the end of the request');
  assert.equal(served.stat('denied'), 0);
});

test('keys can be fetched before anybody asks', async () => {
  await using served = await serve([one(remote('/jwks', { async_fetch: { fast_listener: true } }))]);
  await until(() => served.stat('jwks_fetch_success') === 1, 'keys');
  assert.equal(await served.ask('/', a()), '200 ok');
  assert.equal(served.stat('jwks_fetch_success'), 1);
});
