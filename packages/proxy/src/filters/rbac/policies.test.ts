import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PeerSaid } from './testing.ts';
import { type Asked, asked, compiled, refusals, tlsOf } from './testing.ts';

const CART = 'spiffe://mesh/ns/shop/sa/cart';
const STOCK = 'spiffe://mesh/ns/shop/sa/stock';
const ANY = [{ any: true }];

function policy(permission: object, principal: object = { any: true }): object {
  return { permissions: [permission], principals: [principal] };
}

function fits(policies: object, request: Asked): string | undefined {
  const rules = compiled({ policies });
  return rules.verdicts[rules.decide(asked(request))]?.policy;
}

const peer = (said: PeerSaid | undefined): Asked => ({ connection: { tls: tlsOf(said) } });

const PERMISSIONS: readonly (readonly [permission: object, fits: readonly Asked[], fitsNot: readonly Asked[]])[] = [
  [{ any: true }, [{}], []],
  [{ not_rule: { any: true } }, [], [{}]],
  [
    { url_path: { path: { exact: '/a' } } },
    [{ path: '/a' }, { path: '/a?b=/c' }, { path: '/a#/c' }, { path: '/a?#' }],
    [{ path: '/a/' }, { path: '/A' }, { path: '/a%2f' }, { path: '/?/a' }, { path: '', method: 'CONNECT' }],
  ],
  [{ url_path: { path: { prefix: '/A', ignore_case: true } } }, [{ path: '/a' }, { path: '/Ab' }], [{ path: '/b' }]],
  [
    { url_path: { path: { safe_regex: { regex: '/[a-c]+' } } } },
    [{ path: '/abc' }, { path: '/a?d' }],
    [{ path: '/abcd' }, { path: '/d?/a' }],
  ],
  [{ header: { name: ':method', string_match: { exact: 'GET' } } }, [{}], [{ method: 'get' }, { method: 'HEAD' }]],
  [
    { header: { name: 'X-Role', string_match: { exact: 'admin' } } },
    [{ headers: ['x-role', 'admin'] }, { headers: ['x-role', 'user', 'x-role', 'admin'] }],
    [{}, { headers: ['x-role', 'user,admin'] }, { headers: ['x-role', 'Admin'] }],
  ],
  [
    { header: { name: 'x-role', string_match: { exact: 'user' }, invert_match: true } },
    [{ headers: ['x-role', 'admin'] }],
    [{}, { headers: ['x-role', 'user'] }, { headers: ['x-role', 'user', 'x-role', 'admin'] }],
  ],
  [{ header: { name: 'Host', string_match: { exact: 'b' } } }, [{ authority: 'b' }], [{ authority: 'B' }, {}]],
  [
    { header: { name: 'x-none', string_match: { exact: '' }, treat_missing_header_as_empty: true } },
    [{}, { headers: ['x-none', ''] }],
    [{ headers: ['x-none', 'a'] }],
  ],
  [
    { destination_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } },
    [{ connection: { localHost: '10.9.9.9' } }],
    [{ connection: { localHost: '11.0.0.1' } }, { connection: { localHost: '' } }],
  ],
  [{ destination_port: 443 }, [{ connection: { localPort: 443 } }], [{ connection: { localPort: 444 } }]],
  [
    { destination_port_range: { start: 80, end: 90 } },
    [{ connection: { localPort: 80 } }, { connection: { localPort: 89 } }],
    [{ connection: { localPort: 90 } }, { connection: { localPort: 79 } }],
  ],
  [
    { requested_server_name: { suffix: '.a' } },
    [{ connection: { requestedServerName: 'b.a' } }],
    [peer(undefined), {}],
  ],
  [
    { and_rules: { rules: [{ destination_port: 80 }, { url_path: { path: { exact: '/a' } } }] } },
    [{ path: '/a' }],
    [{ path: '/b' }, { path: '/a', connection: { localPort: 81 } }],
  ],
  [
    { or_rules: { rules: [{ destination_port: 81 }, { url_path: { path: { exact: '/a' } } }] } },
    [{ path: '/a' }, { path: '/b', connection: { localPort: 81 } }],
    [{ path: '/b' }],
  ],
  [
    { not_rule: { and_rules: { rules: [{ destination_port: 80 }, { url_path: { path: { exact: '/a' } } }] } } },
    [{ path: '/b' }, { path: '/a', connection: { localPort: 81 } }],
    [{ path: '/a' }],
  ],
  [
    {
      metadata: {
        filter: 'jwt',
        path: [{ key: 'claims' }, { key: 'groups' }],
        value: { list_match: { one_of: { string_match: { exact: 'dev' } } } },
      },
    },
    [{ metadata: { jwt: { claims: { groups: ['ops', 'dev'] } } } }],
    [{}, { metadata: { jwt: { claims: { groups: 'dev' } } } }, { metadata: { jwt: { claims: [] } } }],
  ],
  [{ metadata: { filter: 'a', path: [{ key: 'b' }], value: { present_match: false } } }, [], [{}]],
  [{ metadata: { filter: 'a', path: [{ key: 'b' }], value: { present_match: false }, invert: true } }, [{}], []],
  [
    { metadata: { filter: 'a', path: [{ key: 'toString' }], value: { present_match: true } } },
    [{ metadata: { a: { toString: null } } }],
    [{}, { metadata: { a: {} } }],
  ],
  [
    {
      sourced_metadata: {
        metadata_source: 'ROUTE',
        metadata_matcher: {
          filter: 'a',
          path: [{ key: 'b' }],
          value: { double_match: { range: { start: 1, end: 2 } } },
          invert: true,
        },
      },
    },
    [{ routeMetadata: { filter_metadata: { a: { b: 2 } } } }, { routeMetadata: {} }],
    [{}, { routeMetadata: { filter_metadata: { a: { b: 1.5 } } } }],
  ],
];

