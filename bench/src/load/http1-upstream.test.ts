import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadCounter } from './http1-upstream.ts';

const TWO = Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\nGET /\r HTTP/1.1\r\nhost: a\r\r\n\r\n');

test('heads are counted, however they are cut', () => {
  for (let cut = 0; cut <= TWO.length; cut++) {
    const counter = new HeadCounter();
    assert.equal(counter.count(TWO.subarray(0, cut)) + counter.count(TWO.subarray(cut)), 2, `cut at ${cut}`);
  }
  const counter = new HeadCounter();
  assert.equal(
    [...TWO].reduce((heads, byte) => heads + counter.count(Uint8Array.of(byte)), 0),
    2,
  );
});
