/** Bytes of HTTP/1.1 with which one request is made to look like another, or like two (RFC 9112, 2 to 7 and 11). */
import { httpText } from './wire.ts';

/** What must not come out of any of these as a request of its own. */
export const SMUGGLED: string = httpText('GET /smuggled HTTP/1.1', ['Host: any.test']);

const HOST = 'Host: any.test';
const CHUNKED = 'Transfer-Encoding: chunked';
const CHUNKS = `0\r\n\r\n${SMUGGLED}`;

export interface Refused {
  readonly name: string;
  readonly bytes: string;
}

const shown = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);

function post(headers: readonly string[], body: string): Refused {
  return { name: headers.map(shown).join(' '), bytes: httpText('POST /attack HTTP/1.1', [HOST, ...headers], body) };
}

function chunks(body: string): Refused {
  return { name: `chunks ${shown(body)}`, bytes: httpText('POST /attack HTTP/1.1', [HOST, CHUNKED], body) };
}

function start(line: string, headers: readonly string[] = [HOST]): Refused {
  return { name: `${shown(line)} ${headers.map(shown).join(' ')}`, bytes: httpText(line, headers) };
}

const raw = (bytes: string): Refused => ({ name: shown(bytes), bytes });

const CODINGS = [
  'chunked, chunked',
  'chunked, identity',
  'identity, chunked',
  'chunked;q=1',
  'chunked;',
  ',chunked',
  'chunked,',
  ', ,',
  '',
  'cow',
  'trailers, chunked',
  'gzip, chunked',
  'chunked gzip',
  'chunked\x0b',
  '\x0cchunked',
  'chunked\x85',
  '\xa0chunked',
  'chun\tked',
  'chunke',
  'chunkedd',
  "'chunked'",
  'chunked\\',
  `chunked${' '.repeat(50_000)}x`,
  `x${'\t'.repeat(50_000)},chunked`,
] as const;

const LENGTHS = [
  '3,3',
  '3 3',
  '-0',
  '+0',
  '3.',
  '3e0',
  '1_0',
  '0x3',
  '0b11',
  '3\x0b',
  '\xa03',
  '\xb3',
  '3;',
  '"3"',
  'NaN',
  'Infinity',
  '9007199254740993',
  '18446744073709551619',
] as const;

const FRAMING: readonly Refused[] = [
  ...CODINGS.map((coding) => post([`Transfer-Encoding: ${coding}`], CHUNKS)),
  ...CODINGS.map((coding) => post([`Transfer-Encoding: ${coding}`, 'Content-Length: 3'], 'abc')),
  ...LENGTHS.map((length) => post([`Content-Length: ${length}`], 'abc')),
  ...LENGTHS.map((length) => post([`Content-Length: ${length}`, 'Content-Length: 3'], 'abc')),
  ...LENGTHS.map((length) => post([CHUNKED, `Content-Length: ${length}`], CHUNKS)),
  post(['Content-Length: 3', 'content-length: 03'], 'abc'),
  post([CHUNKED, 'Transfer-Encoding: identity'], CHUNKS),
  post(['Transfer-Encoding: identity', CHUNKED], CHUNKS),
  post(['Transfer-Encoding: gzip', CHUNKED], CHUNKS),
  post(['Transfer-Encoding\t: chunked'], CHUNKS),
  post(['Transfer-Encoding\x00: chunked'], CHUNKS),
  post(['Transfer-Encoding\x0b: chunked'], CHUNKS),
  post(['\tTransfer-Encoding: chunked', 'Content-Length: 3'], 'abc'),
  post(['X: y\rTransfer-Encoding: chunked'], CHUNKS),
  post(['X: y\nTransfer-Encoding: chunked'], CHUNKS),
  post(['X: y', '', 'Transfer-Encoding: chunked'].slice(0, 1).concat('\nTransfer-Encoding: chunked'), CHUNKS),
  post(['Content-Length: 3\r\n\t, 4'], 'abc'),
  { name: 'chunks in HTTP/1.0', bytes: httpText('POST / HTTP/1.0', [HOST, 'Connection: keep-alive', CHUNKED], CHUNKS) },
  {
    name: 'CONNECT with a length',
    bytes: httpText('CONNECT any.test:80 HTTP/1.1', [HOST, 'Content-Length: 3'], 'abc'),
  },
  { name: 'CONNECT with chunks', bytes: httpText('CONNECT any.test:80 HTTP/1.1', [HOST, CHUNKED], CHUNKS) },
];

