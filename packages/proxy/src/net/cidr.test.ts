import assert from 'node:assert/strict';
import { BlockList, isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipRange } from './cidr.ts';

test('a range holds the addresses that share its first bits', () => {
  for (const [address, length, inside, outside] of [
    ['10.1.0.0', 16, ['10.1.0.0', '10.1.255.255', '::ffff:10.1.2.3'], ['10.2.0.0', '9.255.255.255', '::a01:0']],
    ['255.255.255.255', 32, ['255.255.255.255'], ['255.255.255.254']],
    ['255.0.0.0', 40, ['255.0.0.0'], ['255.0.0.1']],
    ['1.2.3.4', 0, ['0.0.0.0', '255.255.255.255'], ['::', '']],
    ['2001:db8::', 32, ['2001:db8:ffff::1', '2001:DB8::'], ['2001:db9::', '32.1.13.184']],
    ['::1', 128, ['::1', '0:0:0:0:0:0:0:1', '::0.0.0.1'], ['::2', '::1:0:1']],
    ['fe80::', 10, ['fe80::1%lo', 'febf::1'], ['fec0::1']],
    ['::', 0, ['::', 'ffff::'], ['1.2.3.4']],
  ] as const) {
    const range = ipRange(address, length);
    for (const given of inside) assert.equal(range?.contains(given), true, `${given} in ${address}/${length}`);
    for (const given of [...outside, 'x', '1.2.3', '999.1.1.1', '1:2', '']) {
      assert.equal(range?.contains(given), false, `${given} in ${address}/${length}`);
    }
  }
  for (const text of ['', 'x', '1.2.3', '1.2.3.4/8', '01.2.3.4', '1::2::3']) assert.equal(ipRange(text, 8), undefined);
});

test('ranges are those of the platform', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV6(), fc.ipV4()), fc.oneof(fc.ipV6(), fc.ipV4()), fc.nat(128), (address, given, bits) => {
      const isV6 = isIPv6(address);
      const length = isV6 ? bits : bits % 33;
      const list = new BlockList();
      list.addSubnet(address, length, isV6 ? 'ipv6' : 'ipv4');
      const expected = isIPv6(given) === isV6 && list.check(given, isV6 ? 'ipv6' : 'ipv4');
      // An IPv4 address in IPv6's form is one of IPv4 here.
      fc.pre(!/^::ffff:[\d.]*$/i.test(given) && !/^(0*:)*:?ffff:/i.test(given));
      assert.equal(ipRange(address, length)?.contains(given), expected, `${given} in ${address}/${length}`);
    }),
    { numRuns: 2000 },
  );
});
