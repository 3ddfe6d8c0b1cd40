import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Place } from '../../config/schema.ts';
import { jwtAuthentication, jwtPerRoute } from './schema.ts';
import { Issuer } from './testing/issuer.ts';

const local = { local_jwks: { inline_string: new Issuer().jwks } };
const http_uri = { uri: 'http://a/keys', cluster: 'c', timeout: '1s' };

function refusals(given: object): readonly string[] {
  const place = new Place();
  jwtAuthentication.parse(given, place);
  return place.issues.map(({ path, message }) => `${path}: ${message}`);
}

const provider = (fields: object): object => ({ providers: { a: fields } });
const match = { prefix: '/' };

const REFUSED: readonly (readonly [given: object, issue: RegExp])[] = [
  [provider({}), /^providers\["a"\]: needs remote_jwks or local_jwks$/],
  [provider({ local_jwks: { inline_string: '{}' } }), /local_jwks: holds no keys: Jwks does not have \[keys\] field$/],
  [provider({ remote_jwks: {} }), /remote_jwks\.http_uri: is needed here/],
  [provider({ remote_jwks: { http_uri: { ...http_uri, uri: 'nowhere' } } }), /http_uri\.uri: nowhere is not a URI$/],
  [provider({ remote_jwks: { http_uri, retry_policy: { retry_on: '5xx' } } }), /retry_policy\.retry_on: not supported/],
  [provider({ ...local, from_headers: [{}] }), /from_headers\[0\]\.name: must not be empty$/],
  [provider({ ...local, forward_payload_header: 'a b' }), /forward_payload_header: "a b" is not a field/],
  [provider({ ...local, forward_payload_header: 'Host' }), /forward_payload_header: "Host" is not a field/],
  [
    provider({ ...local, claim_to_headers: [{ header_name: 'content-length', claim_name: 'a' }] }),
    /header_name: "content-length" is not/,
  ],
  [
    provider({ ...local, claim_to_headers: [{ header_name: 'x' }] }),
    /claim_to_headers\[0\]: needs either claim_name or claim_path$/,
  ],
  [
    { rules: [{ match, requires: { provider_name: 'b' } }] },
    /^rules\[0\]\.requires: the provider "b" is not one of providers$/,
  ],
  [{ rules: [{ match, requirement_name: 'b' }] }, /^rules\[0\]\.requirement_name: b is not one of requirement_map$/],
  [{ rules: [{ requires: {} }] }, /^rules\[0\]\.match: is needed here$/],
  [
    { requirement_map: { m: { provider_and_audiences: { provider_name: 'b' } } } },
    /^requirement_map\["m"\]: the provider "b"/,
  ],
  [
    { rules: [{ match, requires: { requires_any: { requirements: [{}] } } }] },
    /requires_any\.requirements: must have at least 2 entries$/,
  ],
  [
    { rules: [{ match, requires: { extract_only_without_validation: {} } }] },
    /extract_only_without_validation: not supported/,
  ],
  [{ filter_state_rules: {} }, /^filter_state_rules: not supported/],
];

test('what cannot be honoured is refused with its path', () => {
  for (const [given, issue] of REFUSED) assert.match(refusals(given)[0] ?? 'nothing', issue);
});

test('what is honoured is taken', () => {
  const requirements = [{ provider_name: 'a' }, { allow_missing_or_failed: {} }];
  assert.deepEqual(
    refusals({
      providers: {
        a: local,
        b: {
          remote_jwks: { http_uri, async_fetch: { failed_refetch_duration: '2s' }, retry_policy: { num_retries: 3 } },
        },
      },
      rules: [{ match, requires: { requires_any: { requirements } } }, { match }],
    }),
    [],
  );
});

test('a route says something', () => {
  for (const [given, issues] of [
    [{}, 1],
    [{ disabled: true }, 0],
    [{ requirement_name: 'a' }, 0],
  ] as const) {
    const place = new Place();
    jwtPerRoute.parse(given, place);
    assert.equal(place.issues.length, issues);
  }
});
