/** The bytes that a text stands for in base64, in either alphabet of RFC 4648, padded or not; undefined for other values. */
export function base64Bytes(value: unknown): Uint8Array | undefined {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(value)) return undefined;
  return Buffer.from(value, 'base64');
}
