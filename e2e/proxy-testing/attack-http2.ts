/** Messages of HTTP/2 that would be another message, or two, once they are written in HTTP/1.1 (RFC 9113, 8 and 10.3). */
import { data, type Field, headers } from '@weft/proxy/testing';

export interface Attack {
  readonly name: string;
  /** Frames of one stream. */
  readonly frames: (streamId: number) => Buffer;
}

const SMUGGLED = 'GET /h1/smuggled HTTP/1.1\r\nHost: any.test\r\n\r\n';
const METHOD: Field = [':method', 'GET'];
const SCHEME: Field = [':scheme', 'http'];
const PATH: Field = [':path', '/h1/attack'];
const AUTHORITY: Field = [':authority', 'any.test'];

export const GET: readonly Field[] = [METHOD, SCHEME, PATH, AUTHORITY];

/** That request with some of its fields of other values. */
export function asked(changes: Readonly<Record<string, string>>): readonly Field[] {
  return GET.map(([name, value]) => [name, changes[name] ?? value]);
}
const POST: readonly Field[] = [[':method', 'POST'], SCHEME, PATH, AUTHORITY];

const shown = (fields: readonly Field[]): string =>
  fields.map(([name, value]) => JSON.stringify(`${name}: ${value}`)).join(' ');

function head(fields: readonly Field[]): Attack {
  return { name: shown(fields), frames: (id) => headers(id, fields) };
}

/** Beside the fields of a good request, with a body that would be a request. */
function field(name: string, value: string): Attack {
  const fields: readonly Field[] = [...POST, [name, value]];
  return {
    name: shown([[name, value]]),
    frames: (id) => Buffer.concat([headers(id, fields, false), data(id, SMUGGLED, true)]),
  };
}

function instead(name: string, ...values: readonly string[]): Attack {
  const fields = [...values.map((value): Field => [name, value]), ...GET.filter(([other]) => other !== name)];
  return {
    name: `${name} ${values.map((value) => JSON.stringify(value)).join(' ')}`,
    frames: (id) => headers(id, fields),
  };
}

function body(name: string, more: readonly Field[], ...parts: readonly ((id: number) => Buffer)[]): Attack {
  return {
    name,
    frames: (id) => Buffer.concat([headers(id, [...POST, ...more], false), ...parts.map((part) => part(id))]),
  };
}

const NAMES = [
  '',
  ' ',
  'x ',
  ' x',
  'x:',
  'x: y',
  'x\r\ny',
  'x\n',
  'x\r',
  'x\0',
  'x\x7f',
  'x\xe9',
  'X-Upper',
  'x(y',
  'x/y',
  'x"',
  'x\ty',
  ':x',
  ':status',
  ':Path',
  'Transfer-Encoding',
];
const VALUES = [
  'a\r\nb: c',
  'a\nb',
  'a\rb',
  'a\0b',
  'a\r\n\r\nGET /h1/smuggled HTTP/1.1',
  '\n',
  ' a',
  'a ',
  '\ta',
  'a\x7f',
  'a\x01',
];
const OF_HOP: readonly Field[] = [
  ['transfer-encoding', 'chunked'],
  ['transfer-encoding', 'identity'],
  ['connection', 'close'],
  ['connection', 'x-one'],
  ['keep-alive', 'timeout=5'],
  ['proxy-connection', 'close'],
  ['upgrade', 'websocket'],
  ['upgrade', 'h2c'],
  ['te', 'gzip'],
  ['te', 'trailers, chunked'],
];
const LENGTHS = ['+3', '-3', '3,3', '3, 3', '0x3', ' 3', '', '3.0', '1e1', '99999999999999999999', 'x'];

const FIELDS: readonly Attack[] = [
  ...NAMES.map((name) => field(name, 'y')),
  ...VALUES.map((value) => field('x-attack', value)),
  ...OF_HOP.map(([name, value]) => field(name, value)),
  ...LENGTHS.map((length) => field('content-length', length)),
  head([...GET, ['host', 'any.test'], ['host', 'other.test']]),
  head([...GET, ['content-length', '3'], ['content-length', '3']]),
  head([...GET, ['content-length', '3']]),
];

