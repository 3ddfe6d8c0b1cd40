/** Which bytes may stand where (RFC 9110, 5.6.2 and 5.5; RFC 9112, 3 and 5), as tables of 256 entries. */

import { isIPv6 } from 'node:net';

const TOKEN_MARKS = "!#$%&'*+-.^_`|~";

function table(allowed: (code: number, character: string) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (allowed(code, String.fromCharCode(code)) ? 1 : 0));
}

const isAlphanumeric = (character: string): boolean => /^[0-9A-Za-z]$/.test(character);

/** 1 for bytes of a token, 2 for those of them that are upper-case letters: names are lowered where one is seen. */
export const TOKEN = table((_, character) => isAlphanumeric(character) || TOKEN_MARKS.includes(character)).map(
  (allowed, code) => (code >= 65 && code <= 90 ? 2 : allowed),
);

/** Field values: visible bytes, space, tab, and bytes from 0x80 on. */
export const FIELD_VALUE = table((code) => code === 9 || (code >= 32 && code !== 127));

/** Request targets: visible ASCII but `#`, since a fragment is never sent (RFC 9112, 3.2). */
export const TARGET = table((code) => code > 32 && code < 127 && code !== 35);

/** The host of a URI: unreserved, percent-encoded and sub-delims but the comma (RFC 3986, 3.2.2). */
export const HOST = table((_, character) => isAlphanumeric(character) || "-._~%!$&'()*+;=".includes(character));

/** The value of a hexadecimal digit, 255 for every other byte. */
export const HEX = Uint8Array.from({ length: 256 }, (_, code) => {
  const digit = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(digit) ? 255 : digit;
});

/** Whether `text` is a token: a method, the name of a field. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (!TOKEN[text.charCodeAt(i)]) return false;
  return text.length > 0;
}

/** Whether every character of `text` may stand in a field value. */
export function isFieldValue(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255 || !FIELD_VALUE[code]) return false;
  }
  return true;
}

/** `[::1]`; a zone has no meaning to anybody but the sender, and an address of the future (`[v1.x]`) to nobody yet. */
function isIpLiteral(text: string): boolean {
  return text.endsWith(']') && !text.includes('%') && isIPv6(text.slice(1, -1));
}

function isEscape(text: string, at: number): boolean {
  return HEX[text.charCodeAt(at + 1)] !== 255 && HEX[text.charCodeAt(at + 2)] !== 255 && at + 2 < text.length;
}

function isPort(text: string): boolean {
  return /^\d{0,5}$/.test(text) && Number(text) <= 65535;
}

/** Whether `text` is `host` or `host:port`, with no user information: what Host may hold (RFC 9110, 7.2). */
export function isAuthority(text: string): boolean {
  if (text.charCodeAt(0) === 91) {
    const end = text.indexOf(']') + 1;
    const rest = text.slice(end);
    return isIpLiteral(text.slice(0, end)) && (rest === '' || (rest[0] === ':' && isPort(rest.slice(1))));
  }
  const length = text.length;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code === 58) return i > 0 && isPort(text.slice(i + 1));
    if (code > 255 || !HOST[code] || (code === 37 && !isEscape(text, i))) return false;
  }
  return length > 0;
}

/**
 * `text` as it may stand in a field value: what lies beyond Latin-1 as UTF-8, and a space for each control character.
 * Nothing that a certificate, an error or a configuration holds ends a field.
 */
export function asFieldValue(text: string): string {
  if (isFieldValue(text)) return text;
  const bytes = /[^\0-\xff]/.test(text) ? Buffer.from(text).toString('latin1') : text;
  let value = '';
  for (const character of bytes) value += FIELD_VALUE[character.charCodeAt(0)] ? character : ' ';
  return value;
}

/** `text` with everything escaped that may not stand in a URI's path and query. */
export function asUri(text: string): string {
  return text.replace(/[^!-~]|#/gu, (character) => {
    let escaped = '';
    for (const byte of Buffer.from(character)) escaped += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    return escaped;
  });
}
