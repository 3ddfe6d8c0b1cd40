import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DecodingRoom } from '../../net/slabs.ts';
import { HpackDecoder, HpackError } from './decoder.ts';
import { HpackEncoder } from './encoder.ts';
import { huffmanDecode, huffmanEncode, huffmanLength, maxDecodedBytes } from './huffman.ts';

type Fields = [name: string, value: string][];

function decode(decoder: HpackDecoder, bytes: Buffer): Fields {
  const fields: Fields = [];
  decoder.decode(bytes, 0, bytes.length, { onField: (_kind, name, value) => fields.push([name, value]) });
  return fields;
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

function encode(encoder: HpackEncoder, fields: Fields): Buffer {
  encoder.begin(Buffer.alloc(16), 0);
  for (const [name, value] of fields) encoder.field(name, value);
  return encoder.buffer.subarray(encoder.start, encoder.at);
}

const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
];
const REQUESTS: Fields[] = [
  GET,
  [...GET, ['cache-control', 'no-cache']],
  [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ],
];
const RESPONSE = (status: string, time: string): Fields => [
  [':status', status],
  ['cache-control', 'private'],
  ['date', `Mon, 21 Oct 2013 20:13:${time} GMT`],
  ['location', 'https://www.example.com'],
];
const COOKIE = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';

test('the requests of RFC 7541, C.3 and C.4, are decoded, with and without Huffman', () => {
  const plain = [
    '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
    '8286 84be 5808 6e6f 2d63 6163 6865',
    '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
  ];
  const coded = [
    '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
    '8286 84be 5886 a8eb 1064 9cbf',
    '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
  ];
  for (const blocks of [plain, coded]) {
    const decoder = new HpackDecoder(new DecodingRoom());
    for (const [i, block] of blocks.entries()) assert.deepEqual(decode(decoder, hex(block)), REQUESTS[i]);
  }
});

test('the responses of RFC 7541, C.5 and C.6, are decoded, with evictions from a table of 256 bytes', () => {
  const plain = [
    '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
    '4803 3330 37c1 c0bf',
    '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
  ];
  const coded = [
    '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
    '4883 640e ffc1 c0bf',
    '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
  ];
  const last: Fields = [...RESPONSE('200', '22'), ['content-encoding', 'gzip'], ['set-cookie', COOKIE]];
  for (const blocks of [plain, coded]) {
    const decoder = new HpackDecoder(new DecodingRoom());
    decoder.decode(hex('3fe101'), 0, 3, { onField: () => assert.fail('there is no field') });
    const responses = [RESPONSE('302', '21'), RESPONSE('307', '21'), last];
    for (const [i, block] of blocks.entries()) assert.deepEqual(decode(decoder, hex(block)), responses[i]);
  }
});

const refused: Readonly<Record<string, string>> = {
  'index 0': '80',
  'an index beyond the table': 'be',
  'an index far beyond the table': 'ffffff0f',
  'an integer that does not end': 'ff80808080',
  'an integer that is too large': 'ffffffffffff0f',
  'a string that is longer than the block': '400a61',
  'a missing value': '400161',
  'a change of the table size after a field': '8220',
  'a table larger than allowed': '3fe21f',
  'padding of eight bits': '00016182ffff',
  'padding that is not all ones': '0001618118',
  'the end of a string, coded': '00016184ffffffff',
};

for (const [what, bytes] of Object.entries(refused)) {
  test(`${what} is refused`, () => {
    assert.throws(() => decode(new HpackDecoder(new DecodingRoom()), hex(bytes)), HpackError);
  });
}

test('fields that must not be indexed are told as such', () => {
  const told: boolean[] = [];
  const decoder = new HpackDecoder(new DecodingRoom());
  const block = hex('1008 7061 7373 776f 7264 0673 6563 7265 74 0001 6101 62');
  decoder.decode(block, 0, block.length, { onField: (_kind, _name, _value, _valid, secret) => told.push(secret) });
  assert.deepEqual(told, [true, false]);
});

test('a table that was made smaller must be taken note of', () => {
  const decoder = new HpackDecoder(new DecodingRoom());
  decoder.limit(100);
  assert.throws(() => decode(decoder, hex('82')), HpackError);
  const another = new HpackDecoder(new DecodingRoom());
  another.limit(100);
  assert.deepEqual(decode(another, hex('3f45 82')), [[':method', 'GET']]);
});

