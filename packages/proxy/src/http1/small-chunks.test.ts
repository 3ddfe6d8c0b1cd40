import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Parser } from './parser.ts';

const HEAD = 'POST / HTTP/1.1\r\n\r\n';
const chunked = (chunks: readonly string[]): string =>
  chunks.map((chunk) => `${chunk.length.toString(16)};x=y\r\n${chunk}\r\n`).join('');

/** A parser of a chunked body, and what it tells of; `stopsAt`: with the so many-eth piece it is stopped. */
function startParser(stopsAt = Number.POSITIVE_INFINITY) {
  const told: string[] = [];
  const pieces: string[] = [];
  const parser = new Parser(
    {
      readHead: () => 'chunked',
      onBody(piece) {
        pieces.push(piece.toString('latin1'));
        told.push('body');
        if (pieces.length === stopsAt) parser.stop();
      },
      onEnd: (trailers) => void told.push(`end ${trailers?.join(' ') ?? ''}`),
      onViolation: ({ detail }) => void told.push(detail),
    },
    { maxHeadBytes: 8192, maxFields: 100 },
  );
  return { parser, told, pieces };
}

test('small chunks that come together are one piece, whether their bytes are lent or not', () => {
  for (const isLent of [true, false]) {
    const { parser, told, pieces } = startParser();
    const letters = Array.from({ length: 10_000 }, (_, i) => String.fromCharCode(97 + (i % 26)));
    parser.push(Buffer.from(`${HEAD}${chunked(letters)}0\r\na: b\r\n\r\n`), isLent);
    assert.deepEqual(told, ['body', 'end a b']);
    assert.equal(pieces[0], letters.join(''));
  }
});

test('what little is kept of a read keeps nothing else of it', () => {
  const kept: number[] = [];
  const parser = new Parser(
    {
      readHead: () => 'chunked',
      onBody: ({ buffer }) => void kept.push(buffer.byteLength),
      onEnd: () => undefined,
      onViolation: () => undefined,
    },
    { maxHeadBytes: 8192, maxFields: 100 },
  );
  const bytes = Buffer.alloc(200_000, '1\r\nx\r\n');
  bytes.write(HEAD.replace(' HTTP', `${'x'.repeat((6 - (HEAD.length % 6)) % 6)} HTTP`));
  parser.push(bytes);
  assert.ok(kept.length > 0 && kept.every((size) => size < bytes.length / 2));
});

test('the body comes whole and in its order, whatever the sizes of its chunks and wherever it is cut', () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 4000, max: 9000 })), {
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(
    fc.property(sizes, fc.array(fc.nat(60_000), { maxLength: 6 }), fc.boolean(), (given, cuts, isLent) => {
      const { parser, told, pieces } = startParser();
      const chunks = given.map((size, i) => String.fromCharCode(97 + (i % 26)).repeat(size));
      const bytes = Buffer.from(`${HEAD}${chunked(chunks)}0\r\n\r\n`);
      let from = 0;
      for (const cut of [...cuts.sort((a, b) => a - b), bytes.length]) {
        const piece = Buffer.from(bytes.subarray(from, cut));
        parser.push(piece, isLent);
        if (isLent) piece.fill('!');
        from = Math.max(from, cut);
      }
      assert.equal(pieces.join(''), chunks.join(''));
      assert.equal(told.at(-1), 'end ');
    }),
    { numRuns: 200 },
  );
});

test('what came well before a violation is told before it, and nothing after who was told has stopped', () => {
  const wrong = `${HEAD}${chunked(['a', 'b'])}zz\r\n`;
  const first = startParser();
  first.parser.push(Buffer.from(wrong));
  assert.deepEqual([first.pieces, first.told.length], [['ab'], 2]);
  for (const rest of ['zz\r\n', '0\r\n\r\n', `1388\r\n${'x'.repeat(5000)}\r\n`]) {
    const stopped = startParser(1);
    stopped.parser.push(Buffer.from(`${HEAD}${chunked(['a', 'b'])}${rest}`));
    assert.deepEqual(stopped.told, ['body']);
  }
});
