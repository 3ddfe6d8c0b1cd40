import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../cluster/testing/cluster.ts';
import { freePort, listen } from '../testing/listening.ts';
import { Listened, listenerOn, TLS_INSPECTOR, tcpChain } from './testing/listened.ts';

const IP_FREEBIND = 15;

const at = (address: string, port_value: number, more: object = {}) => {
  return { ...listenerOn(1, [tcpChain('t')]), address: { socket_address: { address, port_value } }, ...more };
};

function folder(test: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'weft-listener-'));
  test.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Connects, sends a text, and gives all that came until the end. */
function say(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let seen = '';
    const socket: Socket = connect({ host: '127.0.0.1', port }, () => socket.end(text));
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(seen));
  });
}

const echo = () => createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket));

test('an address that this machine has not can be had with freebind, or with the option that it stands for', async (t) => {
  const listened = await Listened.start(t);
  const options = { socket_options: [{ level: '0', name: String(IP_FREEBIND), int_value: '1' }] };
  const [one, two, three] = [await freePort(), await freePort(), await freePort()];
  await listened.set({
    free: at('192.0.2.1', one, { freebind: true }),
    option: at('192.0.2.1', two, options),
    without: at('192.0.2.1', three),
  });
  await until(() => listened.proxy.troubles().length === 1 && listened.proxy.sockets().length === 2, 'two addresses');
  assert.match(listened.proxy.troubles()[0] ?? '', new RegExp(`192.0.2.1:${three}: this machine has no such address`));
});

test('an option that the system refuses leaves the listener waiting, and says which', async (t) => {
  const listened = await Listened.start(t);
  const port = await freePort();
  for (const state of ['STATE_PREBIND', 'STATE_LISTENING']) {
    await listened.set({
      a: at('127.0.0.1', port, { socket_options: [{ level: '1', name: '9999', int_value: '1', state }] }),
    });
    await until(() => listened.proxy.troubles().length > 0, 'what is wrong');
    assert.match(listened.proxy.troubles()[0] ?? '', /the option 9999 of level 1 cannot be set: ENOPROTOOPT/);
  }
  await listened.set({ a: at('127.0.0.1', port) });
  await until(() => listened.proxy.troubles().length === 0, 'the listener');
});

test('a listener logs each connection at its end, served or not', async (t) => {
  const path = join(folder(t), 'log');
  const upstream = await listen(t, echo());
  const listened = await Listened.start(t, upstream);
  const inline_string = '%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %UPSTREAM_CLUSTER%\n';
  const log = {
    name: 'file',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
      path,
      log_format: { text_format_source: { inline_string } },
    },
  };
  const port = await freePort();
  const chain = tcpChain('t', { transport_protocol: 'raw_buffer', source_ports: [1] });
  const served = listenerOn(port, [tcpChain('t')], { access_log: [log] });
  await listened.set({ a: served });
  await until(() => listened.proxy.sockets().length === 1, 'the listener');
  assert.equal(await say(port, 'hello'), 'hello');
  await listened.set({ a: listenerOn(port, [chain], { access_log: [log], ...TLS_INSPECTOR }) });
  await until(() => listened.proxy.stats.plain().length > 0);
  assert.equal(await say(port, 'hello'), '');
  const lines = () =>
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  await until(() => lines().length === 2, 'both lines');
  assert.deepEqual(lines(), ['- - 5 a', 'NR filter_chain_not_found 0 -']);
});