const CHUNK_LINES: readonly Refused[] = [
  '-3\r\nabc\r\n0\r\n\r\n',
  ' 3\r\nabc\r\n0\r\n\r\n',
  '3 \r\nabc\r\n0\r\n\r\n',
  '3\t\r\nabc\r\n0\r\n\r\n',
  '3\x0b\r\nabc\r\n0\r\n\r\n',
  '3\x00\r\nabc\r\n0\r\n\r\n',
  '3\r\r\nabc\r\n0\r\n\r\n',
  '3\rabc\r\n0\r\n\r\n',
  '3\r\nabc\r0\r\n\r\n',
  '3\r\nabc\r\r\n0\r\n\r\n',
  '3\r\nabc0\r\n\r\n',
  '3\r\nab\r\n0\r\n\r\n',
  '3\r\nabc\r\n\r\n0\r\n\r\n',
  '3;a\x00b\r\nabc\r\n0\r\n\r\n',
  '3;a\x7fb\r\nabc\r\n0\r\n\r\n',
  '3;a="\nGET /smuggled"\r\nabc\r\n0\r\n\r\n',
  ';a\r\nabc\r\n0\r\n\r\n',
  '3g\r\nabc\r\n0\r\n\r\n',
  '0x\r\n\r\n',
  '\xb3\r\nabc\r\n0\r\n\r\n',
  '10000000000000003\r\nabc\r\n0\r\n\r\n',
  'ffffffffffffffff\r\nabc\r\n0\r\n\r\n',
  '7fffffffffffffff\r\nabc\r\n0\r\n\r\n',
  `${'0'.repeat(4000)}3\r\nabc\r\n0\r\n\r\n`,
  `3;${'x'.repeat(70_000)}\r\nabc\r\n0\r\n\r\n`,
  `${`1;${'x'.repeat(1000)}\r\na\r\n`.repeat(70)}0\r\n\r\n`,
  '0\n\n',
  '0\r\n\n',
  '0\n\r\n',
  '0\r\r\n\r\n',
  '0\r\nX-A: a\nX-B: b\r\n\r\n',
  '0\r\nX-A: a\rX-B: b\r\n\r\n',
  '0\r\nX-A: a\x00\r\n\r\n',
  '0\r\nX-A : a\r\n\r\n',
  '0\r\n X-A: a\r\n\r\n',
  '0\r\nX-A: a\r\n b\r\n\r\n',
  '0\r\n: a\r\n\r\n',
  '0\r\nGET /smuggled HTTP/1.1\r\nHost: any.test\r\n\r\n',
  `0\r\nX-A: ${'x'.repeat(70_000)}\r\n\r\n`,
  `0\r\n${Array.from({ length: 101 }, (_, i) => `X-${i}: 1\r\n`).join('')}\r\n`,
].map(chunks);

