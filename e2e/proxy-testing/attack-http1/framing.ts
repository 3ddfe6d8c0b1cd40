/** Where a body ends: codings and lengths that are none, or that say two things (RFC 9112, 6). */
import { httpText } from '../wire.ts';
import { CHUNKED, HOST, post, type Refused, SMUGGLED } from './requests.ts';

const CHUNKS = `0\r\n\r\n${SMUGGLED}`;

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

export const FRAMING: readonly Refused[] = [
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