test('a permission fits what it says and nothing else', () => {
  for (const [permission, inside, outside] of PERMISSIONS) {
    for (const request of inside)
      assert.equal(fits({ p: policy(permission) }, request), 'p', JSON.stringify([permission, request]));
    for (const request of outside) {
      assert.equal(fits({ p: policy(permission) }, request), undefined, JSON.stringify([permission, request]));
    }
  }
});

const named = (matcher: object): object => ({ authenticated: { principal_name: matcher } });

const PRINCIPALS: readonly (readonly [principal: object, fits: readonly Asked[], fitsNot: readonly Asked[]])[] = [
  [{ authenticated: {} }, [peer({ uris: [CART] }), peer(undefined)], [{}]],
  [
    named({ exact: CART }),
    [peer({ uris: [CART] }), peer({ uris: [STOCK, CART] }), peer({ dnsNames: [CART] }), peer({ subject: CART })],
    [{}, peer(undefined), peer({ uris: [STOCK] }), peer({ uris: [`${CART}2`] }), peer({ uris: [CART.toUpperCase()] })],
  ],
  [named({ exact: CART.toUpperCase(), ignore_case: true }), [peer({ uris: [CART] })], [peer({ uris: [STOCK] })]],
  [named({ prefix: 'spiffe://mesh/ns/shop/' }), [peer({ uris: [CART] })], [peer({ subject: 'CN=cart' }), {}]],
  [named({ exact: 'CN=cart' }), [peer({ uris: [STOCK], subject: 'CN=cart' })], [peer({ uris: [STOCK] })]],
  [{ not_id: named({ exact: CART }) }, [{}, peer({ uris: [STOCK] })], [peer({ uris: [CART] })]],
  [
    { and_ids: { ids: [named({ exact: CART }), { header: { name: 'x', present_match: true } }] } },
    [{ ...peer({ uris: [CART] }), headers: ['x', ''] }],
    [peer({ uris: [CART] }), { ...peer({ uris: [STOCK] }), headers: ['x', ''] }],
  ],
  [
    { or_ids: { ids: [named({ exact: CART }), named({ exact: STOCK })] } },
    [peer({ uris: [CART] }), peer({ uris: [STOCK] })],
    [peer({ uris: ['spiffe://mesh/ns/shop/sa/other'] })],
  ],
  [
    { source_ip: { address_prefix: '10.0.0.9', prefix_len: 32 } },
    [{}, { remoteHost: '1.2.3.4' }],
    [{ connection: { remoteHost: '10.0.0.8' } }],
  ],
  [
    { direct_remote_ip: { address_prefix: '10.0.0.9', prefix_len: 32 } },
    [{}, { remoteHost: '1.2.3.4' }],
    [{ connection: { remoteHost: '10.0.0.8' }, remoteHost: '10.0.0.9' }],
  ],
  [
    { remote_ip: { address_prefix: '1.2.3.0', prefix_len: 24 } },
    [{ remoteHost: '1.2.3.4' }, { connection: { remoteHost: '1.2.3.4' } }],
    [{}, { connection: { remoteHost: '1.2.3.4' }, remoteHost: '2.2.3.4' }],
  ],
];

