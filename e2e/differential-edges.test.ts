/** Who the client is taken for, and what is told of it on: the same through Weft's proxy and through the real Envoy. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differenceText } from './proxy-testing/difference.ts';
import { outcome, startPair } from './proxy-testing/pair.ts';
import { httpText } from './proxy-testing/wire.ts';

interface EdgeCase {
  readonly name: string;
  readonly listener: string;
  readonly host?: string;
  readonly path?: string;
  readonly fields?: readonly string[];
}

const forwardedFor = (value: string): readonly string[] => [`X-Forwarded-For: ${value}`];
const realIp = (value: string): string => `X-Real-IP: ${value}`;

const CASES: readonly EdgeCase[] = [
  { name: 'the last proxy that is not trusted', listener: 'xff', fields: forwardedFor('1.2.3.4, 10.0.0.1') },
  { name: 'proxies that are all trusted', listener: 'xff', fields: forwardedFor('10.0.0.2, 10.0.0.1') },
  { name: 'no address among them', listener: 'xff', fields: forwardedFor('10.0.0.2, bad, 10.0.0.1') },
  { name: 'no address before one', listener: 'xff', fields: forwardedFor('bad, 1.2.3.4') },
  { name: 'no X-Forwarded-For', listener: 'xff' },
  { name: 'Via of somebody else', listener: 'xff', fields: ['Via: 1.0 other'] },
  { name: 'a port that was told', listener: 'xff', fields: ['X-Forwarded-Port: 7'] },
  { name: 'a dot at the end', listener: 'xff', host: 'any.test.' },
  { name: 'a dot before the port', listener: 'xff', host: 'any.test.:80' },
  { name: 'an address with dots', listener: 'hops', host: '127.0.0.1:80' },
  {
    name: 'a header in place of X-Forwarded-For',
    listener: 'hops',
    fields: [realIp('1.2.3.4'), ...forwardedFor('5.5.5.5')],
  },
  { name: 'an address of the mesh', listener: 'hops', fields: [realIp('192.168.1.1'), 'X-Envoy-Max-Retries: 3'] },
  { name: 'the address before the last', listener: 'hops', fields: forwardedFor('5.5.5.5, 6.6.6.6') },
  { name: 'no address before the last', listener: 'hops', fields: forwardedFor('5.5.5.5') },
  { name: 'a list in the header', listener: 'hops', fields: [realIp('1.2.3.4, 5.6.7.8')] },
  { name: 'a scheme that was told', listener: 'hops', fields: ['X-Forwarded-Proto: http'] },
  { name: 'a client that must be recognized', listener: 'required', fields: [realIp('nonsense')] },
  {
    name: 'a client that was recognized',
    listener: 'required',
    fields: [realIp('192.168.1.1'), 'X-Envoy-Max-Retries: 3'],
  },
  { name: 'a port that is not believed', listener: 'remote', fields: ['X-Forwarded-Port: 99'] },
  { name: 'a host for TLS alone', listener: 'remote', host: 'secured.test', path: '/x?y=1' },
  { name: 'a host for TLS alone and a port', listener: 'remote', host: 'secured.test:80' },
  { name: 'TLS that was ended before', listener: 'xff', host: 'secured.test', fields: ['X-Forwarded-Proto: https'] },
  { name: 'TLS for those outside, and one inside', listener: 'remote', host: 'outside.test', path: '/only' },
  {
    name: 'TLS for those outside',
    listener: 'remote',
    host: 'outside.test',
    path: '/only',
    fields: forwardedFor('8.8.8.8'),
  },
  { name: 'TLS for those outside where there is no route', listener: 'xff', host: 'outside.test' },
  { name: 'no route where TLS was', listener: 'hops', host: 'outside.test' },
];

test('clients, schemes and names at the edge are alike', async (t) => {
  const sides = await startPair(t, 'http-edges.yaml', [10081]);
  const wrong: string[] = [];
  for (const { name, listener, host = 'any.test', path = '/', fields = [] } of CASES) {
    const bytes = httpText(`GET ${path} HTTP/1.1`, [`Host: ${host}`, ...fields]);
    const [ours, theirs] = await Promise.all(sides.map((side) => outcome(side, bytes, { answers: 1 }, listener)));
    const difference = differenceText(ours, theirs);
    if (difference !== '') wrong.push(`${name}\n${difference}`);
  }
  assert.equal(wrong.length, 0, wrong.join('\n\n'));
});
