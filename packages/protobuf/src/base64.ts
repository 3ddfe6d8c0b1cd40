/** The bytes that a text stands for in base64, in either alphabet of RFC 4648, padded or not; undefined for other values. */
export function base64Bytes(value: unknown): Uint8Array | undefined {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(value)) return undefined;
  // One character alone has 6 bits, which are no byte; padding fills up to four.
  const isWhole = value.endsWith('=') ? value.length % 4 === 0 : value.length % 4 !== 1;
  return isWhole ? Buffer.from(value, 'base64') : undefined;
}