const START_LINES: readonly Refused[] = [
  ...['(GET) / HTTP/1.1', 'G\x00ET / HTTP/1.1', 'GET\t/ HTTP/1.1', ' GET / HTTP/1.1', 'GET,POST / HTTP/1.1'].map(
    (line) => start(line),
  ),
  ...[
    'GET /\rX: y HTTP/1.1',
    'GET / HTTP/1.1\rX: y',
    'GET /\x0b HTTP/1.1',
    'GET /\x7f HTTP/1.1',
    'GET /\x80 HTTP/1.1',
  ].map((line) => start(line)),
  ...[
    'HTTP/1.1 ',
    'HTTP/1.1x',
    'HTTP/ 1.1',
    'HTTP/11',
    'HTTP/1',
    'HTTP/1.',
    'HTTP/01.1',
    'HTTP/1.01',
    'Http/1.1',
    'HTTP/3.0',
    'HTTP/0.9',
    'HTTP/2',
    'HTTP/-1.1',
    'HTTPS/1.1',
    'HTTP/1.1\x00',
    'HTTP\\1.1',
    'HTTP/1,1',
    'ICY',
  ].map((version) => start(`GET / ${version}`)),
  ...['/#', '/a#b', '?x', '//\\ ', 'a', '.', '../x', '*', '*/', '**', ':80', 'any.test', 'any.test:80', '[::1]:80'].map(
    (target) => start(`GET ${target} HTTP/1.1`),
  ),
  ...[
    'http:',
    'http:/',
    'http://',
    'http:///',
    'http:x',
    'http:/any.test/',
    'http//any.test/',
    '://any.test/',
    'ws://any.test/',
    'file:///etc/passwd',
    'javascript:1',
  ].map((target) => start(`GET ${target} HTTP/1.1`)),
  ...[
    '@any.test',
    'a:b@any.test',
    'any.test:x',
    'any.test:80:80',
    'any.test:99999',
    'any.test:-1',
    '[::1',
    '::1',
    '[::1]x',
    '[::1%25eth0]',
    '[::1%eth0]',
    'a,b',
    'a\\b',
    '%',
    '%0',
    '%zz',
    'a"b',
    'a<b',
    ':80',
  ].map((authority) => start(`GET http://${authority}/ HTTP/1.1`)),
  ...[
    'any.test',
    'any.test:',
    'any.test:x',
    '/x',
    'http://any.test:80/',
    '*',
    'a b:80',
    'me@any.test:80',
    ':80',
    '[::1:80',
  ].map((target) => start(`CONNECT ${target} HTTP/1.1`)),
  start('OPTIONS any.test HTTP/1.1'),
  start('GET http://any.test/ HTTP/1.1', []),
  start('GET http://any.test/ HTTP/1.1', ['Host: a b']),
  start('GET http://any.test/ HTTP/1.1', ['Host: any.test', 'Host: any.test']),
];

const HOSTS: readonly Refused[] = [
  ...[
    'any.test:99999',
    'any.test:-1',
    'any.test:80:80',
    '[::1',
    '::1',
    '[::1%25eth0]',
    '[::1]x',
    '[]',
    '[v1.a]',
    'a\\b',
    'a?b',
    'a#b',
    'a/b',
    '%',
    '%zz',
    '"a"',
    '<a>',
    '\xe9.test',
    'a\tb',
    'any.test\x0b',
    ',',
    'any.test,',
    ':80',
    '@',
    'a@b',
    'http://any.test',
  ].map((host) => start('GET / HTTP/1.1', [`Host: ${host}`])),
  start('GET / HTTP/1.1', ['Host : any.test']),
  start('GET / HTTP/1.1', ['Host: any.test', ' Host: other.test']),
  start('GET / HTTP/1.1', ['Host: any.test', 'hOST: other.test']),
  start('GET / HTTP/1.1', ['X-Host: any.test']),
  start('GET / HTTP/1.1', ['Host:', 'Host: any.test']),
  start('GET / HTTP/1.0', ['Host: a b']),
];

const LINES: readonly Refused[] = [
  raw(`\nGET / HTTP/1.1\r\n${HOST}\r\n\r\n`),
  raw(`\rGET / HTTP/1.1\r\n${HOST}\r\n\r\n`),
  raw(`\r\r\nGET / HTTP/1.1\r\n${HOST}\r\n\r\n`),
  raw(`${'\r\n'.repeat(2000)}GET / HTTP/1.1\r\n${HOST}\r\n\r\n`),
  raw(`GET / HTTP/1.1\r\n${HOST}\r\nX: a\r\r\n\r\n`),
  raw(`GET / HTTP/1.1\r\n${HOST}\r\n\r\r\n`),
  raw(`GET / HTTP/1.1\r\n${HOST}\r\n\nGET /smuggled HTTP/1.1\r\n${HOST}\r\n\r\n`),
  raw(`GET / HTTP/1.1\r\n${HOST}\r\n\x00\r\n\r\n`),
  raw(`GET / HTTP/1.1\r\n\r\n${HOST}\r\n\r\n`),
  raw(`GET / HTTP/1.1\r\n ${HOST}\r\n\r\n`),
  ...[
    'X\x01: a',
    'X\x7f: a',
    'X\xe9: a',
    '"X": a',
    'X(: a',
    'X/: a',
    'X@: a',
    'X[]: a',
    'X{}: a',
    'X=: a',
    'X,Y: a',
    'X\\: a',
    'X',
    ':',
    ': a',
    'X: a\x01',
    'X: a\x1b[0m',
    'X: \x00',
    'X: \x0b',
    'X: \x0c',
  ].map((line) => start('GET / HTTP/1.1', [HOST, line])),
];

