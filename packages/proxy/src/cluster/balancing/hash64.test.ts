import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteString, combined, type Hash64, hex, modulo, murmurHash2, xxHash64 } from './hash64.ts';

const big = ({ high, low }: Hash64): bigint => (BigInt(high) << 32n) | BigInt(low);
const u64 = (n: bigint): bigint => BigInt.asUintN(64, n);
const rotated = (n: bigint, bits: bigint): bigint => u64((n << bits) | (n >> (64n - bits)));

const [P1, P2, P3, P4, P5] = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
] as const;

/** XXH64 as its specification writes it down, slowly. */
function slowXxHash64(bytes: Buffer, seed: bigint): bigint {
  const round = (lane: bigint, input: bigint): bigint => u64(rotated(u64(lane + input * P2), 31n) * P1);
  let hash = u64(seed + P5);
  let at = 0;
  if (bytes.length >= 32) {
    const lanes = [u64(seed + P1 + P2), u64(seed + P2), seed, u64(seed - P1)];
    for (; at + 32 <= bytes.length; at += 32) {
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i] as bigint, bytes.readBigUInt64LE(at + i * 8));
    }
    const [a = 0n, b = 0n, c = 0n, d = 0n] = lanes;
    hash = u64(rotated(a, 1n) + rotated(b, 7n) + rotated(c, 12n) + rotated(d, 18n));
    for (const lane of lanes) hash = u64((hash ^ round(0n, lane)) * P1 + P4);
  }
  hash = u64(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) {
    hash = u64(rotated(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * P1 + P4);
  }
  if (at + 4 <= bytes.length) {
    hash = u64(rotated(hash ^ u64(BigInt(bytes.readUInt32LE(at)) * P1), 23n) * P2 + P3);
    at += 4;
  }
  for (; at < bytes.length; at++) hash = u64(rotated(hash ^ u64(BigInt(bytes[at] as number) * P5), 11n) * P1);
  hash = u64((hash ^ (hash >> 33n)) * P2);
  hash = u64((hash ^ (hash >> 29n)) * P3);
  return hash ^ (hash >> 32n);
}

test('known hashes come out', () => {
  assert.equal(hex(xxHash64('')), 'ef46db3751d8e999');
  assert.equal(hex(xxHash64('a')), 'd24ec4f1a98c6e5b');
  assert.equal(hex(xxHash64('abc')), '44bc2cf5ad770999');
  // The values of Envoy's own tests of MurmurHash.
  assert.equal(big(murmurHash2('foo')), 9_631_199_822_919_835_226n);
  assert.equal(big(murmurHash2('bar')), 11_474_628_671_133_349_555n);
  assert.equal(big(murmurHash2('')), 6_142_509_188_972_423_790n);
});

test('xxHash of any bytes is that of its specification', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (bytes, seed) => {
      const given = Buffer.from(bytes);
      const halves = { high: Number(seed >> 32n), low: Number(seed & 0xffff_ffffn) };
      assert.equal(big(xxHash64(given.toString('latin1'), halves)), slowXxHash64(given, seed));
    }),
  );
});

test('remainders and mixtures of hashes are exact', () => {
  const hash = fc.record({ high: fc.nat(0xffff_ffff), low: fc.nat(0xffff_ffff) });
  fc.assert(
    fc.property(hash, hash, fc.integer({ min: 1, max: 5_000_011 }), (one, other, by) => {
      assert.equal(BigInt(modulo(one, by)), big(one) % BigInt(by));
      assert.equal(big(combined(one, other)), rotated(big(one), 1n) ^ big(other));
      assert.equal(combined(undefined, other), other);
    }),
  );
});

test('texts are hashed as UTF-8', () => {
  assert.equal(byteString('plain'), 'plain');
  assert.equal(byteString('ü'), 'Ã¼');
});
