/** The head of a request: request line, Host, target forms (RFC 9112, 3; RFC 9110, 7.1 and 7.2). */
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { isAuthority, TARGET, TOKEN } from './characters.ts';
import { type Framing, readFields } from './fields.ts';
import { METHODS } from './methods.ts';
import type { Http1ServerOptions } from './server-options.ts';
import { VIOLATIONS, type Violation } from './violation.ts';

const SPACE = 32;
const SLASH = 47;

interface Target {
  readonly path: string;
  readonly authority: string | undefined;
  readonly scheme: string;
}

const ABSOLUTE = /^(https?):\/\/([^/?]*)(.*)$/i;

/** The forms of a target but the origin form, which is told by its first character. */
function readTarget(method: string, text: string): Target | Violation {
  if (method === 'CONNECT') {
    const port = text.slice(text.lastIndexOf(':') + 1);
    if (!isAuthority(text) || !/^\d+$/.test(port)) return VIOLATIONS.target;
    return { path: '', authority: text, scheme: '' };
  }
  if (text === '*') return method === 'OPTIONS' ? { path: '*', authority: undefined, scheme: '' } : VIOLATIONS.target;
  const match = ABSOLUTE.exec(text);
  if (!match || !isAuthority(match[2] as string)) return VIOLATIONS.target;
  const [, scheme = '', authority = '', rest = ''] = match;
  const rooted = rest.startsWith('/') ? rest : `/${rest}`;
  return { path: method === 'OPTIONS' && rest === '' ? '*' : rooted, authority, scheme: scheme.toLowerCase() };
}

/** `HTTP/1.1` gives 1, `HTTP/1.0` gives 0; a later minor version is treated as the last one known (RFC 9110, 2.5). */
function readMinorVersion(text: string): 0 | 1 | Violation {
  if (text === 'HTTP/1.1') return 1;
  if (text === 'HTTP/1.0') return 0;
  if (!/^HTTP\/\d\.\d$/.test(text)) return VIOLATIONS.version;
  return text[5] === '1' ? 1 : VIOLATIONS.majorVersion;
}

/** What Host must be: exactly one in HTTP/1.1, well-formed wherever there is one. */
function checkHost(framing: Framing, minor: 0 | 1): Violation | undefined {
  if (framing.hosts > 1) return VIOLATIONS.severalHosts;
  if (framing.hosts === 0) return minor === 1 ? VIOLATIONS.missingHost : undefined;
  return isAuthority(framing.host) ? undefined : VIOLATIONS.host;
}

function checkFraming(framing: Framing, minor: 0 | 1): Violation | undefined {
  if (!framing.chunked) return undefined;
  if (framing.contentLength !== -1) return VIOLATIONS.lengthAndEncoding;
  return minor === 0 ? VIOLATIONS.transferEncoding : undefined;
}

/** Where the method ends, or what is wrong with it. */
function readMethodEnd(text: string): number | Violation {
  let at = 0;
  while (TOKEN[text.charCodeAt(at)]) at++;
  return at === 0 || text.charCodeAt(at) !== SPACE ? VIOLATIONS.method : at;
}

function complete(head: RequestHead, framing: Framing, minor: 0 | 1): RequestHead {
  if (minor === 0) head.protocol = 'HTTP/1.0';
  head.bodyLength = framing.chunked ? -1 : Math.max(framing.contentLength, 0);
  if (minor === 1) {
    if (framing.upgradeOption && framing.upgrade) head.upgrade = framing.upgrade.toLowerCase();
    if (framing.expect !== undefined) head.expectsContinue = framing.expect.toLowerCase() === '100-continue';
  }
  return head;
}

/**
 * Reads the whole head of a request, each line with its CRLF, without the empty line at the end. `framing` is filled.
 * Gives the head, or what is wrong with it.
 */
export function readRequestHead(text: string, framing: Framing, maxFields: number): RequestHead | Violation {
  const methodEnd = readMethodEnd(text);
  if (typeof methodEnd !== 'number') return methodEnd;
  const method = text.substring(0, methodEnd);

  const targetStart = methodEnd + 1;
  let at = targetStart;
  while (TARGET[text.charCodeAt(at)]) at++;
  if (at === targetStart || text.charCodeAt(at) !== SPACE) return VIOLATIONS.target;
  const target = text.substring(targetStart, at);

  const lineEnd = text.indexOf('\n', at);
  if (text.charCodeAt(lineEnd - 1) !== 13) return VIOLATIONS.bareLineFeed;
  const minor = readMinorVersion(text.substring(at + 1, lineEnd - 1));
  if (typeof minor !== 'number') return minor;

  const headers = new HeaderList();
  const violation = readFields(text, lineEnd + 1, headers.flat, framing, maxFields) ?? checkFraming(framing, minor);
  if (violation) return violation;

  if (target.charCodeAt(0) === SLASH && method !== 'CONNECT') {
    const wrong = checkHost(framing, minor);
    return wrong ?? complete(new RequestHead(method, target, framing.host, '', headers), framing, minor);
  }
  const read = readTarget(method, target);
  const wrong = 'detail' in read ? read : checkHost(framing, minor);
  if (wrong) return wrong;
  const { path, authority, scheme } = read as Target;
  return complete(new RequestHead(method, path, authority ?? framing.host, scheme, headers), framing, minor);
}

/** What a listener does not take of requests that are well-formed; a request in HTTP/1.0 is given the host that it lacks. */
export function checkRequestHead(
  head: RequestHead,
  { acceptsHttp10, defaultHostForHttp10, allowsCustomMethods }: Http1ServerOptions,
): Violation | undefined {
  if (head.protocol === 'HTTP/1.0') {
    if (!acceptsHttp10) return VIOLATIONS.oldVersion;
    if (head.authority === '' && defaultHostForHttp10 === '') return VIOLATIONS.missingHost;
    if (head.authority === '') head.authority = defaultHostForHttp10;
  }
  if (!allowsCustomMethods && !METHODS.has(head.method)) return VIOLATIONS.method;
  return head.method === 'CONNECT' && head.bodyLength !== 0 ? VIOLATIONS.contentLength : undefined;
}

/**
 * Looks at the start of a head of which no line end has come yet, so that what is no HTTP at all (a TLS handshake, say)
 * is answered at once rather than waited for.
 */
export function checkRequestStart(bytes: Buffer, start: number): Violation | undefined {
  const end = Math.min(bytes.length, start + 64);
  for (let at = start; at < end; at++) {
    const code = bytes[at] as number;
    if (code === SPACE) return at === start ? VIOLATIONS.method : undefined;
    if (!TOKEN[code]) return VIOLATIONS.method;
  }
  return undefined;
}
