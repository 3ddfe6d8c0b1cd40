/** Field lines, and what they say about framing and the connection (RFC 9112, 5 to 9; RFC 9110, 7.6). */
import { FIELD_VALUE, TOKEN } from './characters.ts';
import { VIOLATIONS, type Violation } from './violation.ts';

/** What one message says about its own framing and its connection; filled as its fields are read, then reused. */
export class Framing {
  /** -1: none given. */
  contentLength = -1;
  chunked = false;
  hosts = 0;
  host = '';
  /** Options of Connection, and of Proxy-Connection. */
  close = false;
  keepAlive = false;
  upgradeOption = false;
  upgrade: string | undefined;
  expect: string | undefined;
  /** Of a response: after how many seconds the server closes an idle connection; -1: not said. */
  keepAliveSeconds = -1;
  /** Fields that Connection names, which end at this hop. */
  nominated: string[] | undefined;

  reset(): void {
    this.contentLength = -1;
    this.chunked = false;
    this.hosts = 0;
    this.host = '';
    this.close = false;
    this.keepAlive = false;
    this.upgradeOption = false;
    this.upgrade = undefined;
    this.expect = undefined;
    this.keepAliveSeconds = -1;
    this.nominated = undefined;
  }
}

/** Never taken off a message because Connection names them: without them it would mean something else. */
const NOT_NOMINATED = new Set(['content-length', 'host', 'authorization', 'cookie', 'set-cookie', 'content-type']);
/** Fields that end at this hop whether Connection names them or not. */
const OWN_OPTIONS = new Set(['close', 'keep-alive', 'upgrade', 'te', 'transfer-encoding', 'trailer']);
/** Who takes these off hides where a message came from: nobody but an attacker names them, and who does is refused. */
const OF_ORIGIN = new Set(['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-client-cert']);

const MAX_CONTENT_LENGTH_DIGITS = 15;
const KNOWN_CODINGS = new Set(['gzip', 'x-gzip', 'deflate', 'compress', 'x-compress', 'br', 'zstd']);

function readContentLength(value: string, framing: Framing): Violation | undefined {
  if (framing.contentLength !== -1) return VIOLATIONS.severalContentLengths;
  const length = value.length;
  if (length === 0 || length > MAX_CONTENT_LENGTH_DIGITS) return VIOLATIONS.contentLength;
  let number = 0;
  for (let i = 0; i < length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return VIOLATIONS.contentLength;
    number = number * 10 + digit;
  }
  framing.contentLength = number;
  return undefined;
}

/** Without blanks around it. No expression does this in linear time where blanks are many. */
function withoutBlanks(text: string): string {
  const isBlank = (at: number): boolean => text.charCodeAt(at) === 32 || text.charCodeAt(at) === 9;
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(start)) start++;
  while (end > start && isBlank(end - 1)) end--;
  return text.slice(start, end);
}

function readTransferEncoding(value: string, framing: Framing): Violation | undefined {
  if (framing.chunked) return VIOLATIONS.transferEncoding;
  if (value.toLowerCase() === 'chunked') {
    framing.chunked = true;
    return undefined;
  }
  const codings = value.toLowerCase().split(',').map(withoutBlanks);
  const last = codings.pop();
  const understood = last === 'chunked' && codings.every((coding) => KNOWN_CODINGS.has(coding));
  return understood ? VIOLATIONS.unknownCoding : VIOLATIONS.transferEncoding;
}

function readConnection(value: string, framing: Framing): Violation | undefined {
  const lower = value.toLowerCase();
  if (lower === 'keep-alive') framing.keepAlive = true;
  else if (lower === 'close') framing.close = true;
  else {
    for (const part of lower.split(',')) {
      const option = part.trim();
      if (option === '') continue;
      if (option === 'close') framing.close = true;
      else if (option === 'keep-alive') framing.keepAlive = true;
      else if (option === 'upgrade') framing.upgradeOption = true;
      else if (OF_ORIGIN.has(option) || option[0] === ':') return VIOLATIONS.connectionOption;
      else if (!NOT_NOMINATED.has(option) && !OWN_OPTIONS.has(option)) {
        if ((framing.nominated?.length ?? 0) >= 32) return VIOLATIONS.connectionOption;
        framing.nominated = [...(framing.nominated ?? []), option];
      }
    }
  }
  return undefined;
}

function readKeepAlive(value: string, framing: Framing): void {
  const match = /(?:^|[,\s])timeout\s*=\s*"?(\d{1,6})/i.exec(value);
  if (match) framing.keepAliveSeconds = Number(match[1]);
}