/** Fields that tell where a request came from, named as those of one hop so that they are lost. */
const NOMINATED: readonly Refused[] = [
  'x-forwarded-for',
  'close, X-Forwarded-For',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-client-cert',
  ':path',
  ':authority',
].map((option) => start('GET / HTTP/1.1', [HOST, `Connection: ${option}`, 'X-Forwarded-For: 192.0.2.1']));

const MANY_OPTIONS = Array.from({ length: 200 }, (_, i) => `x-${i}`).join(', ');

const LIMITS: readonly Refused[] = [
  start(`GET /${'a'.repeat(100_000)} HTTP/1.1`),
  start(`${'A'.repeat(100_000)} / HTTP/1.1`),
  start('GET / HTTP/1.1', [HOST, `${'x'.repeat(100_000)}: 1`]),
  start('GET / HTTP/1.1', [HOST, `X: ${'x'.repeat(100_000)}`]),
  start('GET / HTTP/1.1', [HOST, ...Array.from({ length: 2000 }, () => 'a: b')]),
  start('GET / HTTP/1.1', [HOST, `Connection: ${MANY_OPTIONS}`]),
];

/** All of these are refused with a 4xx, 501 or 505 and a closed connection, and nothing of them reaches an upstream. */
export const REFUSED: readonly Refused[] = [
  ...FRAMING,
  ...CHUNK_LINES,
  ...START_LINES,
  ...HOSTS,
  ...LINES,
  ...NOMINATED,
  ...LIMITS,
];

export interface Served {
  readonly name: string;
  readonly bytes: string;
  readonly methods?: readonly string[];
  /** Start lines, hosts and bodies of what upstreams see, in order. */
  readonly seen: readonly (readonly [start: string, host: string, body: string])[];
  /** Statuses that the client gets, in order. */
  readonly statuses: readonly number[];
  readonly isEnded?: boolean;
  /** Fields that must not have come out. */
  readonly without?: readonly string[];
}

const get = (path: string, ...more: readonly string[]): string => httpText(`GET ${path} HTTP/1.1`, [HOST, ...more]);
const seen = (start: string, body = '', host = 'any.test') => [start, host, body] as const;
const A = seen('GET /a HTTP/1.1');
const B = seen('GET /b HTTP/1.1');

