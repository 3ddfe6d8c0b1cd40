/**
 * Objects of JSON as tokens may hold them. One text is one object for everybody who reads it: bytes that are not UTF-8,
 * halves of surrogate pairs (RFC 7493, 2.1), numbers too large to be one, names that come twice (RFC 7519, 4) and nesting
 * that others may not follow are refused.
 */
import { isUtf8 } from 'node:buffer';

export type JsonObject = Readonly<Record<string, unknown>>;

/** As deep as protobuf reads JSON. */
const MAX_DEPTH = 100;

/** Where the string that begins at `start` ends, in valid JSON. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

function isName(text: string, end: number): boolean {
  let at = end + 1;
  while (text.charCodeAt(at) <= 32) at++;
  return text[at] === ':';
}

/** The digits of a number, its sign and what else it is made of. */
const NUMBER = /[-+.0-9eE]+/y;

/** Where the number that begins at `start` ends, in valid JSON; undefined where it is beyond what numbers can be. */
function numberEnd(text: string, start: number): number | undefined {
  NUMBER.lastIndex = start;
  const [digits = ''] = NUMBER.exec(text) ?? [];
  return Number.isFinite(Number(digits)) ? start + digits.length - 1 : undefined;
}

/** Whether valid JSON has a name twice in one object, or something that is no text or number, or is too deep. */
function isAmbiguous(text: string): boolean {
  const names: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (character === '{' || character === '[') {
      if (names.push(new Set()) > MAX_DEPTH) return true;
    } else if (character === '}' || character === ']') names.pop();
    else if (character === '"') {
      const end = stringEnd(text, at);
      const string = JSON.parse(text.slice(at, end + 1)) as string;
      if (!string.isWellFormed()) return true;
      if (isName(text, end)) {
        const known = names.at(-1);
        if (known?.has(string)) return true;
        known?.add(string);
      }
      at = end;
    } else if (character === '-' || (character >= '0' && character <= '9')) {
      const end = numberEnd(text, at);
      if (end === undefined) return true;
      at = end;
    }
  }
  return false;
}

/** The object that the bytes say; undefined where they say none, or might say another to another reader. */
export function parseObject(bytes: Buffer): JsonObject | undefined {
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What is not JSON is what the caller asks about.
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isAmbiguous(text)) return undefined;
  return value as JsonObject;
}
