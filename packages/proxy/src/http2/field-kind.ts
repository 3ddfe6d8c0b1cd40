/** What a field is to HTTP/2, by its name; worked out once for each entry of a table of HPACK. */
import { FIELD_VALUE, TOKEN } from '../http1/characters.ts';

export const KIND = {
  regular: 0,
  method: 1,
  path: 2,
  scheme: 3,
  authority: 4,
  status: 5,
  protocol: 6,
  /** A pseudo-header field that nobody defined. */
  unknownPseudo: 7,
  host: 8,
  contentLength: 9,
  cookie: 10,
  te: 11,
  expect: 12,
  /** Fields that speak of a connection, which a message must not have (RFC 9113, 8.2.2). */
  ofConnection: 13,
  /** No name of a field: upper-case letters among them (RFC 9113, 8.2.1). */
  invalid: 14,
} as const;

export type Kind = (typeof KIND)[keyof typeof KIND];

const BY_NAME: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  [':method', KIND.method],
  [':path', KIND.path],
  [':scheme', KIND.scheme],
  [':authority', KIND.authority],
  [':status', KIND.status],
  [':protocol', KIND.protocol],
  ['host', KIND.host],
  ['content-length', KIND.contentLength],
  ['cookie', KIND.cookie],
  ['te', KIND.te],
  ['expect', KIND.expect],
  ['connection', KIND.ofConnection],
  ['keep-alive', KIND.ofConnection],
  ['proxy-connection', KIND.ofConnection],
  ['transfer-encoding', KIND.ofConnection],
  ['upgrade', KIND.ofConnection],
]);

/** Kinds up to this one are pseudo-header fields, but for {@link KIND.regular}. */
export function isPseudo(kind: Kind): boolean {
  return kind !== KIND.regular && kind <= KIND.unknownPseudo;
}

export function kindOf(name: string): Kind {
  const known = BY_NAME.get(name);
  if (known !== undefined) return known;
  if (name.charCodeAt(0) === 58) return KIND.unknownPseudo;
  // 2 marks upper-case letters.
  for (let i = 0; i < name.length; i++) if (TOKEN[name.charCodeAt(i)] !== 1) return KIND.invalid;
  return name.length > 0 ? KIND.regular : KIND.invalid;
}

/** Whether the bytes may be a field's value: no control characters, no blank at either end (RFC 9113, 8.2.1). */
export function isValueBytes(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (FIELD_VALUE[bytes[i] as number] !== 1) return false;
  return end === start || (!isBlank(bytes[start] as number) && !isBlank(bytes[end - 1] as number));
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}
