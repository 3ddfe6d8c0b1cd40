import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { isSynced, iterate, type Note, take } from '../contract-suite/ground.ts';
import type { Bus } from '../index.ts';
import { openEmbeddedBus } from './index.ts';
import { LOG, STATE } from './testing/writer-process.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'weft-bus-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function opened(t: TestContext, path: string): Promise<Bus> {
  const bus = await openEmbeddedBus({ path });
  t.after(() => bus.close());
  return bus;
}

const WRITER = new URL('./testing/writer-process.ts', import.meta.url).pathname;

interface Writer {
  readonly pid: number;
  /** What it says it wrote, and was told is durable. */
  readonly acknowledged: string[];
  readonly enough: Promise<void>;
  kill(): Promise<void>;
}

/** A process that writes as fast as it can, and says each write that was acknowledged. */
function startWriter(t: TestContext, path: string, enoughAfter: number): Writer {
  const child = spawn(process.execPath, [WRITER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const enough = Promise.withResolvers<void>();
  const acknowledged: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    acknowledged.push(line);
    if (acknowledged.length >= enoughAfter) enough.resolve();
  });
  exited.then(() => enough.reject(new Error('the writer ended by itself'))).catch(() => undefined);
  const drained = once(child.stdout, 'close');
  return {
    pid: child.pid ?? 0,
    acknowledged,
    enough: enough.promise,
    async kill() {
      enough.resolve();
      child.kill('SIGKILL');
      await Promise.all([exited, drained]);
    },
  };
}

test('a process killed while it writes loses nothing that was acknowledged', { timeout: 120_000 }, async (t) => {
  const path = join(folder(t), 'bus.db');
  let entries = 0;
  for (let round = 1; round <= 4; round++) {
    const writer = startWriter(t, path, 40 * round);
    await writer.enough;
    await writer.kill();
    const bus = await openEmbeddedBus({ path });
    const texts: string[] = [];
    for await (const { sequence, value } of bus.log(LOG).read()) {
      assert.equal(sequence, texts.push(value.text));
    }
    const stands = new Map((await bus.state(STATE).list()).map(({ key, value }) => [key, value.text]));
    for (const line of writer.acknowledged) {
      const [kind = '', name = '', value = ''] = line.split(' ');
      if (kind === 'log') assert.equal(texts[Number(name) - 1], value);
      else
        assert.ok(
          Number(stands.get(name)) >= Number(value),
          `${name} is ${stands.get(name)}, ${value} was acknowledged`,
        );
    }
    assert.ok(texts.length > entries);
    entries = texts.length;
    await bus.close();
  }
});

test('one process at a time: the second is told the file and who holds it', { timeout: 60_000 }, async (t) => {
  const path = join(folder(t), 'bus.db');
  const writer = startWriter(t, path, 1);
  await writer.enough;
  const message = new RegExp(`^${path} is in use by process ${writer.pid} on \\S+: stop that one first`);
  await assert.rejects(openEmbeddedBus({ path }), { name: 'WeftError', code: 'FAILED_PRECONDITION', message });
  await writer.kill();
  const bus = await opened(t, path);
  assert.ok((await bus.log(LOG).last()) > 0, 'what a dead process held is taken over');
  await assert.rejects(openEmbeddedBus({ path }), { code: 'FAILED_PRECONDITION', message: /is in use by process/ });
});

test('files are the owner’s alone, and a folder that is made too', async (t) => {
  const dir = folder(t);
  const path = join(dir, 'made', 'bus.db');
  const bus = await opened(t, path);
  await bus.log(LOG).append({ text: 'a' });
  assert.equal(statSync(join(dir, 'made')).mode & 0o777, 0o700);
  const files = readdirSync(join(dir, 'made'));
  assert.deepEqual(files.sort(), ['bus.db', 'bus.db-wal', 'bus.db.pid']);
  for (const file of files) assert.equal(statSync(join(dir, 'made', file)).mode & 0o777, 0o600, file);
  await bus.close();
  assert.deepEqual(readdirSync(join(dir, 'made')), ['bus.db']);
  chmodSync(path, 0o644);
  await opened(t, path);
  assert.equal(statSync(path).mode & 0o777, 0o600, 'one that was open to others is closed to them');
});

