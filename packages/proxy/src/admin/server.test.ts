import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { eventually } from '../agent/testing/eventually.ts';
import { ADMIN_PATHS } from './paths.ts';
import { ask, envoyPath, KEY_TEXT, type Reply, withEnvoy, withProxy } from './testing/ground.ts';

const envoy = await envoyPath();

/** Requests that both answer in the same way. */
const SAME: readonly (readonly [method: string, path: string])[] = [
  ['GET', '/help'],
  ['GET', '/ready'],
  ['GET', '/clusters'],
  ['GET', '/clusters?format=json'],
  ['GET', '/listeners'],
  ['GET', '/listeners?format=json'],
  ['GET', '/certs'],
  ['GET', '/server_info'],
  ['GET', '/memory'],
  ['GET', '/init_dump'],
  ['GET', '/config_dump'],
  ['GET', '/config_dump?include_eds'],
  ['GET', '/config_dump?resource=static_clusters'],
  ['GET', '/config_dump?resource=static_clusters&name_regex=pl.*&mask=cluster.name'],
  ['GET', '/config_dump?resource=dynamic_listeners'],
  ['GET', '/config_dump?resource=nonsense'],
  ['GET', '/config_dump?resource=static_endpoint_configs'],
  ['GET', '/stats'],
  ['GET', '/stats?format=json'],
  ['GET', '/stats?format=prometheus'],
  ['GET', '/stats?format=nonsense'],
  ['GET', '/stats?filter=%5B'],
  ['GET', '/stats?hidden=only'],
  ['GET', '/stats?hidden=nonsense'],
  ['GET', '/stats?format=json&histogram_buckets=summary'],
  ['GET', '/stats?histogram_buckets=nonsense'],
  ['GET', '/stats/prometheus'],
  ['GET', '/stats/'],
  ['GET', '/nonsense'],
  ['POST', '/clusters'],
  ['GET', '/logging'],
  ['POST', '/logging'],
  ['POST', '/logging?level=debug'],
  ['POST', '/logging?level=nonsense'],
  ['POST', '/logging?nonsense=info'],
  ['POST', '/logging?level=info&paths=a:info'],
  ['POST', '/reset_counters'],
  ['POST', '/reopen_logs'],
  ['PUT', '/reset_counters'],
  ['GET', '/drain_listeners'],
  ['GET', '/quitquitquit'],
  ['POST', '/healthcheck/fail'],
  ['GET', '/ready'],
  ['POST', '/healthcheck/ok'],
  ['GET', '/ready'],
  ['POST', '/drain_listeners?inboundonly'],
];

async function askAll(address: string): Promise<readonly Reply[]> {
  const replies: Reply[] = [];
  for (const [method, path] of SAME) replies.push(await ask(address, path, { method }));
  return replies;
}

/** Every path of names in a JSON value. */
function shape(value: unknown, path = ''): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item: unknown) => shape(item, `${path}[]`));
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, item]) => shape(item, `${path}.${key}`));
}

/** What Envoy says of its own build, of options that the proxy does not have, or of what nobody asked for. */
const ENVOYS_OWN = [
  '.command_line_options.',
  '.node.',
  '.bootstrap.node.',
  'health_check_config',
  '.load_balancing_weight',
  '.policy.',
  '.hot_restart_initializing',
];

test('answers as real Envoy does: statuses, content types, and every name in its JSON', { skip: !envoy }, async () => {
  let theirs: readonly Reply[] = [];
  let ours: readonly Reply[] = [];
  await withEnvoy(envoy ?? '', async (address) => {
    theirs = await askAll(address);
  });
  await withProxy(async (address) => {
    ours = await askAll(address);
  });
  for (const [index, [method, path]] of SAME.entries()) {
    const { status, type, body } = ours[index] as Reply;
    const expected = theirs[index] as Reply;
    assert.equal(status, expected.status, `${method} ${path}`);
    assert.equal(type?.replace(/;.*/, ''), expected.type?.replace(/;.*/, ''), `${method} ${path}`);
    if (status !== 200 || type !== 'application/json' || path.startsWith('/stats')) continue;
    const there = new Set(shape(JSON.parse(body)));
    const missing = [...new Set(shape(JSON.parse(expected.body)))].filter(
      (name) => !there.has(name) && !ENVOYS_OWN.some((part) => name.includes(part)),
    );
    assert.deepEqual(missing, [], `${method} ${path}`);
  }
});

test('the lines of /clusters are those of Envoy', { skip: !envoy }, async () => {
  const lines = (body: string) =>
    body.split('\n').filter((line) => !line.includes('rq_pending_active') && !line.includes('health_check'));
  let theirs = '';
  await withEnvoy(envoy ?? '', async (address) => {
    theirs = (await ask(address, '/clusters')).body;
  });
  await withProxy(async (address) => {
    assert.deepEqual(lines((await ask(address, '/clusters')).body).sort(), lines(theirs).sort());
  });
});

