import assert from 'node:assert/strict';
import { test } from 'node:test';
import { A, bearer, issuer, jwt, local, nowS, one, requires, serve } from './testing/served.ts';

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
        ...['sub', 'n', 'f', 'big', 'b', 'l', 'o.p', 'd.t', 'evil', 'utf'].map((name) =>
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
    big: 1e21,
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
    'x-big: 1000000000000000000000.000000',
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
