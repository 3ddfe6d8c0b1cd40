import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Place } from '../../config/schema.ts';
import { StreamInfo } from '../../stack/stream-info.ts';
import { downstream } from '../../stack/testing/downstream.ts';
import { forward } from '../../stack/testing/proxied.ts';
import { Filtered, type FilteredOptions } from '../testing/filtered.ts';
import { mutateQuery } from './query.ts';
import { headerMutationFilter } from './schema.ts';

const TYPE = 'filters.http.header_mutation.v3.HeaderMutation';

const serve = (mutations: object, options?: FilteredOptions, more: object = {}): Promise<Filtered> =>
  Filtered.serve([{ name: 'hm', type: TYPE, mutations, ...more }], options);

const add = (key: string, value: string, append_action?: string, more: object = {}): object => ({
  append: { header: { key, value }, ...(append_action && { append_action }), ...more },
});
const lines = (text: string, pattern: RegExp): readonly string[] =>
  text.split('\r\n').filter((line) => pattern.test(line));

test('fields of requests are added, replaced and removed, in the order of the list', async () => {
  await using served = await serve({
    request_mutations: [
      add('x-a', '2'),
      add('x-b', '9', 'OVERWRITE_IF_EXISTS'),
      add('x-c', '9', 'OVERWRITE_IF_EXISTS'),
      add('x-d', '1', 'ADD_IF_ABSENT'),
      add('x-path', '%REQ(:PATH)%'),
      add('x-none', '%REQ(x-none)%'),
      add('x-empty', '', undefined, { keep_empty_value: true }),
      { remove: 'X-Gone' },
      { remove_on_match: { key_matcher: { prefix: 'x-secret-' } } },
    ],
  });
  const fields = ['x-a: 1', 'x-b: 1', 'x-gone: 1', 'x-secret-a: 1', 'x-secret-b: 1', 'x-secret: 1'];
  await served.ask({ path: '/p', fields });
  assert.deepEqual(lines(served.upstream.received.join(''), /^x-(?!envoy|forwarded|request-id)/).toSorted(), [
    'x-a: 1',
    'x-a: 2',
    'x-b: 9',
    'x-d: 1',
    'x-empty: ',
    'x-path: /p',
    'x-secret: 1',
  ]);
});

test('responses are changed, those of the proxy itself and of filters before it among them', async () => {
  const response_mutations = [add('x-r', 'yes'), { remove: 'x-up' }];
  await using served = await serve({ response_mutations }, { answer: 'HTTP/1.1 204 No Content\r\nx-up: 1\r\n\r\n' });
  assert.deepEqual(lines(await served.ask(), /^x-(r|up):/), ['x-r: yes']);
  const all = { numerator: 100 };
  const fault = { name: 'f', type: 'filters.http.fault.v3.HTTPFault', abort: { http_status: 503, percentage: all } };
  await using early = await Filtered.serve([
    fault,
    { name: 'hm', type: TYPE, ...{ mutations: { response_mutations } } },
  ]);
  assert.deepEqual(lines(await early.ask(), /^x-r:/), ['x-r: yes']);
});

test('trailers of requests and responses are changed, where there are any', async () => {
  const mutations = {
    request_trailers_mutations: [add('x-t', 'on the way')],
    response_trailers_mutations: [add('x-t', 'back'), { remove: 'x-sum' }],
  };
  const answer = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-sum: 1\r\n\r\n';
  await using served = await serve(mutations, {
    answer,
    manager: { http_protocol_options: { enable_trailers: true } },
    cluster: {
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          explicit_http_config: { http_protocol_options: { enable_trailers: true } },
        },
      },
    },
  });
  const lines = ['POST / HTTP/1.1', 'Host: a', 'Connection: close', 'TE: trailers', 'Transfer-Encoding: chunked'];
  const got = await served.proxied.ask(`${lines.join('\r\n')}\r\n\r\n0\r\nx-old: 1\r\n\r\n`);
  assert.match(got, /\r\n0\r\nx-t: back\r\n\r\n$/);
  assert.match(served.upstream.received.join(''), /\r\n0\r\nx-old: 1\r\nx-t: on the way\r\n\r\n$/);
});

test('what routes say comes after, the most specific first or last', async () => {
  const type = `type.googleapis.com/envoy.extensions.${TYPE}PerRoute`;
  const level = (value: string) => ({
    typed_per_filter_config: {
      hm: { '@type': type, mutations: { request_mutations: [add('x-a', value, 'OVERWRITE_IF_EXISTS_OR_ADD')] } },
    },
  });
  const given = forward({}, level('route')) as { virtual_hosts: object[] };
  const routeConfig = { virtual_hosts: given.virtual_hosts.map((host) => ({ ...host, ...level('host') })) };
  const own = { request_mutations: [add('x-a', 'own'), add('x-b', 'own')] };
  for (const [wins, expected] of [
    [false, 'host'],
    [true, 'route'],
  ] as const) {
    await using served = await serve(own, { routeConfig }, { most_specific_header_mutations_wins: wins });
    await served.ask();
    assert.deepEqual(lines(served.upstream.received.join(''), /^x-[ab]:/), [`x-a: ${expected}`, 'x-b: own']);
  }
});

test('parameters of the query are changed, and the others stay as they were written', () => {
  const info = new StreamInfo(downstream(), 0, 0);
  const place = new Place();
  const { query } = headerMutationFilter.parse(
    {
      mutations: {
        query_parameter_mutations: [
          { remove: 'gone' },
          { append: { record: { key: 'add', value: 'a b&c' } } },
          { append: { record: { key: 'b', value: 'new' }, action: 'OVERWRITE_IF_EXISTS' } },
          { append: { record: { key: 'absent', value: '1' }, action: 'OVERWRITE_IF_EXISTS' } },
          { append: { record: { key: 'd', value: 'ä' }, action: 'OVERWRITE_IF_EXISTS_OR_ADD' } },
          { append: { record: { key: 'e', value: '1' }, action: 'ADD_IF_ABSENT' } },
        ],
      },
    },
    place,
  ).own;
  assert.deepEqual(place.issues, []);
  const changed = (path: string): string => mutateQuery(path, query, info);
  const added = 'add=a%20b%26c';
  assert.equal(changed('/p'), `/p?${added}&d=%C3%A4&e=1`);
  assert.equal(changed('/p?'), `/p?${added}&d=%C3%A4&e=1`);
  assert.equal(changed('/p?b=1&x=%26&b=2&e'), `/p?b=new&x=%26&e&${added}&d=%C3%A4`);
  assert.equal(changed('/p?%67one=1&gone&goner'), `/p?goner&${added}&d=%C3%A4&e=1`);
});

test('what cannot be changed is refused with its path', () => {
  const issues = (mutations: object): string => {
    const place = new Place();
    headerMutationFilter.parse({ mutations }, place);
    return place.issues.map(({ path, message }) => `${path}: ${message}`).join('\n');
  };
  assert.match(
    issues({ request_mutations: [add(':path', '/')] }),
    /^mutations.request_mutations\[0\].append.header.key: :path may not/,
  );
  assert.match(
    issues({ response_mutations: [{ remove: 'host' }] }),
    /^mutations.response_mutations\[0\].remove: host may not/,
  );
  assert.match(issues({ request_mutations: [{}] }), /needs one of append, remove, remove_on_match/);
  assert.match(issues({ response_trailers_mutations: [{ remove: ':a' }] }), /response_trailers_mutations\[0\].remove/);
  assert.match(
    issues({ query_parameter_mutations: [{ append: { record: { key: 'a', value: 1 } } }] }),
    /must be a text/,
  );
});
