/** Bytes that are not one clear request (RFC 9112, 2 to 7 and 11). Both data planes are to refuse them. */
import { httpText } from './wire.ts';

export interface AttackCase {
  readonly name: string;
  readonly bytes: string;
  /** Why Weft refuses it where Envoy does not, and what Envoy makes of it. */
  readonly weftAlone?: string;
}

const HOST = 'Host: any.test';
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: any.test\r\n\r\n';

function post(headers: readonly string[], body: string): string {
  return httpText('POST /attack HTTP/1.1', [HOST, ...headers], body);
}

function refused(name: string, bytes: string, weftAlone?: string): AttackCase {
  return weftAlone === undefined ? { name, bytes } : { name, bytes, weftAlone };
}

const CHUNKED = 'Transfer-Encoding: chunked';
const BODY = `0\r\n\r\n${SMUGGLED}`;

const FRAMING: readonly AttackCase[] = [
  refused('length and chunks', post(['Content-Length: 4', CHUNKED], BODY)),
  refused('chunks and length', post([CHUNKED, 'Content-Length: 4'], BODY)),
  refused('two lengths', post(['Content-Length: 3', 'Content-Length: 4'], 'abc')),
  refused('two equal lengths', post(['Content-Length: 3', 'Content-Length: 3'], 'abc')),
  refused('a list of lengths', post(['Content-Length: 3, 3'], 'abc')),
  refused('a length with a sign', post(['Content-Length: +3'], 'abc')),
  refused('a negative length', post(['Content-Length: -3'], 'abc')),
  refused('a length in hex', post(['Content-Length: 0x3'], 'abc')),
  refused('an empty length', post(['Content-Length: '], 'abc')),
  refused('a length beyond all numbers', post(['Content-Length: 99999999999999999999'], 'abc')),
  refused('a length with a fraction', post(['Content-Length: 3.0'], 'abc')),
  refused('a coding that is not chunked', post(['Transfer-Encoding: xchunked'], BODY)),
  refused('identity', post(['Transfer-Encoding: identity', 'Content-Length: 3'], 'abc')),
  refused('chunked, then another coding', post(['Transfer-Encoding: chunked, gzip'], BODY)),
  refused('chunked twice', post([CHUNKED, CHUNKED], BODY)),
  refused('chunked in quotes', post(['Transfer-Encoding: "chunked"'], BODY)),
  refused('chunked with a vertical tab', post(['Transfer-Encoding: \x0bchunked'], BODY)),
  refused('a space before the colon', post(['Transfer-Encoding : chunked'], BODY)),
  refused('a space before the field', post([' Transfer-Encoding: chunked'], BODY)),
  refused(
    'a folded coding',
    post(['Transfer-Encoding:\r\n chunked'], BODY),
    'obsolete folding is to be refused or replaced (RFC 9112, 5.2); Weft refuses it',
  ),
  refused('chunks in HTTP/1.0', httpText('POST /attack HTTP/1.0', [HOST, CHUNKED], BODY)),
  refused(
    'a folded field',
    post(['X-Folded: a\r\n b', 'Content-Length: 0'], ''),
    'obsolete folding is to be refused or replaced (RFC 9112, 5.2); Weft refuses it',
  ),
];

const CHUNKS: readonly AttackCase[] = [
  refused('a chunk size beyond all numbers', post([CHUNKED], 'fffffffffffffffff\r\nabc')),
  refused('a chunk size with a sign', post([CHUNKED], '+3\r\nabc\r\n0\r\n\r\n')),
  refused('a chunk size with 0x', post([CHUNKED], '0x3\r\nabc\r\n0\r\n\r\n')),
  refused('no chunk size', post([CHUNKED], '\r\nabc\r\n0\r\n\r\n')),
  refused('a chunk size that is none', post([CHUNKED], 'xyz\r\nabc\r\n0\r\n\r\n')),
  refused(
    'a chunk longer than it says',
    post([CHUNKED], '3\r\nabcd\r\n0\r\n\r\n'),
    'a chunk ends with CRLF (RFC 9112, 7.1)',
  ),
  refused(
    'a chunk that ends with a bare line feed',
    post([CHUNKED], '3\r\nabc\n0\r\n\r\n'),
    'a chunk ends with CRLF (RFC 9112, 7.1)',
  ),
  refused('a chunk size that ends with a bare line feed', post([CHUNKED], '3\nabc\r\n0\r\n\r\n')),
  refused('a chunk extension with a bare line feed', post([CHUNKED], '3;a\nb\r\nabc\r\n0\r\n\r\n')),
  refused('a chunk extension with a bare carriage return', post([CHUNKED], '3;a\rb\r\nabc\r\n0\r\n\r\n')),
  refused(
    'a space in a chunk size',
    post([CHUNKED], '3 3\r\nabc\r\n0\r\n\r\n'),
    'a chunk size is digits alone (RFC 9112, 7.1)',
  ),
];

