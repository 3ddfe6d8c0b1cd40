import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { zipOf } from './testing/zip-writer.ts';
import { extract } from './zip.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'weft-zip-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const program = Buffer.from('#!/bin/sh\necho '.padEnd(200_000, 'x'));
const files = [
  { name: 'a/first', content: Buffer.from('first'), method: 'stored' },
  { name: 'a/program', content: program, method: 'deflate' },
  { name: 'a/empty', content: Buffer.alloc(0), method: 'stored' },
] as const;

test('a stored, a deflated and an empty file come out whole, with the mode asked for', async (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, 'x.zip'), zipOf(files, 'a comment at the end'));
  for (const { name, content } of files) {
    const target = join(dir, name.replace('/', '-'));
    await extract(join(dir, 'x.zip'), name, target, 0o700);
    assert.deepEqual(readFileSync(target), content);
    assert.equal(statSync(target).mode & 0o777, 0o700);
  }
});

test('a file that the archive does not hold is told by name', async (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, 'x.zip'), zipOf(files));
  await assert.rejects(extract(join(dir, 'x.zip'), 'a/other', join(dir, 'out'), 0o600), /holds no a\/other/);
});

test('a flipped byte is found by the checksum', async (t) => {
  const dir = folder(t);
  const bytes = zipOf(files);
  const at = bytes.indexOf('first', 37);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(join(dir, 'x.zip'), bytes);
  await assert.rejects(extract(join(dir, 'x.zip'), 'a/first', join(dir, 'out'), 0o600), /damaged/);
});

test('what is no archive, is cut short, or says wrong sizes fails with a sentence', async (t) => {
  const dir = folder(t);
  const path = join(dir, 'x.zip');
  const bytes = zipOf(files);
  const shorter = Buffer.from(bytes);
  const directoryAt = shorter.readUInt32LE(shorter.length - 6);
  shorter.writeUInt32LE(1, directoryAt + 24);
  for (const [broken, expected] of [
    [Buffer.from('not a zip archive at all, but long enough'), /not a zip archive/],
    [Buffer.alloc(0), /not a zip archive/],
    [bytes.subarray(0, bytes.length - 30), /not a zip archive/],
    [bytes.subarray(500), /cut short|damaged|holds no/],
    [shorter, /longer than/],
  ] as const) {
    writeFileSync(path, broken);
    rmSync(join(dir, 'out'), { force: true });
    await assert.rejects(extract(path, 'a/first', join(dir, 'out'), 0o600), expected);
  }
});
