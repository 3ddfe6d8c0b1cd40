import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readProxyHeader, V2_SIGNATURE } from './header.ts';

const v4 = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 1, 187]);

function v2(versionAndCommand: number, family: number, body: Buffer, length = body.length): Buffer {
  return Buffer.concat([V2_SIGNATURE, Buffer.from([versionAndCommand, family, length >> 8, length & 255]), body]);
}

function typeOf(bytes: string | Buffer): string {
  return readProxyHeader(Buffer.from(bytes as string, 'latin1')).type;
}

function connectionOf(bytes: string | Buffer): unknown {
  const header = readProxyHeader(Buffer.from(bytes as string, 'latin1'));
  return header.type === 'header' ? header.connection : header.type;
}

const ends = (source: string, sourcePort: number, destination: string, destinationPort: number) => ({
  source: { host: source, port: sourcePort },
  destination: { host: destination, port: destinationPort },
});

test('headers of both versions tell whose connection it is', () => {
  assert.deepEqual(connectionOf('PROXY TCP4 1.2.3.4 5.6.7.8 10 20\r\n'), ends('1.2.3.4', 10, '5.6.7.8', 20));
  assert.deepEqual(connectionOf('PROXY TCP6 2001:DB8::1 ::2 0 65535\r\n'), ends('2001:db8::1', 0, '::2', 65_535));
  assert.equal(connectionOf('PROXY UNKNOWN\r\n'), undefined);
  assert.equal(connectionOf('PROXY UNKNOWN whatever it says\r\n'), undefined);
  assert.deepEqual(connectionOf(v2(0x21, 0x11, v4)), ends('1.2.3.4', 80, '5.6.7.8', 443));
  const v6 = Buffer.concat([
    Buffer.alloc(15),
    Buffer.from([1]),
    Buffer.from([0x20, 1]),
    Buffer.alloc(14, 1),
    v4.subarray(8),
  ]);
  assert.deepEqual(connectionOf(v2(0x21, 0x21, v6)), ends('::1', 80, '2001:101:101:101:101:101:101:101', 443));
  assert.equal(connectionOf(v2(0x20, 0, Buffer.from('ignored'))), undefined);
});

test('what follows the header is left', () => {
  for (const head of [Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 10 20\r\n'), v2(0x21, 0x11, v4)]) {
    const header = readProxyHeader(Buffer.concat([head, Buffer.from('PROXY UNKNOWN\r\nx')]));
    assert.equal(header.type === 'header' && header.length, head.length);
  }
});

test('headers that are not to the letter are wrong', () => {
  const lines = [
    'PROXY tcp4 1.2.3.4 5.6.7.8 10 20\r\n',
    'PROXY  TCP4 1.2.3.4 5.6.7.8 10 20\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 10 20 \r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 10\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 010 20\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 -1 20\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 10 65536\r\n',
    'PROXY TCP4 01.2.3.4 5.6.7.8 10 20\r\n',
    'PROXY TCP4 ::1 ::2 10 20\r\n',
    'PROXY TCP6 1.2.3.4 5.6.7.8 10 20\r\n',
    'PROXY TCP6 fe80::1%lo ::2 10 20\r\n',
    'PROXY TCP4 0.0.0.0 5.6.7.8 10 20\r\n',
    'PROXY TCP4 224.0.0.1 5.6.7.8 10 20\r\n',
    'PROXY TCP4 255.255.255.255 5.6.7.8 10 20\r\n',
    'PROXY TCP6 ff02::1 ::2 10 20\r\n',
    `PROXY UNKNOWN ${'x'.repeat(107)}\r\n`,
    `PROXY UNKNOWN ${'x'.repeat(107)}`,
  ];
  for (const line of lines) assert.equal(typeOf(line), 'wrong', line);
});

test('headers of version 2 that do not fit together are wrong', () => {
  const wrong = {
    'another version': v2(0x11, 0x11, v4),
    'another command': v2(0x22, 0x11, v4),
    'a family that is no address': v2(0x21, 0x31, Buffer.alloc(216)),
    'no family': v2(0x21, 0, Buffer.alloc(0)),
    'no transport': v2(0x21, 0x10, v4),
    'too short': v2(0x21, 0x11, v4.subarray(0, 8)),
    'half a TLV': v2(0x21, 0x11, Buffer.concat([v4, Buffer.from([1, 0])])),
    'a TLV that goes on beyond the end': v2(0x21, 0x11, Buffer.concat([v4, Buffer.from([1, 0, 2, 65])])),
    'no source': v2(0x21, 0x11, Buffer.concat([Buffer.alloc(4), v4.subarray(4)])),
  };
  for (const [name, bytes] of Object.entries(wrong)) assert.equal(typeOf(bytes), 'wrong', name);
});

test('TLVs are told as they came', () => {
  const header = readProxyHeader(v2(0x21, 0x11, Buffer.concat([v4, Buffer.from([1, 0, 0, 0xea, 0, 2, 65, 66])])));
  assert.deepEqual(header.type === 'header' && header.tlvs.map(({ type, value }) => [type, value.toString()]), [
    [1, ''],
    [0xea, 'AB'],
  ]);
});

test('what begins like neither is none, at its first byte', () => {
  for (const text of ['G', 'PROX\r', 'PROXYX', '\r\n\r\n\0\r\nQUIX', '\x16\x03\x01'])
    assert.equal(typeOf(text), 'none', text);
});

const whole = fc.oneof(
  fc
    .tuple(fc.ipV4(), fc.ipV4(), fc.nat(65_535), fc.nat(65_535))
    .map(([a, b, c, d]) => Buffer.from(`PROXY TCP4 ${a} ${b} ${c} ${d}\r\n`)),
  fc
    .tuple(fc.ipV6(), fc.ipV6(), fc.nat(65_535), fc.nat(65_535))
    .map(([a, b, c, d]) => Buffer.from(`PROXY TCP6 ${a} ${b} ${c} ${d}\r\n`)),
  fc.uint8Array({ maxLength: 80 }).map((body) => v2(0x21, 0x11, Buffer.concat([v4, body]))),
  fc.uint8Array({ maxLength: 80 }).map((body) => v2(0x21, 0x21, Buffer.from(body))),
);

test('however a header is cut, it is read as it is read whole', () => {
  fc.assert(
    fc.property(whole, fc.uint8Array({ maxLength: 8 }), (header, rest) => {
      const bytes = Buffer.concat([header, rest]);
      const read = readProxyHeader(bytes);
      for (let size = 1; size < bytes.length; size++) {
        const part = readProxyHeader(bytes.subarray(0, size));
        if (part.type === 'more') assert.ok(part.atLeast > size);
        else {
          assert.deepEqual(part, read);
          return;
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('whatever comes is read without a fault', () => {
  const start = fc.constantFrom(Buffer.from('PROXY '), Buffer.from('PROXY TCP4 '), V2_SIGNATURE, Buffer.alloc(0));
  fc.assert(
    fc.property(start, fc.uint8Array({ minLength: 1, maxLength: 200 }), (head, rest) => {
      const bytes = Buffer.concat([head, rest]);
      const read = readProxyHeader(bytes);
      if (read.type === 'header') assert.ok(read.length <= bytes.length);
      if (read.type === 'more') assert.ok(read.atLeast > bytes.length && read.atLeast <= 65_551);
    }),
    { numRuns: 3000 },
  );
});
