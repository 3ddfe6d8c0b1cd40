import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SeenRequest } from '../http/testing/recording-server.ts';
import { isFieldValue } from './characters.ts';
import { RawClient, TestServer } from './testing/server.ts';

/** The status lines of what a server sent, in order. */
function statuses(received: string): readonly string[] {
  return [...received.matchAll(/(?:^|\n|[^\r\n])HTTP\/1\.1 (\d{3})/g)].map(([, status = '']) => status);
}

const HOST = 'Host: a.example\r\n';
const get = (fields: string, line = 'GET / HTTP/1.1'): string => `${line}\r\n${fields}\r\n`;
const post = (fields: string, body: string): string => `POST / HTTP/1.1\r\n${HOST}${fields}\r\n${body}`;
const chunked = (body: string): string => post('Transfer-Encoding: chunked\r\n', body);

/** What is behind what was sent: it must never be served once something was refused. */
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n';

const REFUSED: readonly (readonly [what: string, bytes: string, status?: number])[] = [
  ['a length beside an encoding', post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
  ['an encoding beside a length', post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n')],
  ['two equal lengths', post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello')],
  ['two lengths', post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello')],
  ['lengths in a list', post('Content-Length: 5, 5\r\n', 'hello')],
  ['a length with a plus', post('Content-Length: +5\r\n', 'hello')],
  ['a negative length', post('Content-Length: -5\r\n', 'hello')],
  ['a hexadecimal length', post('Content-Length: 0x5\r\n', 'hello')],
  ['an empty length', post('Content-Length:\r\n', '')],
  ['a length with a space within', post('Content-Length: 5 5\r\n', 'hello')],
  ['a length with a point', post('Content-Length: 5.0\r\n', 'hello')],
  ['a length of other digits', post('Content-Length: \xb5\r\n', 'hello')],
  ['a length beyond what can be counted', post('Content-Length: 99999999999999999999\r\n', 'hello')],
  ['a length that wraps at 64 bits', post('Content-Length: 18446744073709551621\r\n', 'hello')],
  ['a space before the colon of the encoding', post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n')],
  ['a tab before the colon of the length', post('Content-Length\t: 5\r\n', 'hello')],
  ['an encoding that is not chunked', post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n')],
  ['identity', post('Transfer-Encoding: identity\r\n', '')],
  ['identity after chunked', post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n')],
  ['chunked twice in a list', post('Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n')],
  ['chunked in two fields', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
  ['an encoding in two fields', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n', '0\r\n\r\n')],
  ['an empty encoding', post('Transfer-Encoding:\r\n', '')],
  ['a vertical tab after chunked', post('Transfer-Encoding: chunked\x0b\r\n', '0\r\n\r\n')],
  ['a form feed before chunked', post('Transfer-Encoding:\x0cchunked\r\n', '0\r\n\r\n')],
  ['quotes around chunked', post('Transfer-Encoding: "chunked"\r\n', '0\r\n\r\n')],
  ['a parameter of chunked', post('Transfer-Encoding: chunked;q=1\r\n', '0\r\n\r\n')],
  ['a coding that is not undone', post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), 501],
  ['an encoding in HTTP/1.0', get(`${HOST}Transfer-Encoding: chunked\r\n`, 'POST / HTTP/1.0')],
  ['a folded encoding', post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n')],
  ['a folded field', get(`${HOST}X: a\r\n b\r\n`)],
  ['a folded first field', `GET / HTTP/1.1\r\n Host: a.example\r\n\r\n`],
  ['a bare LF after the request line', `GET / HTTP/1.1\n${HOST}\r\n`],
  ['a bare LF after a field', `GET / HTTP/1.1\r\nHost: a.example\n\r\n`],
  ['bare LFs alone', 'GET / HTTP/1.1\nHost: a.example\n\n'],
  ['a bare LF before the request line', `\nGET / HTTP/1.1\r\n${HOST}\r\n`],
  ['a bare CR in a value', get(`${HOST}X: a\rb\r\n`)],
  ['a bare CR in a name', get(`${HOST}X\rY: b\r\n`)],
  ['a bare CR as the end of a line', `GET / HTTP/1.1\rHost: a.example\r\n\r\n`],
  ['two CRs before a LF', `GET / HTTP/1.1\r\r\n${HOST}\r\n`],
  ['a field without a colon', get(`${HOST}X\r\n`)],
  ['a field without a name', get(`${HOST}: x\r\n`)],
  ['a space before a colon', get(`${HOST}X : y\r\n`)],
  ['a space in a name', get(`${HOST}X Y: z\r\n`)],
  ['a NUL in a value', get(`${HOST}X: a\0b\r\n`)],
  ['a NUL in a name', get(`${HOST}X\0: b\r\n`)],
  ['a NUL in the target', get(HOST, 'GET /\0 HTTP/1.1')],
  ['a byte from 0x80 on in a name', get(`${HOST}X\xe9: y\r\n`)],
  ['a bracket in a name', get(`${HOST}X[]: y\r\n`)],
  ['a control character in a value', get(`${HOST}X: a\x01b\r\n`)],
  ['DEL in a value', get(`${HOST}X: a\x7f\r\n`)],
  ['a method that is no token', get(HOST, 'G(T / HTTP/1.1')],
  ['a method that is not known', get(HOST, 'GETX / HTTP/1.1')],
  ['a method in lower case', get(HOST, 'get / HTTP/1.1')],
  ['no method', get(HOST, ' / HTTP/1.1')],
  ['two spaces after the method', get(HOST, 'GET  / HTTP/1.1')],
  ['a tab after the method', get(HOST, 'GET\t/ HTTP/1.1')],
  ['no target', get(HOST, 'GET HTTP/1.1')],
  ['a target that is not rooted', get(HOST, 'GET a HTTP/1.1')],
  ['a target with a space', get(HOST, 'GET /a b HTTP/1.1')],
  ['a target with a fragment', get(HOST, 'GET /a#b HTTP/1.1')],
  ['a target with a byte from 0x80 on', get(HOST, 'GET /\xe9 HTTP/1.1')],
  ['two spaces before the version', get(HOST, 'GET /  HTTP/1.1')],
  ['a space after the version', get(HOST, 'GET / HTTP/1.1 ')],
  ['a version in lower case', get(HOST, 'GET / http/1.1')],
  ['a version of another protocol', get(HOST, 'GET / ICY/1.1')],
  ['a version without a minor', get(HOST, 'GET / HTTP/1')],
  ['a version with a long minor', get(HOST, 'GET / HTTP/1.10')],
  ['a version with a leading zero', get(HOST, 'GET / HTTP/01.1')],
  ['HTTP/0.9', 'GET /\r\n\r\n'],
  ['HTTP/2', get(HOST, 'GET / HTTP/2.0'), 505],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
  ['HTTP/3', get(HOST, 'GET / HTTP/3.0'), 505],
  ['no Host', get('X: y\r\n')],
  ['two Hosts', get(`${HOST}${HOST}`)],
  ['two different Hosts', get(`${HOST}Host: b.example\r\n`)],
  ['an empty Host', get('Host:\r\n')],
  ['Hosts in a list', get('Host: a.example, b.example\r\n')],
  ['a Host with a path', get('Host: a.example/b\r\n')],
  ['a Host with a user', get('Host: user@a.example\r\n')],
  ['a Host with a space', get('Host: a.example b\r\n')],
  ['a Host with a port that is no number', get('Host: a.example:x\r\n')],
  ['a Host with a port that is too high', get('Host: a.example:65536\r\n')],
  ['a Host with two ports', get('Host: a.example:80:81\r\n')],
  ['a Host with half an escape', get('Host: a%2\r\n')],
  ['a Host that is half an IPv6 address', get('Host: [::1\r\n')],
  ['a Host that is no IPv6 address', get('Host: [1::2::3]\r\n')],
  ['a Host with something after an IPv6 address', get('Host: [::1]x\r\n')],
  ['a Host with bytes from 0x80 on', get('Host: \xe9.example\r\n')],
  ['an absolute form with a user', get(HOST, 'GET http://user@a.example/ HTTP/1.1')],
  ['an absolute form without an authority', get(HOST, 'GET http:///x HTTP/1.1')],
  ['an absolute form of another scheme', get(HOST, 'GET ftp://a.example/ HTTP/1.1')],
  ['an absolute form with a bad Host', get('Host: a b\r\n', 'GET http://a.example/ HTTP/1.1')],
  ['an absolute form with two Hosts', get(`${HOST}${HOST}`, 'GET http://a.example/ HTTP/1.1')],
  ['an absolute form without Host', get('', 'GET http://a.example/ HTTP/1.1')],
  ['an authority form for GET', get(HOST, 'GET a.example:80 HTTP/1.1')],
  ['an asterisk for GET', get(HOST, 'GET * HTTP/1.1')],
  ['an asterisk with more', get(HOST, 'OPTIONS *x HTTP/1.1')],
  ['CONNECT without a port', get(HOST, 'CONNECT a.example HTTP/1.1')],
  ['CONNECT with an empty port', get(HOST, 'CONNECT a.example: HTTP/1.1')],
  ['CONNECT with a path', get(HOST, 'CONNECT / HTTP/1.1')],
  ['CONNECT with a body', get(`${HOST}Content-Length: 5\r\n`, 'CONNECT a.example:80 HTTP/1.1')],
  ['CONNECT with chunks', get(`${HOST}Transfer-Encoding: chunked\r\n`, 'CONNECT a.example:80 HTTP/1.1')],
  ['too many empty lines', `${'\r\n'.repeat(17)}${get(HOST)}`],
  ['a request line that is too long', get(HOST, `GET /${'a'.repeat(9000)} HTTP/1.1`), 431],
  ['a request line that does not end', `GET /${'a'.repeat(9000)}`, 431],
  ['a field that is too long', get(`${HOST}X: ${'a'.repeat(9000)}\r\n`), 431],
  ['too many fields', get(`${HOST}${'X: y\r\n'.repeat(100)}`), 431],
  ['the start of a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01'],
  ['bytes that are nothing', '\xff\xfe\xfd'],
  ['more nominated fields than any client needs', get(`${HOST}Connection: ${'x,'.repeat(40)}x\r\n`)],
];

for (const [what, bytes, status = 400] of REFUSED) {
  test(`${what} is refused with ${status}, and nobody is given it`, async () => {
    await using server = await new TestServer().start();
    using client = new RawClient(server.port);
    const received = await client.send(bytes + SMUGGLED).toEnd();
    assert.deepEqual(statuses(received), [String(status)]);
    assert.match(received, /\r\nconnection: close\r\n/);
    assert.deepEqual(server.requests, []);
  });
}

const BROKEN_BODIES: readonly (readonly [what: string, body: string])[] = [
  ['a size that is no number', 'x\r\n'],
  ['an empty size', '\r\n'],
  ['a size with a sign', '+5\r\nhello\r\n0\r\n\r\n'],
  ['a size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
  ['a space before the size', ' 5\r\nhello\r\n0\r\n\r\n'],
  ['a space after the size', '5 \r\nhello\r\n0\r\n\r\n'],
  ['another size after a space', '5 5;a\r\nhello\r\n0\r\n\r\n'],
  ['blanks without end after the size', `5${' '.repeat(20_000)};a\r\nhello\r\n0\r\n\r\n`],
  ['a size that overflows', 'fffffffffffffff5\r\nhello\r\n0\r\n\r\n'],
  ['a size that wraps at 64 bits', '10000000000000005\r\nhello\r\n0\r\n\r\n'],
  ['a size in parts', '5_0\r\nhello\r\n0\r\n\r\n'],
  ['a bare LF after the size', '5\nhello\r\n0\r\n\r\n'],
  ['a bare CR after the size', '5\rhello\r\n0\r\n\r\n'],
  ['a bare LF in an extension', '5;a\nhello\r\n0\r\n\r\n'],
  ['a bare CR in an extension', '5;a\rb\r\nhello\r\n0\r\n\r\n'],
  ['a NUL in an extension', '5;a\0\r\nhello\r\n0\r\n\r\n'],
  ['extensions without end', `5;${'a'.repeat(20_000)}\r\nhello\r\n0\r\n\r\n`],
  ['no line end after the bytes', '5\r\nhello0\r\n\r\n'],
  ['more bytes than the size', '5\r\nhelloX\r\n0\r\n\r\n'],
  ['a bare LF after the bytes', '5\r\nhello\n0\r\n\r\n'],
  ['a bare CR after the bytes', '5\r\nhello\rX0\r\n\r\n'],
  ['a negative size', '-1\r\n\r\n'],
  ['a trailer without a colon', '0\r\nX\r\n\r\n'],
  ['a folded trailer', '0\r\nX: y\r\n z\r\n\r\n'],
  ['a bare LF in the trailers', '0\r\nX: y\n\r\n'],
  ['a bare LF at the end', '0\r\n\n'],
  ['a NUL in a trailer', '0\r\nX: \0\r\n\r\n'],
  ['trailers that are too long', `0\r\nX: ${'a'.repeat(9000)}\r\n\r\n`],
];

for (const [what, body] of BROKEN_BODIES) {
  test(`a chunked body with ${what} never becomes a complete request`, async () => {
    await using server = await new TestServer().start();
    using client = new RawClient(server.port);
    const received = await client.send(chunked(body) + SMUGGLED).toEnd();
    assert.match(received, /^HTTP\/1\.1 4(00|31) /);
    assert.equal(statuses(received).length, 1);
    assert.deepEqual(
      server.requests.map(({ state, head }) => [state, head.path]),
      [['malformed', '/']],
    );
  });
}

type Seen = Pick<SeenRequest, 'body'> & { method: string; path: string; authority: string; headers: string[] };

const seen = ({ head, body }: SeenRequest): Seen => ({
  method: head.method,
  path: head.path,
  authority: head.authority,
  headers: head.headers.flat,
  body,
});

const expectGet = (change: Partial<Seen> = {}): Seen => ({
  method: 'GET',
  path: '/',
  authority: 'a.example',
  headers: [],
  body: '',
  ...change,
});

const ACCEPTED: readonly (readonly [what: string, bytes: string, ...expected: Seen[]])[] = [
  ['a plain request', get(HOST), expectGet()],
  ['empty lines before it', `\r\n\r\n${get(HOST)}`, expectGet()],
  ['a name in any case', get('hOsT: a.example\r\n'), expectGet()],
  ['spaces and tabs around a value', get('Host: \t a.example \t \r\nX:\ty \r\n'), expectGet({ headers: ['x', 'y'] })],
  ['an empty value', get(`${HOST}X:\r\n`), expectGet({ headers: ['x', ''] })],
  ['bytes from 0x80 on in a value', get(`${HOST}X: \xe9\xff\r\n`), expectGet({ headers: ['x', '\xe9\xff'] })],
  ['a port in Host', get('Host: a.example:8080\r\n'), expectGet({ authority: 'a.example:8080' })],
  ['an IPv6 address in Host', get('Host: [::1]:8080\r\n'), expectGet({ authority: '[::1]:8080' })],
  ['a query', get(HOST, 'GET /a?b=c&d HTTP/1.1'), expectGet({ path: '/a?b=c&d' })],
  ['two slashes', get(HOST, 'GET //b.example/x HTTP/1.1'), expectGet({ path: '//b.example/x' })],
  ['a later minor version', get(HOST, 'GET / HTTP/1.2'), expectGet()],
  [
    'an absolute form, whose authority wins over Host',
    get('Host: other.example\r\n', 'GET http://a.example/x?y HTTP/1.1'),
    expectGet({ path: '/x?y' }),
  ],
  ['an absolute form without a path', get(HOST, 'GET http://a.example HTTP/1.1'), expectGet()],
  ['an absolute form with a query alone', get(HOST, 'GET http://a.example?x HTTP/1.1'), expectGet({ path: '/?x' })],
  ['an asterisk for OPTIONS', get(HOST, 'OPTIONS * HTTP/1.1'), expectGet({ method: 'OPTIONS', path: '*' })],
  [
    'an absolute form for OPTIONS of the server',
    get(HOST, 'OPTIONS http://a.example HTTP/1.1'),
    expectGet({ method: 'OPTIONS', path: '*' }),
  ],
  ['a body with a length', post('Content-Length: 5\r\n', 'hello'), expectPost('hello', ['content-length', '5'])],
  ['a body of nothing', post('Content-Length: 0\r\n', ''), expectPost('', ['content-length', '0'])],
  [
    'a length with zeros before it',
    post('Content-Length: 005\r\n', 'hello'),
    expectPost('hello', ['content-length', '005']),
  ],
  ['a body in chunks', chunked('5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n'), expectPost('hello world', [])],
  ['chunked in another case', post('Transfer-Encoding: Chunked\r\n', '0\r\n\r\n'), expectPost('', [])],
  ['chunk extensions, which are left out', chunked('5;a=b;c="d"\r\nhello\r\n0;x\r\n\r\n'), expectPost('hello', [])],
  ['blanks before a chunk extension', chunked('5 \t;a=b\r\nhello\r\n0 ;x\r\n\r\n'), expectPost('hello', [])],
  [
    'sizes in both cases',
    chunked('A\r\n0123456789\r\na\r\n0123456789\r\n00\r\n\r\n'),
    expectPost('0123456789'.repeat(2), []),
  ],
  [
    'a body that looks like a request',
    post(`Content-Length: ${SMUGGLED.length}\r\n`, SMUGGLED),
    expectPost(SMUGGLED, ['content-length', String(SMUGGLED.length)]),
  ],
  [
    'fields that Connection names, which end here',
    get(
      `${HOST}Connection: X-A, keep-alive, x-b\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\nKeep-Alive: timeout=5\r\nTE: trailers, deflate\r\nProxy-Connection: x\r\n`,
    ),
    expectGet({ headers: ['x-c', '3'] }),
  ],
  [
    'fields that Connection may not take away',
    post(
      'Connection: content-length, host, cookie, authorization\r\nContent-Length: 5\r\nCookie: a\r\nAuthorization: b\r\n',
      'hello',
    ),
    expectPost('hello', ['content-length', '5', 'cookie', 'a', 'authorization', 'b']),
  ],
  [
    'transfer-encoding named by Connection',
    post('Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    expectPost('', []),
  ],
  [
    'an upgrade to HTTP/2, which is not taken up',
    get(`${HOST}Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n`),
    expectGet(),
  ],
  ['an Upgrade that Connection does not name', get(`${HOST}Upgrade: websocket\r\n`), expectGet()],
  [
    'two requests at once',
    get(HOST, 'GET /1 HTTP/1.1') + get(HOST, 'GET /2 HTTP/1.1'),
    expectGet({ path: '/1' }),
    expectGet({ path: '/2' }),
  ],
  [
    'a request right after a body in chunks',
    chunked('1\r\nx\r\n0\r\nT: v\r\n\r\n') + get(HOST, 'GET /2 HTTP/1.1'),
    expectPost('x', []),
    expectGet({ path: '/2' }),
  ],
];

function expectPost(body: string, headers: string[]): Seen {
  return expectGet({ method: 'POST', body, headers });
}

for (const [what, bytes, ...expected] of ACCEPTED) {
  test(`${what}: is taken as what it says, in one piece and byte by byte`, async () => {
    await using server = await new TestServer().start();
    using client = new RawClient(server.port);
    using slow = new RawClient(server.port);
    const isAnswered = ({ received }: RawClient): boolean => statuses(received).length === expected.length;
    await client.send(bytes).until(isAnswered);
    assert.deepEqual(server.requests.splice(0).map(seen), expected);
    for (const byte of Buffer.from(bytes, 'latin1')) {
      slow.send(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    await slow.until(isAnswered);
    assert.deepEqual(server.requests.map(seen), expected);
    assert.equal(client.received, slow.received);
    assert.deepEqual(
      statuses(client.received),
      expected.map(() => '200'),
    );
  });
}

test('values of fields are what may stand in a field value', () => {
  assert.equal(isFieldValue('a\tb \xff'), true);
  assert.equal(isFieldValue('a\r'), false);
  assert.equal(isFieldValue('\u010a'), false);
});
