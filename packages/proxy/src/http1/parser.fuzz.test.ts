import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { Framing } from './fields.ts';
import { readRequestHead } from './request-head.ts';
import { readResponseHead } from './response-head.ts';
import { cut, LIMITS, parse } from './testing/events.ts';
import { chunkLine, lastChunkText, requestHeadText, responseHeadText } from './write-head.ts';

const RUNS = { numRuns: 2000 };
const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

/** Pieces of messages, whole and broken, from which something close to HTTP comes about. */
const PIECES = [
  'GET / HTTP/1.1\r\n',
  'POST /x HTTP/1.1\r\n',
  'POST / HTTP/1.0\r\n',
  'HTTP/1.1 200 OK\r\n',
  'HTTP/1.1 100 Continue\r\n',
  'HTTP/1.1 204 No Content\r\n',
  'HTTP/1.0 200\r\n',
  'Host: a\r\n',
  'Host: a\r\n\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n\r\n',
  'Transfer-Encoding: chunked\r\n\r\n',
  'Transfer-Encoding: chunked\r\n',
  'X: y\r\n',
  'X: \xff\r\n',
  'Connection: close, x\r\n',
  '\r\n',
  '\r\n\r\n',
  '\n',
  '\r',
  ' ',
  '\t',
  '\0',
  ':',
  'hello',
  '5\r\n',
  '5\r\nhello\r\n',
  '0\r\n',
  '0\r\n\r\n',
  '5;a=b\r\n',
  'ffffffffffffffff\r\n',
  'a',
  '\x80',
  'x'.repeat(3000),
] as const;
const nearly = fc
  .array(
    fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...PIECES) },
      { weight: 1, arbitrary: fc.string({ maxLength: 5, unit: 'binary-ascii' }) },
    ),
    { maxLength: 20 },
  )
  .map((pieces) => Buffer.from(pieces.join(''), 'latin1'));
const anyBytes = fc.oneof(
  { weight: 4, arbitrary: nearly },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 4000 }).map((bytes) => Buffer.from(bytes)) },
);

for (const kind of ['request', 'response'] as const) {
  test(`a ${kind} is read alike in whatever pieces it comes`, () => {
    fc.assert(
      fc.property(anyBytes, places, (bytes, at) => {
        const whole = parse(kind, [bytes]).told;
        assert.deepEqual(parse(kind, cut(bytes, at)).told, whole);
      }),
      RUNS,
    );
    fc.assert(
      fc.property(nearly, (bytes) => {
        const single = [...bytes].map((byte) => Buffer.from([byte]));
        assert.deepEqual(parse(kind, single).told, parse(kind, [bytes]).told);
      }),
      { numRuns: 500 },
    );
  });

  test(`whatever comes in place of a ${kind}, the parser holds no more than a head`, () => {
    fc.assert(
      fc.property(fc.array(anyBytes, { maxLength: 20 }), (pieces) => {
        assert.ok(parse(kind, pieces).most <= LIMITS.maxHeadBytes);
      }),
      { numRuns: 500 },
    );
  });
}

const TOKEN = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...'abcdefgxyz0189-_!#$%&*+.^`|~') });
const OWN = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'te',
  'upgrade',
  'keep-alive',
  'expect',
]);
const VALUE = fc
  .string({
    maxLength: 30,
    unit: fc
      .integer({ min: 0x20, max: 0xff })
      .filter((code) => code !== 0x7f)
      .map((code) => String.fromCharCode(code)),
  })
  .map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''));
const FIELDS = fc
  .array(
    fc.tuple(
      TOKEN.filter((name) => !OWN.has(name) && name !== 'proxy-connection'),
      VALUE,
    ),
    { maxLength: 8 },
  )
  .map((fields) => fields.flat());
const PATH = fc
  .string({ maxLength: 30, unit: fc.constantFrom(...'abcXYZ019-._~!$&()*+,;=:@%/?') })
  .map((text) => `/${text}`);
const CHUNKS = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 6 });

function framed(chunks: readonly Uint8Array[], isChunked: boolean, trailers: readonly string[]): string {
  const parts = chunks.map((chunk) => Buffer.from(chunk).toString('latin1'));
  if (!isChunked) return parts.join('');
  return (
    parts.map((part) => `${chunkLine(part.length)}${part}\r\n`).join('') + lastChunkText(new HeaderList([...trailers]))
  );
}

test('requests that were written are read as what they were, one after another', () => {
  const request = fc.record({ path: PATH, fields: FIELDS, chunks: CHUNKS, isChunked: fc.boolean(), trailers: FIELDS });
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 4 }), places, (requests, at) => {
      const expected: string[] = [];
      let bytes = '';
      for (const { path, fields, chunks, isChunked, trailers } of requests) {
        const body = Buffer.concat(chunks).toString('latin1');
        const length = isChunked ? ['transfer-encoding', 'chunked'] : ['content-length', String(body.length)];
        const text = requestHeadText(
          new RequestHead('POST', path, 'a.example', '', new HeaderList([...fields, ...length])),
        );
        bytes += `${text}\r\n${framed(chunks, isChunked, trailers)}`;
        expected.push(`head ${JSON.stringify(text)} ${isChunked ? 'chunked' : body.length}`);
        if (body !== '') expected.push(`body ${body}`);
        const kept = isChunked ? new HeaderList([...trailers]) : new HeaderList();
        expected.push(`end ${JSON.stringify(kept.flat)}`);
      }
      const { told } = parse('request', cut(Buffer.from(bytes, 'latin1'), at));
      assert.deepEqual(told, [...expected, 'finished']);
    }),
    { numRuns: 500 },
  );
});

test('heads that were written are read with the same fields', () => {
  fc.assert(
    fc.property(PATH, FIELDS, fc.integer({ min: 200, max: 599 }), (path, fields, status) => {
      const request = requestHeadText(new RequestHead('GET', path, 'a.example:80', '', new HeaderList(fields)));
      const read = readRequestHead(request, new Framing(), 100);
      assert.ok(!('detail' in read));
      assert.deepEqual([read.path, read.authority, read.headers.flat], [path, 'a.example:80', fields]);
      const response = readResponseHead(responseHeadText(status, new HeaderList(fields)), 'GET', new Framing(), 100);
      assert.ok(!('detail' in response));
      assert.deepEqual([response.head.status, response.head.headers.flat], [status, fields]);
    }),
    RUNS,
  );
});
