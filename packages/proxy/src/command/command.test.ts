import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { encodeUnknown } from '@weft/envoy-api';
import { stringify } from 'yaml';
import { httpListener, routes } from '../testing/bootstrap.ts';
import { listen } from '../testing/listening.ts';
import { runProxyCommand } from './index.ts';
import { loadBootstrap } from './load.ts';

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(...argv: readonly string[]): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runProxyCommand(argv, { out: (text) => out.push(text), err: (text) => err.push(text) }, '0.1.0');
  return { code, out: out.join('\n'), err: err.join('\n') };
}

function folderOf(test: TestContext): (name: string, content: string | Uint8Array) => string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-command-'));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  return (name, content) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
}

/** A listener without routes, whose connection manager has these fields too. */
function bootstrapText(port: number, more: object = {}): string {
  return stringify({ static_resources: { listeners: [httpListener(port, { route_config: routes(), ...more })] } });
}

const GOOD = bootstrapText(0);

test('validate says that a bootstrap is right, in whichever form it comes', async (t) => {
  const write = folderOf(t);
  const yaml = write('a.yaml', GOOD);
  const parsed = await loadBootstrap({ path: yaml, yaml: undefined });
  const json = write('a.json', JSON.stringify(parsed));
  const binary = write('a.pb', encodeUnknown('envoy.config.bootstrap.v3.Bootstrap', parsed));
  for (const path of [yaml, json, binary]) {
    const { code, out, err } = await run('--mode', 'validate', '-c', path);
    assert.deepEqual({ code, out, err }, { code: 0, out: `configuration '${path}' OK`, err: '' });
  }
  assert.deepEqual(await loadBootstrap({ path: binary, yaml: undefined }), parsed);
  assert.equal((await run('--mode', 'validate', '--config-yaml', GOOD)).out, "configuration '--config-yaml' OK");
});

test('validate tells all that is wrong or not supported, each with its place', async (t) => {
  const path = folderOf(t)(
    'a.yaml',
    bootstrapText(0, { proxy_status_config: {}, add_proxy_protocol_connection_state: true }),
  );
  const { code, err } = await run('--mode', 'validate', '-c', path);
  assert.equal(code, 1);
  const lines = err.split('\n');
  assert.equal(lines.length, 2, err);
  const place = 'static_resources.listeners[0].filter_chains[0].filters[0].typed_config';
  for (const field of ['proxy_status_config', 'add_proxy_protocol_connection_state']) {
    assert.ok(
      lines.some((line) => line.startsWith(`${path}: ${place}.${field}: `)),
      err,
    );
  }
});

test('files are read as Envoy reads them: values of enums in small letters, and lists of one as that one', async (t) => {
  const virtual_hosts = { name: 'v', domains: '*', routes: { match: { prefix: '/' }, redirect: {} } };
  const text = bootstrapText(0, { codec_type: 'http2', route_config: { virtual_hosts } });
  const { code, err } = await run('--mode', 'validate', '-c', folderOf(t)('a.yaml', text));
  assert.deepEqual({ code, err }, { code: 0, err: '' });
});

test('types and names that are wrong are told with their places, all of them', async (t) => {
  const text = bootstrapText(0, { stat_prefix: 1, no_such_field: 1 });
  const { code, err } = await run('--mode', 'validate', '-c', folderOf(t)('a.yaml', text));
  assert.equal(code, 1);
  assert.match(err, /typed_config\.stat_prefix/);
  assert.match(err, /typed_config\.no_such_field/);
});

test('files that are none, and files that are no bootstrap, are told in a sentence', async (t) => {
  const write = folderOf(t);
  const cases: readonly (readonly [string, RegExp])[] = [
    ['/nowhere/at-all.yaml', /^the bootstrap \/nowhere\/at-all\.yaml cannot be read: /],
    [write('list.yaml', '- a\n'), /expected a bootstrap/],
    [write('empty.yaml', ''), /expected a bootstrap/],
    [write('broken.yaml', 'a: [b'), /broken\.yaml: /],
    [write('broken.json', '{'), /broken\.json: /],
    [write('text.pb_text', 'admin {}'), /text\.pb_text: text protobuf is not supported/],
    [write('several.yaml', 'admin: {}\n---\nadmin: {}\n'), /several\.yaml: holds several documents/],
    [write('broken.pb', Buffer.from([0xff, 0xff])), /broken\.pb: /],
  ];
  for (const [path, expected] of cases) {
    const { code, err } = await run('--mode', 'validate', '-c', path);
    assert.equal(code, 1, path);
    assert.match(err, expected);
  }
});

