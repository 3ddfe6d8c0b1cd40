import assert from 'node:assert/strict';
import { SocketAddress } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { readProxyHeader } from '../listener/filters/proxy-protocol/header.ts';
import { proxyHeader } from './proxy-header.ts';

const port = fc.nat(65_535);
/** Nobody's connection comes from, or goes to, all addresses or a group of them. */
const v4 = fc.ipV4().filter((address) => !/^(?:0\.|22[4-9]|23\d|255)/.test(address));
const v6 = fc
  .ipV6()
  .map(canonical)
  .filter((address) => address !== '::' && !address.startsWith('ff'));
const addresses = fc.oneof(fc.tuple(v4, v4), fc.tuple(v6, v6));

function canonical(address: string): string {
  return new SocketAddress({ address, family: 'ipv6' }).address;
}

test('what is told to an upstream of a client is what a listener makes of it, however it is cut', () => {
  const version = fc.constantFrom('V1' as const, 'V2' as const);
  fc.assert(
    fc.property(version, addresses, port, port, fc.uint8Array({ maxLength: 30 }), (given, ends, from, to, after) => {
      const [remoteHost, localHost] = ends;
      const client = { remoteHost, remotePort: from, localHost, localPort: to };
      const header = proxyHeader(given, client, client);
      const read = readProxyHeader(Buffer.concat([header, after]));
      assert.deepEqual(read, {
        ...read,
        type: 'header',
        length: header.length,
        connection: { source: { host: remoteHost, port: from }, destination: { host: localHost, port: to } },
      });
      for (let length = 0; length < header.length; length++) {
        const { type } = readProxyHeader(header.subarray(0, length));
        assert.notEqual(type, 'header', `after ${length} of ${header.length} bytes`);
        assert.notEqual(type, 'wrong', `after ${length} of ${header.length} bytes`);
      }
    }),
    { numRuns: 300, interruptAfterTimeLimit: 5000 },
  );
});
