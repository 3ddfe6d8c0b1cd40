import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { giveBackPages, unchangedRanges } from './pages.ts';

const SMAPS = `00400000-0082e000 r--p 00000000 fe:00 5365887                            /opt/node
Rss:                2000 kB
Anonymous:             0 kB
0082e000-03489000 r-xp 0042e000 fe:00 5365887                            /opt/node
Rss:               20000 kB
Anonymous:             0 kB
072a8000-072ad000 r--p 06ea7000 fe:00 5365887                            /opt/node
Rss:                  20 kB
Anonymous:            20 kB
072ad000-072c4000 rw-p 06eac000 fe:00 5365887                            /opt/node
Rss:                  92 kB
Anonymous:             0 kB
7f0000000000-7f0000001000 r--p 00000000 fe:00 17                         /lib/libc.so.6
Rss:                   4 kB
Anonymous:             0 kB
7f0000001000-7f0000002000 rw-p 00000000 00:00 0
Rss:                   4 kB
Anonymous:             0 kB
`;

test('pages are given back of what is as in the file and cannot be written to', () => {
  assert.deepEqual(unchangedRanges(SMAPS, '/opt/node'), [
    { start: 0x400000n, bytes: 0x42e000n },
    { start: 0x82e000n, bytes: 0x2c5b000n },
  ]);
  assert.deepEqual(unchangedRanges('', '/opt/node'), []);
});

test('a process goes on after it gave its pages back, and holds fewer', {
  skip: process.platform !== 'linux',
}, async () => {
  const resident = () => Number(/^RssFile:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]);
  const before = resident();
  await giveBackPages();
  const after = resident();
  assert.ok(after < before, `${before} kB of files were resident, now ${after}`);
  assert.equal(JSON.parse('{"a":[1,2]}').a[1], 2);
  assert.equal(new Intl.NumberFormat('de').format(1234.5), '1.234,5');
});
