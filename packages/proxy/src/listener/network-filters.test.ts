import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { freePort, listen } from '../testing/listening.ts';
import { httpChain, Listened, listenerOn, tcpChain } from './testing/listened.ts';

const RBAC = 'type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC';
const ANY = [{ any: true }];

function rbac(action: string, address: string, more: object = {}): object {
  const principals = [{ direct_remote_ip: { address_prefix: address, prefix_len: 32 } }];
  const rules = { action, policies: { 'a policy': { permissions: ANY, principals } } };
  return { name: 'rbac', typed_config: { '@type': RBAC, stat_prefix: 'in', rules, ...more } };
}

function behind(filters: readonly object[], chain: object): object {
  return { ...chain, filters: [...filters, ...(chain as { filters: readonly object[] }).filters] };
}

interface Seen {
  readonly text: string;
  readonly end: 'end' | 'reset';
  readonly ms: number;
}

/** What a client sees to the end of the connection, after it sent something; '' sends nothing. */
function see(port: number, sends: string, until = ''): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const startedMs = performance.now();
    let text = '';
    const socket = connect(port, '127.0.0.1');
    const done = (end: Seen['end']) => {
      socket.destroy();
      resolve({ text, end, ms: performance.now() - startedMs });
    };
    socket.setTimeout(15_000, () => reject(new Error(`no end after ${JSON.stringify(text)}`)));
    socket.on('connect', () => sends !== '' && socket.write(sends));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (until !== '' && text.includes(until)) done('end');
    });
    socket.on('end', () => done('end'));
    socket.on('error', () => done('reset'));
  });
}

test('a connection that a policy denies is closed before it is served', async (t) => {
  let reached = 0;
  const server = createServer((socket) => {
    reached++;
    socket.end('hello');
  });
  const listened = await Listened.start(t, await listen(t, server));
  const [tcp, http] = [await freePort(), await freePort()];
  const denies = [rbac('DENY', '127.0.0.1')];
  assert.equal(
    await listened.set({
      tcp: listenerOn(tcp, [behind(denies, tcpChain('t'))]),
      http: listenerOn(http, [behind(denies, httpChain('h'))]),
    }),
    '',
  );
  const request = 'GET /direct HTTP/1.1\r\nHost: a\r\n\r\n';
  for (const [port, sends] of [
    [tcp, ''],
    [tcp, 'x'],
    [tcp, 'x'.repeat(100_000)],
    [http, request],
    [http, ''],
  ] as const) {
    const { text, end } = await see(port, sends);
    assert.deepEqual([text, end], ['', 'end']);
  }
  assert.equal(reached, 0);
});

test('a connection that policies allow is served at once, though the server speaks first', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write('hello');
  });
  const listened = await Listened.start(t, await listen(t, server));
  const [tcp, http] = [await freePort(), await freePort()];
  const filters = [rbac('ALLOW', '127.0.0.1'), rbac('DENY', '127.0.0.9')];
  assert.equal(
    await listened.set({
      tcp: listenerOn(tcp, [behind(filters, tcpChain('t'))]),
      http: listenerOn(http, [behind(filters, httpChain('h'))]),
    }),
    '',
  );
  assert.equal((await see(tcp, '', 'hello')).text, 'hello');
  const request = 'GET /direct HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  assert.match((await see(http, request)).text, /^HTTP\/1\.1 200 OK/);
});

test('who is denied can be kept waiting', async (t) => {
  const listened = await Listened.start(t);
  const port = await freePort();
  const filters = [rbac('DENY', '127.0.0.1', { delay_deny: '0.3s' })];
  assert.equal(await listened.set({ tcp: listenerOn(port, [behind(filters, tcpChain('t'))]) }), '');
  const { text, end, ms } = await see(port, 'x');
  assert.deepEqual([text, end], ['', 'end']);
  assert.ok(ms >= 250, `${ms} ms`);
});

test('what serves a connection is the last filter, and there is one', async (t) => {
  const listened = await Listened.start(t);
  const port = await freePort();
  const { filters } = tcpChain('t') as { filters: readonly object[] };
  const refused = (...given: readonly object[]) => listened.set({ l: listenerOn(port, [{ filters: given }]) });
  assert.match(await refused(rbac('DENY', '1.1.1.1')), /filters\[0\]: must be followed by/);
  assert.match(
    await refused(...filters, rbac('DENY', '1.1.1.1')),
    /filters\[0\]: serves the connection.*filters\[1\]: must be/s,
  );
  assert.match(await refused(...filters, ...filters), /filters\[0\]: serves the connection/);
});