const LINES: readonly AttackCase[] = [
  refused(
    'bare line feeds',
    'GET / HTTP/1.1\nHost: any.test\n\n',
    'a recipient may take a bare line feed for a line end; one that does reads other lines than one that does not',
  ),
  refused(
    'a bare line feed after a field',
    'GET / HTTP/1.1\r\nHost: any.test\nX-A: b\r\n\r\n',
    'a recipient may take a bare line feed for a line end; one that does reads other lines than one that does not',
  ),
  refused(
    'a bare carriage return in a value',
    httpText('GET / HTTP/1.1', [HOST, 'X-A: a\rb']),
    'a bare carriage return is invalid, or a space (RFC 9112, 2.2); Weft refuses it',
  ),
  refused('a bare carriage return between fields', 'GET / HTTP/1.1\r\nHost: any.test\rX-A: b\r\n\r\n'),
  refused('NUL in a value', httpText('GET / HTTP/1.1', [HOST, 'X-A: a\0b'])),
  refused('NUL in a name', httpText('GET / HTTP/1.1', [HOST, 'X-\0A: b'])),
  refused('a control character in a value', httpText('GET / HTTP/1.1', [HOST, 'X-A: a\x01b'])),
  refused('DEL in a value', httpText('GET / HTTP/1.1', [HOST, 'X-A: a\x7fb'])),
  refused('a name with a space', httpText('GET / HTTP/1.1', [HOST, 'X A: b'])),
  refused('a name beyond ASCII', httpText('GET / HTTP/1.1', [HOST, 'X-\xe9: b'])),
  refused('an empty name', httpText('GET / HTTP/1.1', [HOST, ': b'])),
  refused('a line without a colon', httpText('GET / HTTP/1.1', [HOST, 'X-A'])),
  refused('a method with a slash', httpText('GE/T / HTTP/1.1', [HOST])),
  refused('a method that nobody knows', httpText('WEFT / HTTP/1.1', [HOST])),
  refused('a method in lower case', httpText('get / HTTP/1.1', [HOST])),
  refused('no target', httpText('GET HTTP/1.1', [HOST])),
  refused(
    'two spaces before the target',
    httpText('GET  / HTTP/1.1', [HOST]),
    'a request line has single spaces (RFC 9112, 3)',
  ),
  refused(
    'two spaces before the version',
    httpText('GET /  HTTP/1.1', [HOST]),
    'a request line has single spaces (RFC 9112, 3)',
  ),
  refused('a target that is not rooted', httpText('GET attack HTTP/1.1', [HOST])),
  refused('a target with a space', httpText('GET /a b HTTP/1.1', [HOST])),
  refused('a target with a tab', httpText('GET /a\tb HTTP/1.1', [HOST])),
  refused('a target beyond ASCII', httpText('GET /\xe9 HTTP/1.1', [HOST])),
  refused('a target with a control character', httpText('GET /a\x01b HTTP/1.1', [HOST])),
  refused('a star for GET', httpText('GET * HTTP/1.1', [HOST])),
  refused('an authority for GET', httpText('GET any.test:80 HTTP/1.1', [HOST])),
  refused('a scheme that is not HTTP', httpText('GET ftp://any.test/ HTTP/1.1', [HOST])),
  refused(
    'user info in the authority',
    httpText('GET http://me@any.test/ HTTP/1.1', [HOST]),
    'user info is no part of an authority here (RFC 9110, 4.2.4)',
  ),
  refused('an absolute target without an authority', httpText('GET http:///path HTTP/1.1', [HOST])),
  refused('HTTP/0.9', 'GET /\r\n\r\n'),
  refused('HTTP/2.0 in text', httpText('GET / HTTP/2.0', [HOST])),
  refused('HTTP/1.10', httpText('GET / HTTP/1.10', [HOST])),
  refused('a version in lower case', httpText('GET / http/1.1', [HOST])),
  refused(
    'what begins like the preface of HTTP/2 and is not',
    'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n',
    'Weft looks at the whole preface and answers; Envoy at its first bytes, and closes without a word',
  ),
  refused('a TLS handshake', '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03'),
];

const HOSTS: readonly AttackCase[] = [
  refused('no Host', httpText('GET / HTTP/1.1', [])),
  refused(
    'two Hosts',
    httpText('GET / HTTP/1.1', [HOST, 'Host: other.test']),
    'a request has one Host (RFC 9112, 3.2); Envoy joins two with a comma',
  ),
  refused(
    'two equal Hosts',
    httpText('GET / HTTP/1.1', [HOST, HOST]),
    'a request has one Host (RFC 9112, 3.2); Envoy joins two with a comma',
  ),
  refused(
    'an empty Host',
    httpText('GET / HTTP/1.1', ['Host: ']),
    'Host is a host, and a port perhaps (RFC 9110, 7.2)',
  ),
  refused('a Host with a path', httpText('GET / HTTP/1.1', ['Host: any.test/path'])),
  refused(
    'a Host with user info',
    httpText('GET / HTTP/1.1', ['Host: me@any.test']),
    'Host is a host, and a port perhaps (RFC 9110, 7.2)',
  ),
  refused('a Host with a comma', httpText('GET / HTTP/1.1', ['Host: any.test, other.test'])),
  refused('a Host with a space', httpText('GET / HTTP/1.1', ['Host: any test'])),
  refused(
    'a Host with a port that is none',
    httpText('GET / HTTP/1.1', ['Host: any.test:x']),
    'Host is a host, and a port perhaps (RFC 9110, 7.2)',
  ),
];

const LIMITS: readonly AttackCase[] = [
  refused('a head that is too long', httpText('GET / HTTP/1.1', [HOST, `X-Long: ${'x'.repeat(70_000)}`])),
  refused('a target that is too long', httpText(`GET /${'x'.repeat(70_000)} HTTP/1.1`, [HOST])),
  refused(
    'too many fields',
    httpText('GET / HTTP/1.1', [HOST, ...Array.from({ length: 101 }, (_, index) => `X-${index}: 1`)]),
  ),
];

export const ATTACK_CASES: readonly AttackCase[] = [...FRAMING, ...CHUNKS, ...LINES, ...HOSTS, ...LIMITS];
