import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { listener, listenerFiltersOf } from '../config/listener.ts';
import { Place } from '../config/schema.ts';
import { FilterChains } from './filter-chains.ts';
import { Opening } from './opening.ts';

const TYPES = 'type.googleapis.com/envoy.extensions.filters';
const TLS_INSPECTOR = {
  listener_filters: [{ name: 'tls', typed_config: { '@type': `${TYPES}.listener.tls_inspector.v3.TlsInspector` } }],
};
const TCP = {
  name: 'tcp',
  typed_config: { '@type': `${TYPES}.network.tcp_proxy.v3.TcpProxy`, stat_prefix: 'x', cluster: 'a' },
};

function parse(matches: readonly object[], more: object = TLS_INSPECTOR) {
  const place = new Place();
  const address = { socket_address: { address: '0.0.0.0', port_value: 80 } };
  const filter_chains = matches.map((match) => ({ filter_chain_match: match, filters: [TCP] }));
  const config = listener.parse({ address, filter_chains, ...more }, place);
  return { config, issues: place.issues.map(({ path, message }) => `${path}: ${message}`) };
}

function chainsOf(matches: Readonly<Record<string, object>>): FilterChains<string> {
  const { config, issues } = parse(Object.values(matches));
  assert.deepEqual(issues, []);
  const chains = new FilterChains<string>();
  for (const [index, name] of Object.keys(matches).entries()) {
    assert.equal(chains.add(config.filter_chains[index]?.filter_chain_match, name), true);
  }
  return chains;
}

function opening(fields: Partial<Opening>): Opening {
  const socket = new Socket();
  const made = Object.assign(
    new Opening(socket),
    { remoteHost: '10.0.0.9', localHost: '10.0.0.1', localPort: 80 },
    fields,
  );
  return Object.assign(made, { directRemoteHost: fields.directRemoteHost ?? made.remoteHost });
}

const range = (address_prefix: string, prefix_len: number) => ({ address_prefix, prefix_len });

test('a chain of the destination port is chosen, and no other is looked at again', () => {
  const chains = chainsOf({ all: {}, port: { destination_port: 81, transport_protocol: 'tls' } });
  assert.equal(chains.choose(opening({ localPort: 80 })), 'all');
  assert.equal(chains.choose(opening({ localPort: 81, transportProtocol: 'tls' })), 'port');
  assert.equal(chains.choose(opening({ localPort: 81 })), undefined);
});

test('the narrowest range of the destination is chosen', () => {
  const chains = chainsOf({
    all: {},
    ten: { prefix_ranges: [range('10.0.0.0', 8)] },
    narrow: { prefix_ranges: [range('10.1.0.0', 16), range('2001:db8::', 32)] },
    one: { prefix_ranges: [range('10.1.2.3', 32), range('2001:db8::1', 128)] },
    high: { prefix_ranges: [range('192.168.0.0', 16)] },
  });
  const cases = {
    '11.1.2.3': 'all',
    '10.2.0.1': 'ten',
    '10.1.0.1': 'narrow',
    '10.1.2.3': 'one',
    '192.168.7.7': 'high',
    '2001:db8::2': 'narrow',
    '2001:db8::1': 'one',
    '::1': 'all',
    '': 'all',
  };
  for (const [localHost, expected] of Object.entries(cases)) {
    assert.equal(chains.choose(opening({ localHost })), expected, localHost);
  }
});

test('the exact server name comes first, then the longest suffix', () => {
  const chains = chainsOf({
    all: {},
    exact: { server_names: ['a.b.example', 'example'] },
    long: { server_names: ['*.b.example'] },
    short: { server_names: ['*.Example'] },
  });
  const cases = {
    'a.b.example': 'exact',
    'c.b.example': 'long',
    'x.a.b.example': 'long',
    'b.example': 'short',
    example: 'exact',
    other: 'all',
  };
  for (const [serverName, expected] of Object.entries(cases)) {
    assert.equal(chains.choose(opening({ serverName, transportProtocol: 'tls' })), expected, serverName);
  }
  assert.equal(chains.choose(opening({})), 'all');
});

test('a server name that fits leaves the chains without one, whatever else they would fit', () => {
  const chains = chainsOf({
    any: { application_protocols: ['h2'] },
    named: { server_names: ['a'], transport_protocol: 'raw_buffer' },
  });
  const tls = { transportProtocol: 'tls', applicationProtocols: ['h2'] } as const;
  assert.equal(chains.choose(opening({ serverName: 'a', ...tls })), undefined);
  assert.equal(chains.choose(opening({ serverName: 'b', ...tls })), 'any');
});

