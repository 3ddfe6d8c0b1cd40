import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WeftError } from '@weft/contracts/error';
import fc from 'fast-check';
import { DerReader, encode, TAG } from './der.ts';
import {
  encodeOid,
  encodeTime,
  encodeUnsigned,
  readBitString,
  readBoolean,
  readInteger,
  readOid,
  readSmallInteger,
  readTime,
} from './der-types.ts';

function reader(hex: string): DerReader {
  return new DerReader(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

function refused(read: () => unknown): void {
  assert.throws(read, (error) => error instanceof WeftError && error.code === 'INVALID_ARGUMENT');
}

describe('the reader of DER', () => {
  test('reads what the writer wrote, of any length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70_000 }), (bytes) => {
        const value = new DerReader(encode(TAG.octetString, bytes)).read(TAG.octetString, 'bytes');
        assert.ok(value.body.equals(bytes));
      }),
      { numRuns: 50 },
    );
  });

  for (const [what, hex] of Object.entries({
    'an indefinite length': '30 80 00 00',
    'a length that is not minimal': '04 81 01 00',
    'a length with a leading zero': `04 82 00 80${'00'.repeat(128)}`,
    'a length of five octets': '04 85 00 00 00 00 01 00',
    'a value that is cut off': '04 03 01 02',
    'a head that is cut off': '04',
    'a tag in the long form': '1f 81 01 00',
    'nothing at all': '',
  })) {
    test(`refuses ${what}`, () => refused(() => reader(hex).any('it')));
  }

  test('refuses what is left over', () => {
    const both = reader('05 00 05 00');
    both.any('the first');
    refused(() => both.end('the first'));
  });

  test('refuses integers, booleans, bit strings and object identifiers that are not canonical', () => {
    for (const hex of ['02 00', '02 02 00 01', '02 02 ff 80']) refused(() => readInteger(reader(hex), 'it'));
    for (const hex of ['01 01 01', '01 02 ff ff', '01 00']) refused(() => readBoolean(reader(hex), 'it'));
    for (const hex of ['03 00', '03 01 01', '03 02 08 00', '03 02 01 01'])
      refused(() => readBitString(reader(hex), 'it'));
    for (const hex of ['06 00', '06 01 80', '06 02 80 01', '06 01 ff', '06 06 ff ff ff ff ff 7f']) {
      refused(() => readOid(reader(hex), 'it'));
    }
  });

  test('never throws anything but a WeftError', () => {
    const readers = [readInteger, readSmallInteger, readBoolean, readBitString, readOid, readTime];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(...readers), (bytes, read) => {
        try {
          read(new DerReader(Buffer.from(bytes)), 'it');
        } catch (error) {
          assert.ok(error instanceof WeftError, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

test('object identifiers are written as they are read', () => {
  for (const oid of ['1.2.840.10045.4.3.2', '2.5.29.17', '0.9.2342.19200300', '2.999.1', '1.3.6.1.5.5.7.3.1']) {
    assert.equal(readOid(new DerReader(encodeOid(oid)), 'it'), oid);
  }
});

test('unsigned integers are minimal and positive', () => {
  assert.equal(encodeUnsigned(Buffer.from([0, 0, 1])).toString('hex'), '020101');
  assert.equal(encodeUnsigned(Buffer.from([0x80])).toString('hex'), '02020080');
  assert.equal(encodeUnsigned(Buffer.from([0, 0])).toString('hex'), '020100');
});

describe('times', () => {
  test('are UTCTime to 2049 and GeneralizedTime from 2050, and come back as they were', () => {
    const seconds = fc.integer({ min: Date.UTC(1950, 0, 1) / 1000, max: Date.UTC(9999, 11, 31) / 1000 });
    fc.assert(
      fc.property(seconds, (second) => {
        const encoded = encodeTime(second * 1000);
        const year = new Date(second * 1000).getUTCFullYear();
        assert.equal(encoded[0], year < 2050 ? TAG.utcTime : TAG.generalizedTime);
        assert.equal(readTime(new DerReader(encoded), 'it'), second * 1000);
      }),
    );
  });

  for (const [tag, text] of [
    [TAG.utcTime, '261332000000Z'],
    [TAG.utcTime, '260230000000Z'],
    [TAG.utcTime, '2601010000Z'],
    [TAG.utcTime, '260101000000+0100'],
    [TAG.utcTime, '260101240000Z'],
    [TAG.generalizedTime, '20260101000000Z'],
    [TAG.generalizedTime, '20510101000000.5Z'],
    [TAG.octetString, '260101000000Z'],
  ] as const) {
    test(`refuses ${text} with tag ${tag}`, () => {
      refused(() => readTime(new DerReader(encode(tag, Buffer.from(text))), 'it'));
    });
  }
});
