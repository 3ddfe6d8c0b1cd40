import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Acceptor } from './acceptor.ts';
import { inheritedSockets, shareOut } from './inherited.ts';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-path-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function bind(path: string, mode?: number): Promise<Acceptor> {
  const address = { type: 'unix' as const, path, ...(mode === undefined ? {} : { mode }) };
  const acceptor = await Acceptor.bind({ address, backlog: undefined });
  acceptor.serve((socket) => socket.on('error', () => undefined).end('hello'));
  return acceptor;
}

function greeting(path: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = createConnection(path);
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    socket.on('end', () => resolve(text));
  });
}

test('a socket is at its path alone, with the mode that was asked for, and gone once it is closed', async (t) => {
  const folder = folderOf(t);
  const path = join(folder, 'a.sock');
  const acceptor = await bind(path, 0o600);
  assert.deepEqual(readdirSync(folder), ['a.sock']);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(acceptor.address, { type: 'unix', path });
  assert.equal(await greeting(path), 'hello');
  acceptor.close();
  assert.deepEqual(readdirSync(folder), []);
});

test('a path that another process listens at, too, stays', async (t) => {
  const path = join(folderOf(t), 'a.sock');
  const acceptor = await bind(path);
  assert.equal(acceptor.descriptors.length, 1);
  acceptor.close(true);
  assert.equal(existsSync(path), true);
  const next = await bind(path);
  assert.equal(await greeting(path), 'hello', 'what nobody listens at is taken');
  next.close();
});

test('what is in the way is told: a socket that is in use, and a file', async (t) => {
  const folder = folderOf(t);
  const path = join(folder, 'a.sock');
  const acceptor = await bind(path);
  await assert.rejects(bind(path), /another process listens there/);
  acceptor.close();
  writeFileSync(path, 'precious');
  await assert.rejects(bind(path), /a file that is no socket/);
  assert.deepEqual(readdirSync(folder), ['a.sock']);
});

test('a path that is as long as paths may be is taken as well', async (t) => {
  const folder = folderOf(t);
  const path = join(folder, 'a'.repeat(106 - folder.length));
  const acceptor = await bind(path);
  assert.equal(await greeting(path), 'hello');
  acceptor.close();
  assert.equal(existsSync(path), false);
});

test('sockets of a process with more threads all go on being accepted at', () => {
  const sockets = [3, 4, 5, 6].map((descriptor) => ({ address: '127.0.0.1:80', descriptor }));
  const [first, second] = shareOut(sockets, 2).map(inheritedSockets);
  assert.deepEqual(
    [first?.take('127.0.0.1:80'), second?.take('127.0.0.1:80')],
    [
      [3, 5],
      [4, 6],
    ],
  );
  assert.deepEqual(first?.take('127.0.0.1:80'), []);
  const any = [7, 8].map((descriptor) => ({ address: '127.0.0.1:0', descriptor }));
  const [main, other] = shareOut(any, 2).map(inheritedSockets);
  assert.deepEqual([main?.take('127.0.0.1:0'), main?.take('127.0.0.1:0'), other?.take('127.0.0.1:0')], [[7], [8], []]);
});

test('what a process had before, and the next one has no more, leaves no path behind', async (t) => {
  const folder = folderOf(t);
  const [kept, gone] = [join(folder, 'kept.sock'), join(folder, 'gone.sock')];
  for (const path of [kept, gone]) writeFileSync(path, '');
  const sockets = inheritedSockets(
    [kept, gone].map((address) => ({ address, descriptor: openSync(join(folder, 'kept.sock'), 'r') })),
  );
  for (const descriptor of sockets.take(kept)) closeSync(descriptor);
  sockets.closeRest();
  assert.deepEqual(readdirSync(folder), ['kept.sock']);
});
