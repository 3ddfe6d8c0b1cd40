/** 64-bit and floating-point numbers between the wire's halves and JavaScript. */

const TWO_32 = 0x1_0000_0000;

export function unsigned64(low: number, high: number): number | bigint {
  if (high <= 0x1f_ffff) return high * TWO_32 + low;
  return (BigInt(high) << 32n) | BigInt(low);
}

export function signed64(low: number, high: number): number | bigint {
  const signedHigh = high | 0;
  const isExact = signedHigh >= -0x20_0000 && signedHigh <= 0x1f_ffff && (signedHigh !== -0x20_0000 || low !== 0);
  if (isExact) return signedHigh * TWO_32 + low;
  return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low));
}

/** The two halves of an integer, two's complement when negative. */
export function halves(value: number | bigint): { readonly low: number; readonly high: number } {
  if (typeof value === 'number') {
    const high = Math.floor(value / TWO_32);
    return { low: (value - high * TWO_32) >>> 0, high: high >>> 0 };
  }
  const bits = BigInt.asUintN(64, value);
  return { low: Number(bits & 0xffff_ffffn), high: Number(bits >> 32n) };
}

/** The halves of a zigzag-encoded number, decoded. */
export function unzigzag64(low: number, high: number): number | bigint {
  const sign = -(low & 1);
  const newLow = (((low >>> 1) | (high << 31)) ^ sign) >>> 0;
  const newHigh = ((high >>> 1) ^ sign) >>> 0;
  return signed64(newLow, newHigh);
}

export function zigzag64(value: number | bigint): { readonly low: number; readonly high: number } {
  const wide = BigInt(value);
  return halves(BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n)));
}

/** The shortest decimal that reads back as the same 32-bit float, as canonical ProtoJSON prints it. */
export function shortestFloat(value: number): number {
  if (value === 0) return value;
  // The smallest of all have fewer digits than the six that every other float has.
  for (let digits = Math.abs(value) < 1.2e-38 ? 1 : 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return Number(value.toPrecision(9));
}
