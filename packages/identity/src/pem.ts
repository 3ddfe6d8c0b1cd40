/** Textual encodings: RFC 7468. */
import { WeftError } from '@weft/contracts/error';

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;

/** One block of PEM, 64 characters a line, with a line end after it. */
export function derToPem(der: Uint8Array, label = 'CERTIFICATE'): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  return `-----BEGIN ${label}-----\n${base64.replace(/.{64}(?=.)/g, '$&\n')}\n-----END ${label}-----\n`;
}

/** Several certificates one after the other, as node:tls and Envoy take a chain. */
export function chainToPem(chain: readonly Uint8Array[]): string {
  return chain.map((der) => derToPem(der)).join('');
}

/**
 * The contents of each block with that label, in order; text between blocks is passed over (RFC 7468 2).
 * Throws `WeftError` INVALID_ARGUMENT when there is no such block.
 */
export function pemToDer(pem: string, label = 'CERTIFICATE'): Buffer[] {
  const blocks: Buffer[] = [];
  for (const [, found, base64 = ''] of pem.matchAll(BLOCK)) {
    if (found === label) blocks.push(Buffer.from(base64, 'base64'));
  }
  if (blocks.length === 0) throw new WeftError('INVALID_ARGUMENT', `the text holds no PEM block "${label}"`);
  return blocks;
}