test('--config-yaml is merged over the file', async (t) => {
  const path = folderOf(t)(
    'a.yaml',
    `node: { id: a, cluster: b }\nadmin: { address: { socket_address: { address: 127.0.0.1, port_value: 1 } } }\n${GOOD}`,
  );
  const yaml = 'node: { id: other }\nadmin: { address: { socket_address: { address: 127.0.0.1, port_value: 2 } } }';
  const { node, admin, static_resources } = await loadBootstrap({ path, yaml });
  assert.deepEqual(node, { id: 'other', cluster: 'b' });
  assert.equal(admin?.address?.socket_address?.port_value, 2);
  assert.equal(static_resources?.listeners?.length, 1);
});

test('flags that are wrong end with 2 and a sentence', async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['--no-such-flag'], /Unknown option '--no-such-flag'; weft proxy --help/],
    [['-c', 'a.yaml', '--stats-tag', 'a:b'], /--stats-tag of Envoy is not supported: statistics have/],
    [['-c', 'a.yaml', '--disable-extensions=x'], /--disable-extensions of Envoy is not supported: /],
    [['-c'], /-c/],
    [[], /needs a bootstrap/],
    [['-c', 'a.yaml', 'more'], /more/],
    [['-c', 'a.yaml', '--mode', 'dream'], /--mode "dream": expected serve or validate/],
    [['-c', 'a.yaml', '-l', 'loud'], /--log-level "loud": expected one of /],
    [['-c', 'a.yaml', '--concurrency', 'x'], /--concurrency "x": expected a whole number/],
    [['-c', 'a.yaml', '--concurrency', '99999999999'], /--concurrency "99999999999": .* from 0 to 1024/],
    [['-c', 'a.yaml', '--base-id', '4294967296'], /--base-id "4294967296": .* from 0 to 4294967295/],
    [['-c', 'a.yaml', '--drain-time-s', '-1'], /drain-time-s/],
  ];
  for (const [argv, expected] of cases) {
    const { code, err } = await run(...argv);
    assert.equal(code, 2, argv.join(' '));
    assert.match(err, expected);
    assert.match(err, /^weft proxy: /);
  }
});

test('flags of Envoy that change nothing here are taken', async (t) => {
  const path = folderOf(t)('a.yaml', GOOD);
  const flags = [
    '--base-id',
    '1',
    '--use-dynamic-base-id',
    '--disable-hot-restart',
    '--concurrency',
    '4',
    '-l',
    'debug',
  ];
  assert.equal((await run('--mode', 'validate', '-c', path, ...flags)).code, 0);
  const more = [
    '--component-log-level',
    'a:b',
    '--log-format=%v',
    '--reject-unknown-dynamic-fields',
    '--',
    'what',
    '-x',
  ];
  const { code, err } = await run('--mode', 'validate', '-c', path, ...more);
  assert.equal(code, 0);
  assert.match(
    err,
    /^weft proxy: --component-log-level changes nothing: .*\nweft proxy: --log-format changes nothing: .*$/,
  );
  assert.match((await run('--hot-restart-version')).out, /^\w+/);
  assert.match((await run('--help')).out, /--mode/);
  assert.match((await run('--version')).out, /0\.1\.0/);
});

test('an address that is taken ends with 1 and says what to do', async (t) => {
  const port = await listen(t, createServer());
  const write = folderOf(t);
  const lines: string[] = [];
  t.mock.method(process.stderr, 'write', (line: string) => lines.push(line) > 0);
  assert.equal((await run('-c', write('a.yaml', bootstrapText(port)))).code, 1);
  assert.match(lines.join(''), new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: another process listens there`));
  const admin = `admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } }\n`;
  const { code, err } = await run('-c', write('b.yaml', admin + GOOD));
  assert.equal(code, 1);
  assert.match(err, new RegExp(`127\\.0\\.0\\.1:${port}`));
});