test('protocols are chosen in the order of the client', () => {
  const chains = chainsOf({
    rest: {},
    h1: { application_protocols: ['http/1.1', 'http/1.0'] },
    h2: { application_protocols: ['h2', 'h2c'] },
  });
  assert.equal(chains.choose(opening({ applicationProtocols: ['x', 'h2', 'http/1.1'] })), 'h2');
  assert.equal(chains.choose(opening({ applicationProtocols: ['http/1.1', 'h2'] })), 'h1');
  assert.equal(chains.choose(opening({ applicationProtocols: ['h2c'] })), 'h2');
  assert.equal(chains.choose(opening({ applicationProtocols: ['x'] })), 'rest');
});

test('the peer, where the client is, its address and its port are asked for in this order', () => {
  const chains = chainsOf({
    peer: { direct_source_prefix_ranges: [range('172.16.0.0', 12)] },
    local: { source_type: 'SAME_IP_OR_LOOPBACK' },
    external: { source_type: 'EXTERNAL' },
    net: { source_type: 'EXTERNAL', source_prefix_ranges: [range('10.9.0.0', 16)] },
    ports: { source_type: 'EXTERNAL', source_prefix_ranges: [range('10.8.0.0', 16)], source_ports: [1, 2] },
  });
  assert.equal(chains.choose(opening({ directRemoteHost: '172.16.1.1' })), 'peer');
  assert.equal(chains.choose(opening({ remoteHost: '127.0.0.1' })), 'local');
  assert.equal(chains.choose(opening({ remoteHost: '127.0.0.3' })), 'external');
  assert.equal(chains.choose(opening({ remoteHost: '10.0.0.1' })), 'local');
  assert.equal(chains.choose(opening({ remoteHost: '' })), 'local');
  assert.equal(chains.choose(opening({})), 'external');
  assert.equal(chains.choose(opening({ remoteHost: '10.9.1.1' })), 'net');
  assert.equal(chains.choose(opening({ remoteHost: '10.8.1.1', remotePort: 2 })), 'ports');
  assert.equal(chains.choose(opening({ remoteHost: '10.8.1.1', remotePort: 3 })), undefined);
});

test('chains that match the same connections are refused', () => {
  const again = /^filter_chains\[1\]\.filter_chain_match: matches connections that another chain matches as well$/;
  const same: readonly (readonly [object, object])[] = [
    [{}, {}],
    [{ server_names: ['a', 'b'] }, { server_names: ['B'] }],
    [{ prefix_ranges: [range('10.1.2.3', 8)] }, { prefix_ranges: [range('10.0.0.0', 8)] }],
    [{ source_ports: [1, 2] }, { source_ports: [2, 3] }],
  ];
  for (const pair of same) {
    const { issues } = parse(pair);
    assert.equal(issues.length, 1);
    assert.match(issues[0] ?? '', again);
  }
});

test('what cannot be looked for, and what no connection has, is refused by its path', () => {
  const cases: readonly (readonly [object, object, RegExp])[] = [
    [{ server_names: ['a*b'] }, TLS_INSPECTOR, /server_names\[0\]: a\*b is not a server name/],
    [{ server_names: ['*'] }, TLS_INSPECTOR, /server_names\[0\]: \* is not a server name/],
    [{ suffix_len: 3 }, {}, /suffix_len: not supported/],
    [{ destination_port: 0 }, {}, /destination_port: must be from 1/],
    [{ prefix_ranges: [range('x', 3)] }, {}, /prefix_ranges\[0\]\.address_prefix: x is not an IP address/],
  ];
  for (const [match, more, expected] of cases) assert.match(parse([match], more).issues.join('\n'), expected);
});

test('chains that match what only the tls_inspector finds have it looked for, listed or not', () => {
  const filtersFor = (match: object, more: object = {}): readonly string[] => {
    const { config, issues } = parse([match], more);
    assert.deepEqual(issues, []);
    return listenerFiltersOf(config).map(({ typed_config: { type } }) => type);
  };
  for (const match of [{ server_names: ['a'] }, { application_protocols: ['h2c'] }, { transport_protocol: 'tls' }]) {
    assert.deepEqual(filtersFor(match), ['tls-inspector']);
    assert.deepEqual(filtersFor(match, TLS_INSPECTOR), ['tls-inspector']);
  }
  for (const match of [{}, { destination_port: 1 }, { transport_protocol: 'raw_buffer', application_protocols: ['a'] }])
    assert.deepEqual(filtersFor(match), []);
});

test('thousands of chains cost no more to look through than one', () => {
  const chains = new FilterChains<number>();
  const { config } = parse([{}]);
  const [{ filter_chain_match: empty } = { filter_chain_match: undefined }] = config.filter_chains;
  assert.ok(empty);
  for (let index = 0; index < 20_000; index++) {
    chains.add({ ...empty, server_names: [`s${index}.example`], transport_protocol: 'tls' }, index);
  }
  const asked = opening({ serverName: 's19999.example', transportProtocol: 'tls' });
  const started = performance.now();
  for (let index = 0; index < 10_000; index++) assert.equal(chains.choose(asked), 19_999);
  assert.ok(performance.now() - started < 5000);
});