test('a principal fits whom it says and nobody else', () => {
  for (const [principal, inside, outside] of PRINCIPALS) {
    const policies = { p: policy({ any: true }, principal) };
    for (const request of inside) assert.equal(fits(policies, request), 'p', JSON.stringify([principal, request]));
    for (const request of outside)
      assert.equal(fits(policies, request), undefined, JSON.stringify([principal, request]));
  }
});

test('the first policy by name is the one that is told', () => {
  const policies = { b: policy({ any: true }), a2: policy({ any: true }), a10: policy({ any: true }) };
  assert.equal(fits(policies, {}), 'a10');
});

test('actions: what fits is allowed, denied, or let pass with a note', () => {
  const verdict = (action: string, path: string) => {
    const rules = compiled({ action, policies: { 'a b\tc': policy({ url_path: { path: { exact: '/a' } } }) } });
    return rules.verdicts[rules.decide(asked({ path }))];
  };
  const matched = 'rbac_access_denied_matched_policy[a_b_c]';
  const none = 'rbac_access_denied_matched_policy[none]';
  assert.deepEqual(verdict('ALLOW', '/a'), {
    isAllowed: true,
    policy: 'a b\tc',
    details: matched,
    isLogged: undefined,
  });
  assert.deepEqual(verdict('ALLOW', '/b'), { isAllowed: false, policy: undefined, details: none, isLogged: undefined });
  assert.deepEqual(verdict('DENY', '/a'), {
    isAllowed: false,
    policy: 'a b\tc',
    details: matched,
    isLogged: undefined,
  });
  assert.deepEqual(verdict('DENY', '/b'), { isAllowed: true, policy: undefined, details: none, isLogged: undefined });
  assert.deepEqual(verdict('LOG', '/a'), { isAllowed: true, policy: 'a b\tc', details: matched, isLogged: true });
  assert.deepEqual(verdict('LOG', '/b'), { isAllowed: true, policy: undefined, details: none, isLogged: false });
});

test('rules without a policy allow nothing, or deny nothing', () => {
  const isAllowed = (action: string) => {
    const rules = compiled({ action });
    return rules.verdicts[rules.decide(asked())]?.isAllowed;
  };
  assert.equal(isAllowed('ALLOW'), false);
  assert.equal(isAllowed('DENY'), true);
});

test('a thousand policies of other peers are not asked', () => {
  const policies = Object.fromEntries(
    Array.from({ length: 1000 }, (_, index) => [
      `p${index}`,
      policy({ any: true }, named({ exact: `spiffe://mesh/${index}` })),
    ]),
  );
  let reads = 0;
  const tls = tlsOf({ uris: ['spiffe://mesh/777'] });
  const connection = {
    get tls() {
      reads++;
      return tls;
    },
  };
  const rules = compiled({ policies });
  const request = asked();
  Object.assign(request.info, { downstream: connection });
  for (let i = 0; i < 100; i++) assert.equal(rules.verdicts[rules.decide(request)]?.policy, 'p777');
  assert.ok(reads <= 3, `the certificate was looked at ${reads} times`);
});

