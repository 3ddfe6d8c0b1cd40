import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readHttpOpening } from './http-inspector.ts';

const read = (text: string) => readHttpOpening(Buffer.from(text, 'latin1'));

test('the first line tells the version', () => {
  const cases: Readonly<Record<string, string>> = {
    'GET / HTTP/1.1\r\n': 'http/1.1',
    'FOO / HTTP/1.1\n': 'http/1.1',
    'GET  /  HTTP/1.1\r\n': 'http/1.1',
    'GET / HTTP/1.0\r\nHost: a\r\n': 'http/1.0',
    'GET / HTTP/1.2\r\n': 'http/1.0',
    'GET / HTTP/2.0\r\n': 'http/1.0',
    'GET /\r\n': 'http/1.0',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n': 'h2c',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n': 'more',
    'PRI * HTTP/2.0\r\n\r\nSX': 'http/1.0',
    'GET / HTTX/1.1\r\n': 'other',
    'G(T / HTTP/1.1\r\n': 'other',
    'GET / a HTTP/1.1\r\n': 'other',
    '\r\nGET / HTTP/1.1\r\n': 'other',
    '\x16\x03\x01': 'other',
    'GET / HTTP/1.': 'more',
    EHLO: 'more',
    'EHLO\r\n': 'other',
  };
  for (const [text, expected] of Object.entries(cases)) assert.equal(read(text), expected, JSON.stringify(text));
});

test('however it is cut, nothing is told that the whole does not tell', () => {
  const line = fc.oneof(
    fc.constantFrom('GET / HTTP/1.1\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'PUT /x HTTP/1.0\r\n', '\0\x01\n'),
    fc.string({ minLength: 1, maxLength: 60 }),
  );
  fc.assert(
    fc.property(line, (text) => {
      const bytes = Buffer.from(text, 'latin1');
      const whole = readHttpOpening(bytes);
      for (let size = 1; size < bytes.length; size++) {
        const part = readHttpOpening(bytes.subarray(0, size));
        if (part !== 'more') {
          assert.equal(part, whole);
          return;
        }
      }
    }),
    { numRuns: 1000 },
  );
});
