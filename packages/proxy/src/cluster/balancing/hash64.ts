/**
 * Hashes of 64 bits, each as two unsigned halves of 32: what Envoy places keys and hosts by
 * (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, MurmurHash2 as libstdc++ has it). Texts are byte
 * strings: one character for each byte.
 */

export interface Hash64 {
  /** The upper 32 bits, unsigned. */
  readonly high: number;
  /** The lower 32 bits, unsigned. */
  readonly low: number;
}

const TWO_32 = 0x1_0000_0000;

/** A register of 64 bits, and what hashes do to one. Its halves are signed: those are no objects of their own to V8. */
class Register {
  high: number;
  low: number;

  constructor(high: number, low: number) {
    this.high = high | 0;
    this.low = low | 0;
  }

  set(high: number, low: number): void {
    this.high = high | 0;
    this.low = low | 0;
  }

  add(high: number, low: number): void {
    const sum = (this.low + low) | 0;
    this.high = (this.high + high + (sum >>> 0 < low >>> 0 ? 1 : 0)) | 0;
    this.low = sum;
  }

  xor(high: number, low: number): void {
    this.high ^= high;
    this.low ^= low;
  }

  multiply(high: number, low: number): void {
    const a = this.low;
    const aLow = a & 0xffff;
    const aHigh = a >>> 16;
    const bLow = low & 0xffff;
    const bHigh = low >>> 16;
    const lowLow = aLow * bLow;
    const middle = aHigh * bLow + (lowLow >>> 16);
    const other = aLow * bHigh + (middle & 0xffff);
    const carry = aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(other / 0x10000);
    this.high = (carry + Math.imul(this.high, low) + Math.imul(a, high)) | 0;
    this.low = Math.imul(a, low);
  }

  /** By 1 to 31 bits. */
  rotate(bits: number): void {
    const { high, low } = this;
    this.high = (high << bits) | (low >>> (32 - bits));
    this.low = (low << bits) | (high >>> (32 - bits));
  }

  /** Mixes the register with itself, shifted right by 1 to 63 bits. */
  xorShifted(bits: number): void {
    const { high, low } = this;
    if (bits >= 32) this.xor(0, high >>> (bits - 32));
    else this.xor(high >>> bits, (low >>> bits) | (high << (32 - bits)));
  }

  value(): Hash64 {
    return { high: this.high >>> 0, low: this.low >>> 0 };
  }
}

const P1H = 0x9e3779b1;
const P1L = 0x85ebca87;
const P2H = 0xc2b2ae3d;
const P2L = 0x27d4eb4f;
const P3H = 0x165667b1;
const P3L = 0x9e3779f9;
const P4H = 0x85ebca77;
const P4L = 0xc2b2ae63;
const P5H = 0x27d4eb2f;
const P5L = 0x165667c5;

function word(text: string, at: number): number {
  return (
    text.charCodeAt(at) |
    (text.charCodeAt(at + 1) << 8) |
    (text.charCodeAt(at + 2) << 16) |
    (text.charCodeAt(at + 3) << 24)
  );
}

/** Takes eight bytes into a lane. */
function round(lane: Register, inputHigh: number, inputLow: number, scratch: Register): void {
  scratch.set(inputHigh, inputLow);
  scratch.multiply(P2H, P2L);
  lane.add(scratch.high, scratch.low);
  lane.rotate(31);
  lane.multiply(P1H, P1L);
}

/** Mixes eight bytes, and them into the hash. */
function mixIn(hash: Register, high: number, low: number, scratch: Register): void {
  scratch.set(high, low);
  scratch.multiply(P2H, P2L);
  scratch.rotate(31);
  scratch.multiply(P1H, P1L);
  hash.xor(scratch.high, scratch.low);
}

function merge(hash: Register, lane: Register, scratch: Register): void {
  mixIn(hash, lane.high, lane.low, scratch);
  hash.multiply(P1H, P1L);
  hash.add(P4H, P4L);
}

/** Takes all whole stripes of 32 bytes. */
function stripes(text: string, seed: Hash64, scratch: Register): Register {
  const first = new Register(seed.high, seed.low);
  const second = new Register(seed.high, seed.low);
  const third = new Register(seed.high, seed.low);
  const fourth = new Register(seed.high, seed.low);
  first.add(P1H, P1L);
  first.add(P2H, P2L);
  second.add(P2H, P2L);
  fourth.add(~P1H, ~P1L);
  fourth.add(0, 1);
  for (let at = 0; at + 32 <= text.length; at += 32) {
    round(first, word(text, at + 4), word(text, at), scratch);
    round(second, word(text, at + 12), word(text, at + 8), scratch);
    round(third, word(text, at + 20), word(text, at + 16), scratch);
    round(fourth, word(text, at + 28), word(text, at + 24), scratch);
  }
  const hash = new Register(0, 0);
  addRotated(hash, first, 1, scratch);
  addRotated(hash, second, 7, scratch);
  addRotated(hash, third, 12, scratch);
  addRotated(hash, fourth, 18, scratch);
  merge(hash, first, scratch);
  merge(hash, second, scratch);
  merge(hash, third, scratch);
  merge(hash, fourth, scratch);
  return hash;
}