const REFUSED: readonly (readonly [rules: object, ...issues: RegExp[]])[] = [
  [{ policies: { p: { permissions: ANY } } }, /^policies\["p"\]\.principals: must have an entry$/],
  [{ policies: { p: { principals: ANY } } }, /^policies\["p"\]\.permissions: must have an entry$/],
  [{ policies: { p: policy({}) } }, /permissions\[0\]: needs one of and_rules, or_rules, any, header/],
  [{ policies: { p: policy({ any: false }) } }, /permissions\[0\]\.any: must be true$/],
  [{ policies: { p: policy({ and_rules: { rules: [] } }) } }, /and_rules\.rules: must have an entry$/],
  [{ policies: { p: policy({ uri_template: {} }) } }, /permissions\[0\]\.uri_template\.typed_config: is needed here/],
  [{ policies: { p: policy({ matcher: {} }) } }, /permissions\[0\]\.matcher: not supported/],
  [{ policies: { p: policy({ any: true }, { filter_state: {} }) } }, /principals\[0\]\.filter_state: not supported/],
  [{ policies: { p: policy({ any: true }, { custom: {} }) } }, /principals\[0\]\.custom: not supported/],
  [{ policies: { p: { ...policy({ any: true }), condition: {} } } }, /\.condition: not supported/],
  [{ policies: { p: { ...policy({ any: true }), checked_condition: {} } } }, /\.checked_condition: not supported/],
  [{ audit_logging_options: { audit_condition: 'ON_DENY' } }, /^audit_logging_options: not supported/],
  [{ policies: { p: policy({ destination_port: 70_000 }) } }, /destination_port: must be from 0 to 65535/],
  [
    { policies: { p: policy({ destination_port_range: { start: 5, end: 5 } }) } },
    /destination_port_range: start, 5, must be/,
  ],
  [{ policies: { p: policy({ destination_ip: { address_prefix: 'a' } }) } }, /address_prefix: a is not an IP address$/],
  [{ policies: { p: policy({ url_path: {} }) } }, /url_path\.path: is needed here$/],
  [
    { policies: { p: policy({ metadata: { filter: 'a', path: [], value: {} } }) } },
    /metadata\.path: must have an entry/,
    /metadata\.value: says nothing/,
  ],
  [
    { policies: { p: policy({ any: true }, { authenticated: { principal_name: {} } }) } },
    /principal_name: needs one of exact/,
  ],
  [
    { policies: { p: policy({ not_rule: { header: { name: 'a', string_match: { safe_regex: { regex: '(' } } } } }) } },
    /not_rule\.header\.string_match\.safe_regex\.regex: is not/,
  ],
];

test('what cannot be honoured is refused with its path', () => {
  for (const [rules, ...expected] of REFUSED) {
    const issues = refusals(rules);
    assert.equal(issues.length, expected.length, JSON.stringify([rules, issues]));
    for (const [index, issue] of issues.entries()) assert.match(issue, expected[index] as RegExp);
  }
  assert.deepEqual(refusals({ audit_logging_options: {}, policies: { p: policy({ any: true }) } }), []);
});

test('connections have neither fields nor paths to ask about', () => {
  const rules = { policies: { p: policy({ header: { name: 'a' } }, { url_path: { path: { exact: '/' } } }) } };
  const [header, path, ...more] = refusals(rules, 'connections');
  assert.match(header ?? '', /permissions\[0\]\.header: not supported/);
  assert.match(path ?? '', /principals\[0\]\.url_path: not supported/);
  assert.deepEqual(more, []);
});

/** Conditions over three facts of the connection and two of the request, as permissions. */
const condition = fc.letrec<{ tree: object }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom<object>(
      { any: true },
      { destination_port: 80 },
      { destination_port: 81 },
      { url_path: { path: { exact: '/a' } } },
      { header: { name: 'x', present_match: true } },
    ),
    fc.record({ not_rule: tie('tree') }),
    fc.record({ and_rules: fc.record({ rules: fc.array(tie('tree'), { minLength: 1, maxLength: 3 }) }) }),
    fc.record({ or_rules: fc.record({ rules: fc.array(tie('tree'), { minLength: 1, maxLength: 3 }) }) }),
  ),
})).tree;

interface Tree {
  readonly any?: true;
  readonly destination_port?: number;
  readonly url_path?: object;
  readonly header?: object;
  readonly not_rule?: Tree;
  readonly and_rules?: { readonly rules: readonly Tree[] };
  readonly or_rules?: { readonly rules: readonly Tree[] };
}

/** The same, worked out the long way. */
function expected(tree: Tree, port: number, path: string, hasField: boolean): boolean {
  const nested = (given: Tree) => expected(given, port, path, hasField);
  if (tree.not_rule) return !nested(tree.not_rule);
  if (tree.and_rules) return tree.and_rules.rules.every(nested);
  if (tree.or_rules) return tree.or_rules.rules.some(nested);
  if (tree.destination_port !== undefined) return tree.destination_port === port;
  if (tree.url_path) return path === '/a';
  return tree.header ? hasField : true;
}

test('conditions that are answered in part by the connection give what they give as a whole', () => {
  fc.assert(
    fc.property(
      condition,
      fc.constantFrom(80, 81, 82),
      fc.constantFrom('/a', '/b'),
      fc.boolean(),
      (tree, port, path, has) => {
        const request = { path, headers: has ? ['x', '1'] : [], connection: { localPort: port } };
        assert.equal(fits({ p: policy(tree) }, request) === 'p', expected(tree, port, path, has));
      },
    ),
    { numRuns: 2000 },
  );
});
