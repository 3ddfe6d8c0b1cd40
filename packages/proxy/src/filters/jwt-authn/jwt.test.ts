import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ALGORITHMS, type AlgorithmName } from './algorithms.ts';
import { parseObject } from './json.ts';
import { type KeySet, parseJwks } from './jwks.ts';
import { checkTime, decodeBase64url, type Jwt, parseJwt } from './jwt.ts';
import { type JwtStatus, statusText } from './status.ts';
import { Issuer } from './testing/issuer.ts';
import { verifySignature } from './verify.ts';

const issuer = new Issuer();
const keys = read(issuer.jwks);
const KEY_IDS: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521', EdDSA: 'OKP' };
const idOf = (algorithm: AlgorithmName): string => KEY_IDS[algorithm] ?? ALGORITHMS[algorithm].keyType;

function read(jwks: string): KeySet {
  const set = parseJwks(Buffer.from(jwks));
  if (typeof set === 'string') throw new Error(set);
  return set;
}

function outcome(token: string, set: KeySet = keys): JwtStatus {
  const jwt = parseJwt(token);
  return typeof jwt === 'string' ? jwt : verifySignature(jwt, set);
}

const names = Object.keys(ALGORITHMS) as AlgorithmName[];

test('tokens of every algorithm are believed, and not when a byte is another', () => {
  for (const alg of names) {
    const token = issuer.token({ sub: 'a' }, { alg, kid: idOf(alg) });
    assert.equal(outcome(token), 'ok', alg);
    const [header, , signature] = token.split('.');
    const other = Buffer.from(JSON.stringify({ sub: 'b' })).toString('base64url');
    assert.equal(outcome(`${header}.${other}.${signature}`), 'verification-fail', alg);
    assert.notEqual(outcome(`${token.slice(0, -8)}AAAAAAAA`), 'ok', alg);
  }
});

test('a key is used with algorithms of its own kind alone', () => {
  for (const alg of names) {
    for (const other of names) {
      if (idOf(alg) === idOf(other)) continue;
      assert.notEqual(outcome(issuer.token({}, { alg, kid: idOf(other) })), 'ok', `${alg} with the key of ${other}`);
    }
  }
});

test('a public key is no secret: a token that is signed with its text is not believed', () => {
  for (const format of ['pem', 'der'] as const) {
    const text = issuer.rsa.publicKey.export({ type: 'spki', format });
    for (const header of [{ alg: 'HS256', kid: 'RSA' }, { alg: 'HS256' }]) {
      const data = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.e30`;
      assert.notEqual(outcome(`${data}.${createHmac('sha256', text).update(data).digest('base64url')}`), 'ok');
    }
  }
});

test('tokens without a signature, or with extensions that must be understood, are refused', () => {
  for (const alg of ['none', 'None', 'NONE', '', 'RS1', 'HS257', '__proto__', 'toString']) {
    assert.equal(outcome(issuer.token({}, { alg })), 'header-alg-unknown', alg);
  }
  assert.equal(outcome('eyJhbGciOiJub25lIn0.e30.'), 'bad-format');
  assert.equal(outcome(issuer.token({}, { alg: 'RS256', crit: ['b64'], b64: false })), 'verification-fail');
});

test('a key is chosen by its id and its algorithm', () => {
  assert.equal(outcome(issuer.token({}, { alg: 'RS256', kid: 'other' })), 'no-key-matches');
  assert.equal(outcome(issuer.token({}, { alg: 'RS256' })), 'ok');
  const [rsa] = issuer.keys;
  const only512 = read(JSON.stringify({ keys: [{ ...rsa, alg: 'RS512' }] }));
  assert.equal(outcome(issuer.token({}, { alg: 'RS256' }), only512), 'no-key-matches');
  assert.equal(outcome(issuer.token({}, { alg: 'RS512' }), only512), 'ok');
  const unnamed = read(JSON.stringify({ keys: [{ ...rsa, kid: undefined }] }));
  assert.equal(outcome(issuer.token({}, { alg: 'RS256', kid: 'any' }), unnamed), 'ok');
});

const CLAIMS: readonly (readonly [claims: object | string, status: JwtStatus | 'read'])[] = [
  [{}, 'read'],
  [{ iss: 1 }, 'payload-iss'],
  [{ sub: null }, 'payload-sub'],
  [{ jti: [] }, 'payload-jti'],
  [{ iat: '1' }, 'payload-iat'],
  [{ nbf: -1 }, 'payload-nbf-range'],
  [{ exp: 1e30 }, 'payload-exp-range'],
  [{ exp: null }, 'payload-exp'],
  [{ exp: 1.5 }, 'read'],
  [{ aud: 1 }, 'payload-aud'],
  [{ aud: ['a', 1] }, 'payload-aud'],
  [{ aud: [] }, 'read'],
  ['[]', 'payload-json'],
  ['null', 'payload-json'],
  ['{} {}', 'payload-json'],
  ["{'iss':'a'}", 'payload-json'],
  ['{"iss":"a","iss":"b"}', 'payload-json'],
  ['{"iss":"a","\\u0069ss":"b"}', 'payload-json'],
  ['{"a":{"b":1,"b" :2}}', 'payload-json'],
  ['{"a":[{"b":"b"},{"b":"\\"b\\":"}]}', 'read'],
  ['{"a":"\\ud800"}', 'payload-json'],
  ['{"\\udc00":1}', 'payload-json'],
  ['{"a":"\\ud83d\\ude00"}', 'read'],
  ['{"a":1e400}', 'payload-json'],
  ['{"a":[-1e999]}', 'payload-json'],
  ['{"a":[-1.5e-3,0,12]}', 'read'],
  [`${'{"a":'.repeat(101)}1${'}'.repeat(101)}`, 'payload-json'],
  [`{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 'payload-json'],
];

test('what claims say is read in one way, or not at all', () => {
  for (const [claims, status] of CLAIMS) {
    const jwt = parseJwt(issuer.token(claims));
    assert.equal(typeof jwt === 'string' ? jwt : 'read', status, JSON.stringify(claims).slice(0, 100));
  }
  const invalidText = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
  assert.equal(parseObject(invalidText), undefined);
});

test('a token has one spelling', () => {
  const token = issuer.token({});
  const [header = '', payload = '', signature = ''] = token.split('.');
  for (const [text, status] of [
    ['', 'bad-format'],
    ['a.b', 'bad-format'],
    ['a..b', 'bad-format'],
    [`${token}.`, 'bad-format'],
    [`${header}==.${payload}.${signature}`, 'header-base64'],
    [`${header}.${payload}=.${signature}`, 'payload-base64'],
    [`${token}==`, 'signature-base64'],
    [`${token} `, 'signature-base64'],
    [`${token.slice(0, -1)}B`, 'signature-base64'],
    [`${header}.${payload}.+/+/`, 'signature-base64'],
    [`*.${payload}.${signature}`, 'header-base64'],
  ] as const) {
    assert.equal(outcome(text), status, text.slice(-20));
  }
});

test('base64url is taken in its one form', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64url');
      assert.deepEqual(decodeBase64url(text), Buffer.from(bytes));
    }),
  );
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), (text) => {
      const decoded = decodeBase64url(text);
      if (decoded) assert.equal(decoded.toString('base64url'), text);
    }),
  );
});