test('whatever is coded is decoded again', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = Buffer.from(bytes).toString('latin1');
      const coded = Buffer.alloc(huffmanLength(text));
      assert.equal(huffmanEncode(text, coded, 0), coded.length);
      const decoded = Buffer.alloc(maxDecodedBytes(coded.length));
      const length = huffmanDecode(coded, 0, coded.length, decoded);
      assert.equal(decoded.toString('latin1', 0, length), text);
    }),
  );
});

test('what repeats costs one byte, and of what differs each time the name alone has a place', () => {
  const encoder = new HpackEncoder();
  const fields = (id: number): Fields => [...GET, ['user-agent', 'a browser'], ['x-request-id', `id-${id}`]];
  for (let id = 0; id < 100; id++) encode(encoder, fields(id));
  assert.equal(encode(encoder, fields(100)).length, GET.length + 1 + 2 + 1 + 'id-100'.length);
  // The place was taken by others: the name gets another one.
  for (let i = 0; i < 200; i++) for (const _ of [0, 1]) encode(encoder, [['x-other', `${'x'.repeat(50)}${i}`]]);
  encode(encoder, fields(101));
  assert.ok(encode(encoder, fields(102)).length < GET.length + 1 + 'x-request-id'.length);
});

test('credentials and short cookies are never put into a table', () => {
  const encoder = new HpackEncoder();
  const secrets: Fields = [
    ['authorization', 'Bearer x'],
    ['cookie', 'a=b'],
    ['set-cookie', 'session=abc'],
  ];
  for (let i = 0; i < 4; i++) {
    const block = encode(encoder, secrets);
    const told: boolean[] = [];
    new HpackDecoder(new DecodingRoom()).decode(block, 0, block.length, {
      onField: (_kind, _name, _value, _valid, secret) => told.push(secret),
    });
    assert.deepEqual(told, [true, true, true]);
  }
});

test('fields of the connection are left out', () => {
  const fields: Fields = [
    ['connection', 'close'],
    ['upgrade', 'h2c'],
    ['transfer-encoding', 'chunked'],
    ['te', 'gzip'],
    ['keep-alive', 'x'],
    ['a', 'b'],
    ['te', 'trailers'],
  ];
  const block = encode(new HpackEncoder(), fields);
  assert.deepEqual(decode(new HpackDecoder(new DecodingRoom()), block), [
    ['a', 'b'],
    ['te', 'trailers'],
  ]);
});

const text = (maxLength: number) =>
  fc.string({ maxLength, unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
const name = fc.oneof(fc.constantFrom(':path', 'cookie', 'date', 'x-a', 'x-b', 'authorization'), text(12));
const value = fc.oneof(fc.constantFrom('', 'a', 'b', 'c', 'longer value than that', '/'), text(60), text(5000));
const blocks = fc.array(
  fc.record({ fields: fc.array(fc.tuple(name, value), { maxLength: 12 }), table: fc.option(fc.nat(5000)) }),
  { maxLength: 30 },
);

test('decoder and encoder stay in step, whatever is sent and however the table changes', () => {
  fc.assert(
    fc.property(blocks, (given) => {
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder(new DecodingRoom());
      decoder.limit(5000);
      const dropped = new Set(['host', 'upgrade', 'te']);
      for (const { fields, table } of given) {
        if (table !== null) encoder.limit(table);
        assert.deepEqual(
          decode(decoder, encode(encoder, fields)),
          fields.filter(([name]) => !dropped.has(name)),
        );
      }
    }),
    { numRuns: 300 },
  );
});

test('arbitrary bytes are decoded or refused', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .array(fc.oneof(fc.constantFrom(0x82, 0x40, 0x00, 0x10, 0xbe, 0x20, 0x3f, 0xff, 0x81), fc.nat(255)))
      .map((codes) => Uint8Array.from(codes)),
  );
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 10 }), (given) => {
      const decoder = new HpackDecoder(new DecodingRoom());
      try {
        for (const block of given) decode(decoder, Buffer.from(block));
      } catch (thrown) {
        assert.ok(thrown instanceof HpackError, String(thrown));
      }
    }),
    { numRuns: 1000 },
  );
});
