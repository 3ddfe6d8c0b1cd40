import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, xxHash64 } from '../cluster/balancing/hash64.ts';
import { hashPolicy } from '../config/hash-policy.ts';
import { Place } from '../config/schema.ts';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { compileHashPolicy } from './hash-policy.ts';
import { StreamInfo } from './stream-info.ts';
import { downstream } from './testing/downstream.ts';

interface Hashed {
  readonly hash: string | undefined;
  readonly cookies: readonly string[];
}

function hashed(policies: readonly object[], fields: readonly string[] = [], path = '/'): Hashed {
  const place = new Place();
  const policy = compileHashPolicy(policies.map((config) => hashPolicy.parse(config, place)));
  assert.deepEqual(place.issues, []);
  const cookies: string[] = [];
  const head = new RequestHead('GET', path, 'a.example', 'http', new HeaderList([...fields]));
  const info = new StreamInfo(downstream(), 0, 0);
  const hash = policy?.({ head, info, setCookie: (field) => void cookies.push(field) });
  return { hash: hash && hex(hash), cookies };
}

const of = (text: string): string => hex(xxHash64(text));
const header = (header_name: string, more: object = {}): object => ({ header: { header_name }, ...more });

test('nothing is hashed of what is not there', () => {
  const policies = [
    header('x-a'),
    { cookie: { name: 'c' } },
    { query_parameter: { name: 'q' } },
    { connection_properties: { source_ip: false } },
  ];
  assert.deepEqual(hashed(policies, ['cookie', 'd=1'], '/?r=1'), { hash: undefined, cookies: [] });
  assert.equal(compileHashPolicy([]), undefined);
});

test('headers are hashed by their values, whatever their order', () => {
  assert.equal(hashed([header('X-A')], ['x-a', 'one']).hash, of('one'));
  assert.equal(hashed([header(':authority')]).hash, of('a.example'));
  const both = hashed([header('x-a')], ['x-a', 'one', 'x-b', '', 'x-a', 'two']).hash;
  assert.equal(both, hashed([header('x-a')], ['x-a', 'two', 'x-a', 'one']).hash);
  assert.equal(both, hex(xxHash64('two', xxHash64('one'))));
});

test('cookies, parameters and addresses are hashed', () => {
  assert.equal(hashed([{ cookie: { name: 'c' } }], ['cookie', 'b=1; c="two"; c=three']).hash, of('two'));
  assert.equal(hashed([{ query_parameter: { name: 'q' } }], [], '/?p=1&q=a%20b&q=c').hash, of('a%20b'));
  assert.equal(hashed([{ connection_properties: { source_ip: true } }]).hash, of('10.0.0.9'));
});

test('a cookie is made where one may be, the same for all requests of a connection', () => {
  const cookie = {
    name: 'c',
    ttl: '90s',
    path: '/p',
    attributes: [{ name: 'SameSite', value: 'Lax' }, { name: 'Secure' }],
  };
  const value = of('10.0.0.9:500010.0.0.1:80');
  assert.deepEqual(hashed([{ cookie }]), {
    hash: of(value),
    cookies: [`c="${value}"; Max-Age=90; Path=/p; SameSite=Lax; Secure; HttpOnly`],
  });
  assert.deepEqual(hashed([{ cookie: { name: 'c', ttl: '0s' } }]).cookies, [`c="${value}"; HttpOnly`]);
  assert.deepEqual(hashed([{ cookie }], ['cookie', `c=${value}`]), { hash: of(value), cookies: [] });
});

test('several are mixed in their order, up to one that is enough', () => {
  const fields = ['x-a', '1', 'x-b', '2'];
  const mixed = hashed([header('x-a'), header('x-b')], fields).hash;
  assert.notEqual(mixed, hashed([header('x-b'), header('x-a')], fields).hash);
  assert.equal(hashed([header('x-a', { terminal: true }), header('x-b')], fields).hash, of('1'));
  assert.equal(hashed([header('x-c', { terminal: true }), header('x-b')], fields).hash, of('2'));
  assert.notEqual(hashed([header('x-a'), header('x-a')], fields).hash, undefined);
});
