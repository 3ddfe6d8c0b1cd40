import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AddressPair, proxyHeader } from './proxy-header.ts';

const pair = (remoteHost: string, localHost: string): AddressPair => {
  return { remoteHost, remotePort: 40_000, localHost, localPort: 443 };
};
const own = pair('10.9.9.9', '10.8.8.8');
const V4 = pair('192.168.0.1', '10.0.0.255');
const V6 = pair('2001:db8::1', '::1');
const SIGNATURE = '0d0a0d0a000d0a515549540a';

test('version 1 is one line of text', () => {
  assert.equal(proxyHeader('V1', V4, own).toString(), 'PROXY TCP4 192.168.0.1 10.0.0.255 40000 443\r\n');
  assert.equal(proxyHeader('V1', V6, own).toString(), 'PROXY TCP6 2001:db8::1 ::1 40000 443\r\n');
});

test('version 2 is bytes, as many as it says', () => {
  const v4 = `${SIGNATURE}2111000cc0a800010a0000ff9c4001bb`;
  assert.equal(proxyHeader('V2', V4, own).toString('hex'), v4);
  const addresses = `20010db8${'0'.repeat(23)}1${'0'.repeat(31)}1`;
  assert.equal(proxyHeader('V2', V6, own).toString('hex'), `${SIGNATURE}21210024${addresses}9c4001bb`);
});

test('where there is no client, version 1 tells of the connection and version 2 of nobody', () => {
  assert.equal(proxyHeader('V1', undefined, own).toString(), 'PROXY TCP4 10.9.9.9 10.8.8.8 40000 443\r\n');
  assert.equal(proxyHeader('V2', undefined, own).toString('hex'), `${SIGNATURE}20000000`);
});

test('clients without addresses, or with those of two families, are not made up', () => {
  for (const client of [pair('', ''), pair('10.0.0.1', '::1')]) {
    assert.equal(proxyHeader('V1', client, own).toString(), 'PROXY UNKNOWN\r\n');
    assert.equal(proxyHeader('V2', client, own).toString('hex'), `${SIGNATURE}20000000`);
  }
});
