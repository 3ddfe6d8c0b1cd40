import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { type TestContext, test } from 'node:test';
import { openFolder } from './folder.ts';
import { portOwner } from './port-owner.ts';
import { checkApplicationPort, checkUpstreamPort, pickPorts } from './ports.ts';
import { temporaryFolder } from './testing/temporary.ts';

async function listening(t: TestContext, port = 0, host = '127.0.0.1'): Promise<number> {
  const server: Server = createServer().listen(port, host);
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

test('ports are picked from the range, differ, and are the same after a restart', async (t) => {
  const folder = openFolder(temporaryFolder(t), 'default', 'cart-1');
  const first = await pickPorts(folder, 'default/cart-1', []);
  const ports = Object.values(first.ports);
  assert.equal(new Set(ports).size, 3);
  assert.ok(ports.every((port) => port >= 15_000 && port <= 19_999));
  first.release();
  const second = await pickPorts(folder, 'default/cart-1', []);
  t.after(() => second.release());
  assert.deepEqual(second.ports, first.ports);
});

test("a port that something listens on, or that is the application's, is passed over", async (t) => {
  const folder = openFolder(temporaryFolder(t), 'default', 'cart-2');
  const first = await pickPorts(folder, 'default/cart-2', []);
  first.release();
  await listening(t, first.ports.inbound);
  const second = await pickPorts(folder, 'default/cart-2', [first.ports.outbound]);
  t.after(() => second.release());
  const taken = [first.ports.inbound, first.ports.outbound];
  assert.ok(Object.values(second.ports).every((port) => !taken.includes(port)));
});

test('two agents that pick at once get different ports, though nothing listens on them yet', async (t) => {
  const root = temporaryFolder(t);
  const picked = await Promise.all(
    ['a', 'b', 'c'].map((id) => pickPorts(openFolder(root, 'default', id), 'the same name', [])),
  );
  t.after(() => {
    for (const { release } of picked) release();
  });
  assert.equal(new Set(picked.flatMap(({ ports }) => Object.values(ports))).size, 9);
});

test('a port in use is told with who uses it', async (t) => {
  const port = await listening(t);
  const owner = process.platform === 'linux' ? new RegExp(`in use by \\S.* \\(process ${process.pid}\\)`) : /in use/;
  await assert.rejects(checkApplicationPort(port), { code: 'ALREADY_EXISTS', message: owner });
  await assert.rejects(checkUpstreamPort('stock', port), { code: 'ALREADY_EXISTS', message: owner });
  if (process.platform === 'linux') assert.match(portOwner(port) ?? '', new RegExp(`process ${process.pid}`));
});