/** One request in is one request out. */
export const SERVED: readonly Served[] = [
  {
    name: 'the authority of an absolute target counts, whatever Host says',
    bytes: httpText('GET http://real.test/x HTTP/1.1', ['Host: other.test']),
    seen: [seen('GET /x HTTP/1.1', '', 'real.test')],
    statuses: [200],
  },
  {
    name: 'an absolute target without a path',
    bytes: httpText('GET http://real.test:8080?x=http://other.test/ HTTP/1.1', ['Host: other.test']),
    seen: [seen('GET /?x=http://other.test/ HTTP/1.1', '', 'real.test:8080')],
    statuses: [200],
  },
  {
    name: 'GET with a body that looks like a request',
    bytes: httpText('GET /a HTTP/1.1', [HOST, `Content-Length: ${SMUGGLED.length}`], SMUGGLED),
    seen: [seen('GET /a HTTP/1.1', SMUGGLED)],
    statuses: [200],
  },
  {
    name: 'chunks that look like a request',
    bytes: httpText('POST /a HTTP/1.1', [HOST, CHUNKED], `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`),
    seen: [seen('POST /a HTTP/1.1', SMUGGLED)],
    statuses: [200],
  },
  {
    name: 'a coding in capitals, with blanks around it',
    bytes: httpText(
      'POST /a HTTP/1.1',
      [HOST, 'TRANSFER-ENCODING: \t CHUNKED \t'],
      '3;a=b;c="d"\r\nabc\r\n000\r\nX-T: 1\r\n\r\n',
    ),
    seen: [seen('POST /a HTTP/1.1', 'abc')],
    statuses: [200],
  },
  {
    name: 'trailers that would frame, route or authorize',
    bytes: httpText(
      'POST /a HTTP/1.1',
      [HOST, CHUNKED],
      '3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\nHost: b.test\r\nAuthorization: x\r\n\r\n',
    ),
    seen: [seen('POST /a HTTP/1.1', 'abc')],
    statuses: [200],
    without: ['authorization'],
  },
  {
    name: 'requests sent ahead, answered in order',
    bytes: get('/a') + httpText('POST /p HTTP/1.1', [HOST, 'Content-Length: 3'], 'abc') + get('/b'),
    seen: [A, seen('POST /p HTTP/1.1', 'abc'), B],
    statuses: [200, 200, 200],
  },
  {
    name: 'good ones sent ahead of a bad one and another good one',
    bytes: `${get('/a')}${get('/b')}GET / HTTP/1.1\r\n\r\n${SMUGGLED}`,
    seen: [A, B],
    statuses: [200, 200, 400],
    isEnded: true,
  },
  {
    name: 'a bad one ahead of a good one',
    bytes: `GET / HTTP/1.1\r\nHost : x\r\n\r\n${SMUGGLED}`,
    seen: [],
    statuses: [400],
    isEnded: true,
  },
  {
    name: 'a request after one that is the last',
    bytes: get('/a', 'Connection: close') + SMUGGLED,
    seen: [A],
    statuses: [200],
    isEnded: true,
  },
  {
    name: 'a request after one that is the last among other options',
    bytes: get('/a', 'Connection: foo, CLOSE ,keep-alive') + SMUGGLED,
    seen: [A],
    statuses: [200],
    isEnded: true,
  },
  {
    name: 'an upgrade to HTTP/2 in the clear is not taken up',
    bytes:
      get('/a', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__') + get('/b'),
    seen: [A, B],
    statuses: [200, 200],
    without: ['upgrade', 'http2-settings', 'connection'],
  },
  {
    name: 'an upgrade that nobody allows',
    bytes: get('/a', 'Connection: Upgrade', 'Upgrade: TLS/1.0') + get('/b'),
    seen: [B],
    statuses: [403, 200],
  },
  {
    name: 'an upgrade that Connection does not name',
    bytes: get('/a', 'Upgrade: websocket') + get('/b'),
    seen: [A, B],
    statuses: [200, 200],
    without: ['upgrade', 'connection'],
  },
  {
    name: 'an upgrade with a body is none',
    bytes:
      httpText('POST /a HTTP/1.1', [HOST, 'Connection: Upgrade', 'Upgrade: websocket', 'Content-Length: 3'], 'abc') +
      get('/b'),
    seen: [seen('POST /a HTTP/1.1', 'abc'), B],
    statuses: [200, 200],
    without: ['upgrade', 'connection'],
  },
  {
    name: 'a tunnel that nobody allows, and what follows',
    bytes: httpText('CONNECT any.test:80 HTTP/1.1', [HOST]) + SMUGGLED,
    methods: ['CONNECT'],
    seen: [],
    statuses: [404],
    isEnded: true,
  },
  {
    name: 'fields that Connection names end here, and no others do',
    bytes: get(
      '/a',
      'Connection: x-one, authorization, host, content-length, x-two',
      'X-One: 1',
      'Authorization: me',
      'X-Two: 2',
      'Keep-Alive: 1',
      'Proxy-Connection: x',
      'TE: gzip, trailers',
    ),
    seen: [A],
    statuses: [200],
    without: ['x-one', 'x-two', 'connection', 'keep-alive', 'proxy-connection', 'te'],
  },
  {
    name: 'a body that waits for 100 and comes at once',
    bytes: httpText('POST /a HTTP/1.1', [HOST, 'Expect: 100-Continue', 'Content-Length: 3'], 'abc') + get('/b'),
    seen: [seen('POST /a HTTP/1.1', 'abc'), B],
    statuses: [100, 200, 200],
    without: ['expect'],
  },
  {
    name: 'HTTP/1.0 is asked for more than once only where it asks for that',
    bytes: httpText('GET /a HTTP/1.0', [HOST]) + SMUGGLED,
    seen: [],
    statuses: [426],
    isEnded: true,
  },
  {
    name: 'the end of a path is where it says',
    bytes: get('/a%0d%0aHost:%20b.test%0d%0a%0d%0aGET%20/smuggled?%0a'),
    seen: [seen('GET /a%0d%0aHost:%20b.test%0d%0a%0d%0aGET%20/smuggled?%0a HTTP/1.1')],
    statuses: [200],
  },
  {
    name: 'a few empty lines before a request',
    bytes: `\r\n\r\n${get('/a')}\r\n${get('/b')}`,
    seen: [A, B],
    statuses: [200, 200],
  },
];