function addRotated(hash: Register, lane: Register, bits: number, scratch: Register): void {
  scratch.set(lane.high, lane.low);
  scratch.rotate(bits);
  hash.add(scratch.high, scratch.low);
}

const ZERO: Hash64 = { high: 0, low: 0 };

/** xxHash's XXH64 of a byte string. */
export function xxHash64(text: string, seed: Hash64 = ZERO): Hash64 {
  const { length } = text;
  const scratch = new Register(0, 0);
  let hash: Register;
  if (length >= 32) hash = stripes(text, seed, scratch);
  else {
    hash = new Register(seed.high, seed.low);
    hash.add(P5H, P5L);
  }
  hash.add(0, length);
  let at = length & ~31;
  for (; at + 8 <= length; at += 8) {
    mixIn(hash, word(text, at + 4), word(text, at), scratch);
    hash.rotate(27);
    hash.multiply(P1H, P1L);
    hash.add(P4H, P4L);
  }
  if (at + 4 <= length) {
    scratch.set(0, word(text, at));
    scratch.multiply(P1H, P1L);
    hash.xor(scratch.high, scratch.low);
    hash.rotate(23);
    hash.multiply(P2H, P2L);
    hash.add(P3H, P3L);
    at += 4;
  }
  for (; at < length; at++) {
    scratch.set(0, text.charCodeAt(at));
    scratch.multiply(P5H, P5L);
    hash.xor(scratch.high, scratch.low);
    hash.rotate(11);
    hash.multiply(P1H, P1L);
  }
  hash.xorShifted(33);
  hash.multiply(P2H, P2L);
  hash.xorShifted(29);
  hash.multiply(P3H, P3L);
  hash.xorShifted(32);
  return hash.value();
}

const MURMUR_H = 0xc6a4a793;
const MURMUR_L = 0x5bd1e995;
const MURMUR_SEED = 0xc70f6907;

/** MurmurHash2 for 64 bits of a byte string, with the seed that libstdc++ hashes strings with. */
export function murmurHash2(text: string): Hash64 {
  const { length } = text;
  const hash = new Register(0, length);
  const scratch = new Register(0, 0);
  hash.multiply(MURMUR_H, MURMUR_L);
  hash.xor(0, MURMUR_SEED);
  let at = 0;
  for (; at + 8 <= length; at += 8) {
    scratch.set(word(text, at + 4), word(text, at));
    scratch.multiply(MURMUR_H, MURMUR_L);
    scratch.xorShifted(47);
    scratch.multiply(MURMUR_H, MURMUR_L);
    hash.xor(scratch.high, scratch.low);
    hash.multiply(MURMUR_H, MURMUR_L);
  }
  if (at < length) {
    let low = 0;
    let high = 0;
    for (let i = length - 1; i >= at; i--) {
      high = (high << 8) | (low >>> 24);
      low = (low << 8) | text.charCodeAt(i);
    }
    hash.xor(high, low);
    hash.multiply(MURMUR_H, MURMUR_L);
  }
  hash.xorShifted(47);
  hash.multiply(MURMUR_H, MURMUR_L);
  hash.xorShifted(47);
  return hash.value();
}

/** The remainder of a hash by a number up to 2²¹ or so; exact as long as its square and itself stay below 2⁵³. */
export function modulo(hash: Hash64, by: number): number {
  return ((hash.high % by) * (TWO_32 % by) + (hash.low % by)) % by;
}

/** A hash with another one mixed in, the order of the two mattering. */
export function combined(hash: Hash64 | undefined, next: Hash64): Hash64 {
  if (!hash) return next;
  const result = new Register(hash.high, hash.low);
  result.rotate(1);
  result.xor(next.high, next.low);
  return result.value();
}

/** 16 hexadecimal digits. */
export function hex(hash: Hash64): string {
  return hash.high.toString(16).padStart(8, '0') + hash.low.toString(16).padStart(8, '0');
}

/** A text of the configuration as a byte string, UTF-8. */
export function byteString(text: string): string {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return Buffer.from(text).toString('latin1');
  return text;
}