const NEXT = 0;
const KEEP = 1;

/**
 * Notes what a field says about framing. {@link KEEP}: the field goes on to the next hop; {@link NEXT}: it ends here,
 * and is written anew where it is needed.
 */
function note(name: string, value: string, framing: Framing): typeof NEXT | typeof KEEP | Violation {
  switch (name.length) {
    case 2:
      // Of what it can say only that trailers are welcome is for whoever answers, too.
      return name === 'te' && value !== 'trailers' ? NEXT : KEEP;
    case 4:
      if (name !== 'host') return KEEP;
      framing.hosts++;
      framing.host = value;
      return NEXT;
    case 6:
      if (name === 'expect') framing.expect = value;
      return KEEP;
    case 7:
      if (name !== 'upgrade') return KEEP;
      framing.upgrade = framing.upgrade === undefined ? value : `${framing.upgrade}, ${value}`;
      return NEXT;
    case 10:
      if (name === 'connection') return readConnection(value, framing) ?? NEXT;
      if (name !== 'keep-alive') return KEEP;
      readKeepAlive(value, framing);
      return NEXT;
    case 14:
      if (name === 'http2-settings') return NEXT;
      return name === 'content-length' ? (readContentLength(value, framing) ?? KEEP) : KEEP;
    case 16:
      return name === 'proxy-connection' ? NEXT : KEEP;
    case 17:
      return name === 'transfer-encoding' ? (readTransferEncoding(value, framing) ?? NEXT) : KEEP;
    default:
      return KEEP;
  }
}

const CR = 13;
const LF = 10;
const COLON = 58;

/** Why a field line could not be read at `at`, where a name or a colon was expected. */
function nameViolation(text: string, start: number, at: number): Violation {
  const code = text.charCodeAt(at);
  if (at === start && (code === 32 || code === 9)) return VIOLATIONS.folding;
  if (code === 0) return VIOLATIONS.nulByte;
  if (code === LF) return VIOLATIONS.bareLineFeed;
  return VIOLATIONS.fieldName;
}

function valueViolation(text: string, at: number): Violation {
  const code = text.charCodeAt(at);
  if (code === CR) return VIOLATIONS.bareCarriageReturn;
  if (code === LF) return VIOLATIONS.bareLineFeed;
  return code === 0 ? VIOLATIONS.nulByte : VIOLATIONS.fieldValue;
}

/**
 * Reads the field lines of `text` from `from` to its end, each of which must end with CRLF, into `flat`, names in lower
 * case. Fields that end at this hop are noted in `framing` and left out. Gives what was wrong, or undefined.
 */
export function readFields(
  text: string,
  from: number,
  flat: string[],
  framing: Framing,
  maxFields: number,
): Violation | undefined {
  const length = text.length;
  let at = from;
  let fields = 0;
  while (at < length) {
    const nameStart = at;
    let upper = 0;
    let kind = TOKEN[text.charCodeAt(at)] as number;
    while (kind) {
      upper |= kind;
      kind = TOKEN[text.charCodeAt(++at)] as number;
    }
    if (at === nameStart || text.charCodeAt(at) !== COLON) return nameViolation(text, nameStart, at);
    let name = text.substring(nameStart, at++);
    if (upper & 2) name = name.toLowerCase();

    let code = text.charCodeAt(at);
    while (code === 32 || code === 9) code = text.charCodeAt(++at);
    const valueStart = at;
    while (FIELD_VALUE[code]) code = text.charCodeAt(++at);
    if (code !== CR || text.charCodeAt(at + 1) !== LF) return valueViolation(text, at);
    let valueEnd = at;
    while (valueEnd > valueStart && text.charCodeAt(valueEnd - 1) <= 32) valueEnd--;
    at += 2;

    const value = text.substring(valueStart, valueEnd);
    if (++fields > maxFields) return VIOLATIONS.tooManyFields;
    const noted = note(name, value, framing);
    if (noted === KEEP) flat.push(name, value);
    else if (noted !== NEXT) return noted;
  }
  if (framing.nominated) dropNominated(flat, framing.nominated);
  return undefined;
}

function dropNominated(flat: string[], nominated: readonly string[]): void {
  let kept = 0;
  for (let i = 0; i < flat.length; i += 2) {
    if (nominated.includes(flat[i] as string)) continue;
    flat[kept] = flat[i] as string;
    flat[kept + 1] = flat[i + 1] as string;
    kept += 2;
  }
  flat.length = kept;
}
