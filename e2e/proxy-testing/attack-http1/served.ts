/** Requests that look like two, or like another, and are one request with a target, a host and a body of its own. */
import { httpText } from '../wire.ts';
import { CHUNKED, HOST, SMUGGLED } from './requests.ts';

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