test('a file that is damaged is told by name, not overwritten', async (t) => {
  const dir = folder(t);
  const notOne = join(dir, 'text.db');
  writeFileSync(notOne, 'this is no database '.repeat(500));
  const torn = join(dir, 'torn.db');
  const bus = await openEmbeddedBus({ path: torn });
  for (let index = 0; index < 20; index++) await bus.log(LOG).append({ text: 'x'.repeat(5000) });
  await bus.close();
  truncateSync(torn, statSync(torn).size / 2);
  for (const path of [notOne, torn]) {
    const before = readFileSync(path);
    const failure = { name: 'WeftError', code: 'DATA_LOSS', message: new RegExp(`^${path} is damaged`) };
    await assert.rejects(openEmbeddedBus({ path }), failure);
    assert.deepEqual(readFileSync(path), before);
  }
});

test('the file of a newer Weft, and that of another program, are told by name', async (t) => {
  const dir = folder(t);
  const newer = join(dir, 'newer.db');
  await (await openEmbeddedBus({ path: newer })).close();
  const other = join(dir, 'other.db');
  for (const [path, sql] of [
    [newer, 'PRAGMA user_version = 9'],
    [other, 'CREATE TABLE songs (name TEXT)'],
  ] as const) {
    const database = new DatabaseSync(path);
    database.exec(sql);
    database.close();
  }
  const failed = (message: RegExp): object => ({ name: 'WeftError', code: 'FAILED_PRECONDITION', message });
  await assert.rejects(openEmbeddedBus({ path: newer }), failed(/newer\.db was written by a newer Weft, in format 9/));
  await assert.rejects(openEmbeddedBus({ path: other }), failed(/other\.db is the SQLite file of another program/));
});

test('a folder that cannot be written is told by name', async (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, 'file'), '');
  const path = join(dir, 'file', 'bus.db');
  await assert.rejects(openEmbeddedBus({ path }), {
    code: 'UNAVAILABLE',
    message: new RegExp(`^${path} cannot be opened`),
  });
});

test('a bus in memory needs no file and forgets', async (t) => {
  const [one, two] = [await opened(t, ':memory:'), await opened(t, ':memory:')];
  await one.log(LOG).append({ text: 'a' });
  assert.equal(await two.log(LOG).last(), 0);
});

test('a watcher that takes nothing costs one change a key', async (t) => {
  const bus = await opened(t, ':memory:');
  const state = bus.state(STATE);
  const over = new AbortController();
  t.after(() => over.abort());
  const watch = iterate(state.watch(over.signal));
  await take(watch, isSynced);
  const puts: Promise<number>[] = [];
  for (let index = 0; index < 5000; index++) puts.push(state.put(`k${index % 10}`, { text: `${index}` }));
  await Promise.all(puts);
  const told = await take(watch, (event) => event.revision === 5000);
  assert.equal(told.length, 10);
});

test('many writes at once share the wait for the disk', async (t) => {
  const bus = await opened(t, join(folder(t), 'bus.db'));
  const log = bus.log(LOG);
  const appends = Array.from({ length: 2000 }, (_, index) => log.append({ text: `${index}` }));
  assert.deepEqual(
    await Promise.all(appends),
    appends.map((_, index) => index + 1),
  );
});

test('a value that cannot be read is DATA_LOSS and tells where it is', async (t) => {
  const bus = await opened(t, ':memory:');
  await bus.state(STATE).put('a', { text: 'x' });
  const broken: typeof STATE = {
    name: STATE.name,
    value: {
      ...STATE.value,
      decode: (): Note => {
        throw new Error('not a note');
      },
    },
  };
  const failure = { code: 'DATA_LOSS', message: /^a of the state durable cannot be read as .*: not a note$/ };
  await assert.rejects(bus.state(broken).get('a'), failure);
});

test('the disk being full fails the write, and the bus says so until one succeeds', async (t) => {
  if (spawnSync('sh', ['-c', 'test "$(id -u)" = 0 && command -v mount']).status !== 0) {
    t.skip('only root can mount the small disk that this test fills');
    return;
  }
  const dir = folder(t);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', dir]).status !== 0) {
    t.skip('this machine does not let the test mount the small disk that it fills');
    return;
  }
  const bus = await openEmbeddedBus({ path: join(dir, 'bus.db') });
  try {
    const state = bus.state(STATE);
    await state.put('a', { text: 'kept' });
    const failure = { code: 'RESOURCE_EXHAUSTED', message: /bus\.db cannot grow, because its disk is full/ };
    await assert.rejects(state.put('a', { text: 'x'.repeat(3 << 20) }), failure);
    assert.match(bus.trouble() ?? '', /disk is full/);
    assert.equal((await state.get('a'))?.value.text, 'kept');
    await state.put('a', { text: 'small' });
    assert.equal(bus.trouble(), undefined);
  } finally {
    await bus.close();
    spawnSync('umount', [dir]);
  }
});