const token = issuer.token({ iss: 'a', aud: ['b'], exp: 5, groups: ['x'] });

test('no text breaks the reader, and none but the token itself is believed', () => {
  const character = fc.constantFrom(...'abAB01-_.=+/{}"\\ \u0000é');
  const changed = fc
    .tuple(fc.nat(token.length), fc.nat(4), fc.string({ unit: character, maxLength: 4 }))
    .map(([at, remove, add]) => token.slice(0, at) + add + token.slice(at + remove));
  fc.assert(
    fc.property(fc.oneof(changed, fc.string({ unit: character }), fc.string()), (text) => {
      const status = outcome(text);
      assert.ok(statusText(status) !== '');
      if (text !== token) assert.notEqual(status, 'ok');
    }),
    { numRuns: 5000 },
  );
});

test('claims of any shape are read as JSON has them, or refused', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (claims) => {
      const text = JSON.stringify(claims);
      assert.deepEqual(parseObject(Buffer.from(text)), JSON.parse(text));
    }),
    { numRuns: 1000 },
  );
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), (claims) => {
      const text = JSON.stringify(claims);
      const [first] = Object.keys(claims);
      const twice = `${text.slice(0, -1)},${JSON.stringify(first)}:1}`;
      assert.equal(parseObject(Buffer.from(twice)), undefined);
    }),
  );
});

test('times hold with the skew, on both sides', () => {
  const at = (claims: object, nowS: number) => checkTime(parseJwt(issuer.token(claims)) as Jwt, nowS, 60);
  assert.equal(at({ exp: 1000 }, 1060), 'ok');
  assert.equal(at({ exp: 1000 }, 1061), 'expired');
  assert.equal(at({ exp: 0 }, 1000), 'expired');
  assert.equal(at({ nbf: 1000 }, 940), 'ok');
  assert.equal(at({ nbf: 1000 }, 939), 'not-yet-valid');
  assert.equal(at({}, 1e9), 'ok');
});

test('sets of keys keep what can be used, and say why nothing can', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 512 }).publicKey.export({ format: 'jwk' });
  const [rsa, p256, , , okp, oct] = issuer.keys;
  const unusable = [
    null,
    [],
    1,
    {},
    { kty: 'X' },
    { ...rsa, n: undefined },
    { ...rsa, n: '*' },
    { ...rsa, alg: 'ES256' },
    { ...rsa, alg: 'none' },
    { ...p256, crv: 'P-384' },
    { ...p256, crv: 'secp256k1' },
    { ...p256, y: p256?.x },
    { ...p256, alg: 'ES384' },
    { ...okp, crv: 'X25519' },
    { ...oct, k: '' },
    small,
  ];
  for (const key of unusable) {
    assert.equal(
      parseJwks(Buffer.from(JSON.stringify({ keys: [key] }))),
      "Jwks doesn't have any valid public key",
      JSON.stringify(key),
    );
  }
  assert.equal(read(JSON.stringify({ keys: [...unusable, rsa] })).length, 1);
  assert.equal(parseJwks(Buffer.from('{')), 'Jwks is an invalid JSON');
  assert.equal(parseJwks(Buffer.from('{}')), 'Jwks does not have [keys] field');
  assert.equal(parseJwks(Buffer.from('{"a":"b"}')), 'Jwks does not have [keys] field');
  assert.equal(parseJwks(Buffer.from('{"keys":{}}')), '[keys] in Jwks is not an array');
});
