/** Texts between the two forms that they have: bytes as characters in heads, UTF-8 in protobuf. */
import { isUtf8 } from 'node:buffer';

/** Bytes as protobuf's text: what is not UTF-8 is an exclamation mark, as Envoy has it. */
export function utf8Of(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString() : bytes.toString().replaceAll('\ufffd', '!');
}

/** A value of a field as protobuf's text. */
export function textOf(value: string): string {
  for (let i = 0; i < value.length; i++) {
    if (value.charCodeAt(i) > 0x7f) return utf8Of(Buffer.from(value, 'latin1'));
  }
  return value;
}

/** Protobuf's text as the value of a field: one character for each byte. */
export function fieldOf(text: string): string {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return Buffer.from(text).toString('latin1');
  return text;
}
