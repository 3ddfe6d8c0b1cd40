/** Lines that end in other ways, fields that are none or mean harm, and more of either than is taken (RFC 9112, 2.2 and 5). */
import { HOST, type Refused, raw, start } from './requests.ts';

export const LINES: readonly Refused[] = [
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
export const NOMINATED: readonly Refused[] = [
  'x-forwarded-for',
  'close, X-Forwarded-For',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-client-cert',
  ':path',
  ':authority',
].map((option) => start('GET / HTTP/1.1', [HOST, `Connection: ${option}`, 'X-Forwarded-For: 192.0.2.1']));

const MANY_OPTIONS = Array.from({ length: 200 }, (_, i) => `x-${i}`).join(', ');

export const LIMITS: readonly Refused[] = [
  start(`GET /${'a'.repeat(100_000)} HTTP/1.1`),
  start(`${'A'.repeat(100_000)} / HTTP/1.1`),
  start('GET / HTTP/1.1', [HOST, `${'x'.repeat(100_000)}: 1`]),
  start('GET / HTTP/1.1', [HOST, `X: ${'x'.repeat(100_000)}`]),
  start('GET / HTTP/1.1', [HOST, ...Array.from({ length: 2000 }, () => 'a: b')]),
  start('GET / HTTP/1.1', [HOST, `Connection: ${MANY_OPTIONS}`]),
];