const METHODS = ['', ' ', 'GE T', 'GET /h1/x HTTP/1.1\r\nX: y', 'G\0T', 'G:T', 'GET\n', 'G\xe9T', '"GET"'];
const PATHS = [
  '',
  'h1/a',
  '*',
  '?',
  'http://any.test/h1/a',
  '/h1/a b',
  '/h1/a HTTP/1.1\r\nX: y',
  '/h1/a\tb',
  '/h1/a\0',
  '/h1/a\n',
  '/h1/a#b',
  '/h1/\xe9',
  '/h1/a\x7f',
  ' /h1/a',
  '\\h1',
];
const AUTHORITIES = [
  '',
  ' ',
  'a b',
  'a\r\nX: y',
  'a\n',
  'a\0',
  'me@any.test',
  'a/b',
  'a?b',
  'a#b',
  'a\\b',
  'a,b',
  ':80',
  'any.test:x',
  'any.test:99999',
  '::1',
  '[::1',
  '[::1%25eth0]',
  '\xe9.test',
];
const SCHEMES = ['', ' ', 'http ', 'ht tp', 'http\r\nx: y', '1http', 'http:', 'http://any.test/'];

const PSEUDO: readonly Attack[] = [
  ...METHODS.map((value) => instead(':method', value)),
  ...PATHS.map((value) => instead(':path', value)),
  ...AUTHORITIES.map((value) => instead(':authority', value)),
  ...SCHEMES.map((value) => instead(':scheme', value)),
  ...GET.map(([name, value]) => instead(name, value, value)),
  ...[METHOD, SCHEME, PATH].map(([name]) => instead(name)),
  instead(':authority'),
  head([['x-first', '1'], ...GET]),
  head([METHOD, ['x-middle', '1'], SCHEME, PATH, AUTHORITY]),
  head([...GET, [':status', '200']]),
  head([...GET, [':protocol', 'websocket']]),
  ...['', 'web socket', 'websocket\r\nx: y'].map((protocol) =>
    head([[':method', 'CONNECT'], [':protocol', protocol], SCHEME, PATH, AUTHORITY]),
  ),
  head([[':method', 'CONNECT'], SCHEME, PATH, AUTHORITY]),
  head([[':method', 'CONNECT'], AUTHORITY]),
  head([
    [':method', 'CONNECT'],
    [':authority', 'any.test:80\r\nx: y'],
  ]),
  head([[':method', 'CONNECT']]),
];

const trailers =
  (...fields: readonly Field[]) =>
  (id: number): Buffer =>
    headers(id, fields);

/** What comes after a head that is well; of these the upstream may see a part. */
export const LATE: readonly Attack[] = [
  body('less than the length', [['content-length', '10']], (id) => data(id, 'abc', true)),
  body('more than the length', [['content-length', '3']], (id) => data(id, `abc${SMUGGLED}`, true)),
  body(
    'more than the length in another frame',
    [['content-length', '3']],
    (id) => data(id, 'abc'),
    (id) => data(id, SMUGGLED, true),
  ),
  body('a length of nothing, and something', [['content-length', '0']], (id) => data(id, SMUGGLED, true)),
  body('trailers with a path', [], (id) => data(id, 'abc'), trailers([':path', '/h1/other'])),
  body('trailers with a status', [], (id) => data(id, 'abc'), trailers([':status', '200'])),
  body('trailers in capitals', [], (id) => data(id, 'abc'), trailers(['X-Trailer', '1'])),
  body('trailers with a line end', [], (id) => data(id, 'abc'), trailers(['x-trailer', '1\r\n\r\nGET / HTTP/1.1'])),
  body('trailers with a coding', [], (id) => data(id, 'abc'), trailers(['transfer-encoding', 'chunked'])),
  body('trailers with connection', [], (id) => data(id, 'abc'), trailers(['connection', 'close'])),
  body(
    'trailers that are not the end',
    [],
    (id) => data(id, 'abc'),
    (id) => headers(id, [['x-trailer', '1']], false),
    (id) => data(id, 'd', true),
  ),
];

/** None of these reaches an upstream. */
export const MALFORMED: readonly Attack[] = [...FIELDS, ...PSEUDO];