test('no answer holds a private key, wherever it was written', async () => {
  await withProxy(
    async (address) => {
      const paths = ADMIN_PATHS.filter(({ mutates }) => !mutates).map(({ path }) => path);
      for (const path of ['/', ...paths, '/config_dump?include_eds', '/config_dump?resource=static_secrets']) {
        const { body } = await ask(address, path);
        assert.ok(body.length > 0, path);
        const decoded = body.replaceAll(/"[A-Za-z0-9+/=]{40,}"/g, (text) => Buffer.from(text, 'base64').toString());
        assert.ok(!body.includes(KEY_TEXT) && !decoded.includes(KEY_TEXT), `${path} holds a key`);
      }
      const { body } = await ask(address, '/config_dump?resource=static_secrets&name_regex=own');
      assert.match(body, /"private_key": {\s*"inline_string": "\[redacted\]"/);
      assert.match(body, /BEGIN CERTIFICATE/);
    },
    { commandLine: { config_yaml: `key: ${KEY_TEXT}` } },
  );
});

test('masks name fields of each message, and what names none is refused', async () => {
  await withProxy(async (address) => {
    const node = await ask(address, '/config_dump?mask=bootstrap.node.id,bootstrap.admin');
    const { configs } = JSON.parse(node.body) as { readonly configs: readonly { readonly bootstrap: object }[] };
    assert.equal(configs.length, 1);
    assert.deepEqual(Object.keys(configs[0]?.bootstrap ?? {}), ['node', 'admin']);
    for (const query of ['mask=zz', 'mask=static_clusters.cluster', 'resource=static_clusters&mask=zz']) {
      assert.equal((await ask(address, `/config_dump?${query}`)).status, 400, query);
    }
    const single = await ask(address, '/config_dump?resource=bootstrap');
    assert.deepEqual([single.status, single.body.includes('?mask=bootstrap')], [400, true]);
    assert.equal((await ask(address, '/config_dump?name_regex=%5B')).status, 400);
  });
});

test('names of a dump are matched as a whole', async () => {
  await withProxy(async (address) => {
    const names = async (regex: string) => {
      const { body } = await ask(address, `/config_dump?resource=static_clusters&name_regex=${regex}`);
      const { configs = [] } = JSON.parse(body) as { readonly configs?: readonly { cluster: { name: string } }[] };
      return configs.map(({ cluster }) => cluster.name);
    };
    assert.deepEqual(await names('pla'), []);
    assert.deepEqual(await names('pla.*'), ['plain']);
    assert.deepEqual(await names('up:1|plain'), ['plain', 'up:1']);
  });
});

test('web pages get nothing: neither across origins nor by a name that was made to point here', async () => {
  await withProxy(async (address) => {
    const refused = [
      { origin: 'http://evil.example' },
      { origin: `http://${address}` },
      { 'sec-fetch-site': 'cross-site' },
      { host: 'evil.example' },
      { host: 'evil.example:80' },
      { host: '127.0.0.1.evil.example' },
    ];
    for (const headers of refused) {
      assert.equal((await ask(address, '/ready', { headers })).status, 403, JSON.stringify(headers));
      const posted = await ask(address, '/healthcheck/fail', { method: 'POST', headers });
      assert.equal(posted.status, 403, JSON.stringify(headers));
    }
    for (const host of ['localhost', 'localhost:1', '127.0.0.1', '[::1]:9901']) {
      assert.equal((await ask(address, '/ready', { headers: { host } })).status, 200, host);
    }
  });
});

test('what changes something is done by POST alone', async () => {
  let quits = 0;
  await withProxy(
    async (address) => {
      for (const { path } of ADMIN_PATHS.filter(({ mutates }) => mutates)) {
        const { status, body } = await ask(address, path);
        assert.deepEqual([status, body], [405, 'Method GET not allowed, POST required.'], path);
      }
      assert.equal(quits, 0);
      assert.equal((await ask(address, '/quitquitquit', { method: 'POST' })).body, 'OK\n');
      await eventually(() => quits === 1);
    },
    { onQuit: () => quits++ },
  );
});

test('the level of logging is shown and changed, for the one logger that there is', async () => {
  await withProxy(async (address) => {
    const post = async (query: string) => ask(address, `/logging${query}`, { method: 'POST' });
    assert.equal((await post('')).body, 'active loggers:\n  weft: info\n\n');
    assert.equal((await post('?level=trace')).body, 'active loggers:\n  weft: trace\n\n');
    assert.equal((await post('?weft=error')).body, 'active loggers:\n  weft: error\n\n');
    assert.equal((await post('?paths=weft:off')).body, 'active loggers:\n  weft: off\n\n');
    assert.match((await post('?paths=weft:info,http:info')).body, /^error: unknown logger name/);
    assert.equal((await post('')).body, 'active loggers:\n  weft: off\n\n');
  });
});

test('a client that sends without end is let go of, and others are served meanwhile', async () => {
  await withProxy(async (address) => {
    const [host = '', port] = address.split(':');
    const socket = connect(Number(port), host);
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => undefined);
    socket.write(`POST /clusters HTTP/1.1\r\nhost: ${address}\r\ntransfer-encoding: chunked\r\n\r\n`);
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
    socket.resume();
    const feed = setInterval(() => socket.writable && socket.write(chunk), 5);
    await closed;
    clearInterval(feed);
    assert.equal((await ask(address, '/ready')).status, 200);
    const long = await ask(address, '/ready', { headers: { 'x-long': 'x'.repeat(20_000) } });
    assert.equal(long.status, 431);
  });
});

test('a taken address is told in one sentence', async () => {
  await withProxy(async (address) => {
    const port_value = Number(address.split(':')[1]);
    const socket_address = { address: '127.0.0.1', port_value };
    const bootstrap = { admin: { address: { socket_address } } };
    await assert.rejects(
      withProxy(() => Promise.resolve(), { bootstrap }),
      /The admin interface cannot listen on 127\.0\.0\.1:\d+: something else listens there/,
    );
  });
});
