import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { eventually } from '../agent/testing/eventually.ts';
import { recordingLog, SILENT } from '../agent/testing/silent-log.ts';
import { systemClock } from '../clock.ts';
import { ManualClock } from '../xds/testing/manual-clock.ts';
import { LogFile } from './file.ts';

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-log-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('lines are appended in order: after a moment, or as soon as there are many; closing writes the rest', async () => {
  await inFolder(async (folder) => {
    const path = join(folder, 'access.log');
    await writeFile(path, 'before\n');
    const clock = new ManualClock();
    const file = new LogFile(path, clock, SILENT);
    file.write('one\n');
    assert.deepEqual(clock.pendingMs, [1000]);
    clock.pass(1000);
    await eventually(async () => (await readFile(path, 'utf8')) === 'before\none\n');
    const many = `${'x'.repeat(20_000)}\n`;
    file.write(many);
    await eventually(async () => (await readFile(path, 'utf8')).endsWith(many));
    file.write('last\n');
    await file.close();
    assert.equal(await readFile(path, 'utf8'), `before\none\n${many}last\n`);
    assert.equal(file.dropped, 0);
  });
});

test('a file that was moved away is gone on with under its name', async () => {
  await inFolder(async (folder) => {
    const path = join(folder, 'access.log');
    const file = new LogFile(path, systemClock, SILENT);
    file.write('one\n');
    file.flush();
    await eventually(async () => (await readFile(path, 'utf8')) === 'one\n');
    await rename(path, `${path}.1`);
    file.write('two\n');
    file.reopen();
    file.write('three\n');
    await file.close();
    await eventually(async () => (await readFile(`${path}.1`, 'utf8')) === 'one\ntwo\n');
    assert.equal(await readFile(path, 'utf8'), 'three\n');
  });
});

test('an error of the disk is told once, counted by lines, and tried again later', async () => {
  await inFolder(async (folder) => {
    const clock = new ManualClock();
    const log = recordingLog();
    // A folder stands where the file should be.
    const file = new LogFile(folder, clock, log);
    const lines = () => log.lines.filter((line) => line.includes('cannot be written')).length;
    file.write('one\n');
    file.write('two\n');
    file.flush();
    await eventually(() => lines() === 1 && file.dropped === 2);
    file.write('three\n');
    file.flush();
    assert.equal(file.dropped, 3);
    clock.pass(5000);
    file.write('four\n');
    file.flush();
    await eventually(() => file.dropped === 4);
    assert.equal(lines(), 1);
    await file.close();
  });
});

test('logs on the standard streams leave them as they were', async () => {
  const before = process.stderr.listenerCount('error');
  const file = new LogFile('/dev/stderr', systemClock, SILENT);
  await file.close();
  assert.equal(process.stderr.listenerCount('error'), before);
  assert.ok(!process.stderr.destroyed);
});

test('a pipe that nobody reads is an error, one whose reader is slow loses nothing, and one that is full keeps nobody', async () => {
  await inFolder(async (folder) => {
    const path = join(folder, 'pipe');
    await promisify(execFile)('mkfifo', [path]);
    const clock = new ManualClock();
    const log = recordingLog();
    const file = new LogFile(path, clock, log);
    await eventually(() => log.lines.some((line) => line.includes('ENXIO')));
    // Its end that reads does not wait for the other one either.
    await using reader = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    clock.pass(5000);
    const line = `${'x'.repeat(199_999)}\n`;
    file.write(line);
    let read = 0;
    const room = Buffer.alloc(65_536);
    await eventually(async () => {
      const { bytesRead } = await reader.read(room).catch(() => ({ bytesRead: 0 }));
      read += bytesRead;
      return read === line.length;
    });
    file.write(line);
    let isClosed = false;
    void file.close().then(() => {
      isClosed = true;
    });
    await eventually(() => {
      clock.pass(2000);
      return isClosed;
    });
  });
});
