import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Ground, openGround } from './testing/ground.ts';

const GOOD = `
apiVersion: weft.mesh/v1
kind: Service
metadata: { name: stock }
spec: {}
---
apiVersion: weft.mesh/v1
kind: Service
metadata: { name: stock-v2 }
spec:
  selector: { service: stock, version: v2 }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: canary }
spec:
  parentRefs: [{ group: '', kind: Service, name: stock }]
  rules:
    - backendRefs: [{ name: stock, weight: 90 }, { name: stock-v2, weight: 10 }]
`;

const BAD = `apiVersion: weft.mesh/v1
kind: Service
metadata: { name: a }
spec:
  protcol: http
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: r
spec:
  parentRefs: [{ group: '', kind: Service, name: nowhere }]
  rules:
    - backendRefs:
        - name: a
          weight: many
---
apiVersion: v1
kind: Servce
metadata: { name: b }
`;

async function json(ground: Ground, ...args: string[]): Promise<unknown> {
  const { code, out, err } = await ground.weft(...args, '-o', 'json');
  assert.equal(code, 0, err);
  return JSON.parse(out);
}

test('resources are applied as one change-set, listed, and deleted', async (t) => {
  const ground = openGround(t);
  await ground.up();
  ground.write('good.yaml', GOOD);
  const dry = await ground.weft('apply', '-f', 'good.yaml', '--dry-run');
  assert.match(dry.out, /Service\/stock created\nService\/stock-v2 created\nHTTPRoute\/canary created\ndry run/);
  assert.deepEqual(await json(ground, 'get', 'resources'), []);

  const applied = await ground.weftWith({ WEFT_AUTHOR: 'ann' }, 'apply', '-f', 'good.yaml', '-m', 'first');
  assert.equal(applied.code, 0, applied.err);
  assert.match(applied.out, /HTTPRoute\/canary created\nrevision 1; acknowledged by 0 of 0 proxies in \d+ ms\n$/);
  assert.match((await ground.weft('apply', '-f', 'good.yaml')).out, /canary unchanged\nrevision 1; nothing changed\n$/);

  const routes = await ground.weft('get', 'routes');
  assert.match(routes.out, /^NAMESPACE +RESOURCE +REVISION +AGE +AUTHOR\ndefault +HTTPRoute\/canary +1 +\d+s +ann\n$/);
  const changes = await ground.weft('get', 'changes');
  assert.match(changes.out, /^1 +\d+s +ann +Service\/stock Service\/stock-v2 HTTPRoute\/canary +first$/m);
  const services = (await json(ground, 'get', 'services')) as { name: string; hostName: string }[];
  assert.deepEqual(
    services.map(({ name, hostName }) => `${name} ${hostName}`),
    ['stock stock.default.mesh', 'stock-v2 stock-v2.default.mesh'],
  );
  assert.equal((await ground.weft('get', 'proxies')).err, 'no proxies\n');

  const referred = await ground.weft('delete', 'Service/stock-v2', 'Service/stokc');
  assert.equal(referred.code, 2);
  assert.match(referred.err, /Service\/stock-v2: .*is referred to by HTTPRoute\/default\/canary/);
  assert.match(referred.err, /Service\/stokc: there is no .*did you mean Service\/default\/stock\?$/m);
  assert.match(referred.err, /^2 violations; nothing was applied$/m);
  const deleted = await ground.weft('delete', 'HTTPRoute/canary', 'Service/stock-v2', '-o', 'json');
  assert.equal(deleted.code, 0, deleted.err);
  assert.equal(JSON.parse(deleted.out).revision, 2);
  assert.equal((await ground.weft('get', 'routes')).err, 'no routes\n');
});

test('everything that is wrong is told at once with file, line, resource and path, and nothing is applied', async (t) => {
  const ground = openGround(t);
  await ground.up();
  ground.write('good.yaml', GOOD);
  ground.write('bad.yaml', BAD);
  const { code, out, err } = await ground.weft('apply', '-f', 'good.yaml', '-f', 'bad.yaml');
  assert.deepEqual([code, out], [2, '']);
  assert.deepEqual(err.trimEnd().split('\n'), [
    'bad.yaml:5: Service/a: spec.protcol: is not a field that is known here: did you mean protocol?',
    'bad.yaml:16: HTTPRoute/r: spec.rules[0].backendRefs[0].weight: found "many", expected a whole number from 0 to 1000000',
    'bad.yaml:19: Servce/b: kind: found "Servce", which is no kind of resource: did you mean Service?',
    'bad.yaml:12: HTTPRoute/r: spec.parentRefs[0].name: no service default/nowhere is declared or registered: declare it with a resource of kind Service in the same apply',
    '4 violations; nothing was applied',
  ]);
  const told = await ground.weft('apply', '-f', 'bad.yaml', '-o', 'json');
  assert.equal(told.code, 2);
  assert.equal(JSON.parse(told.out).violations.length, 4);
  ground.write('broken.yaml', 'spec: [1\nb: }');
  const broken = await ground.weft('apply', '-f', 'good.yaml', '-f', 'broken.yaml');
  assert.equal(broken.code, 2);
  assert.match(broken.err, /^broken\.yaml:2:1: .*\n(.*\n)*2 violations; nothing was applied\n$/);
  assert.deepEqual(await json(ground, 'get', 'resources'), []);
  assert.deepEqual(await json(ground, 'get', 'changes'), []);
});

test('an apply that lost a race names the other revision and its author, and has an exit code of its own', async (t) => {
  const ground = openGround(t);
  await ground.up();
  ground.write('good.yaml', GOOD);
  ground.write('other.yaml', 'apiVersion: weft.mesh/v1\nkind: Service\nmetadata: { name: pay }\nspec: {}\n');
  await ground.weftWith({ WEFT_AUTHOR: 'ann@desk' }, 'apply', '-f', 'good.yaml');
  const lost = await ground.weft('apply', '-f', 'other.yaml', '--expect-revision', '0');
  assert.equal(lost.code, 3);
  assert.match(
    lost.err,
    /^weft apply: revision 0 was expected, and the newest is 1, which ann@desk applied at .*: nothing was applied; look at that change and apply again\n$/,
  );
  assert.equal((await ground.weft('apply', '-f', 'other.yaml', '--expect-revision', '1')).code, 0);
});

test('the status tells the health of every service, as a table and as JSON', async (t) => {
  const ground = openGround(t);
  const { node } = await ground.up();
  const { code, out, err } = await ground.weft('status');
  assert.deepEqual([code, err], [0, '']);
  for (const name of ['ca', 'discovery', 'xds-server', 'telemetry']) {
    assert.match(out, new RegExp(`^${name} +ready +${node.replaceAll('.', '\\.')} `, 'm'));
  }
  assert.match(out, /^bus +embedded$/m);
  assert.match(out, /^revision +0; acknowledged by 0 of 0 proxies$/m);
  const status = (await json(ground, 'status')) as { readonly troubles: unknown; readonly instances: unknown[] };
  assert.deepEqual([status.troubles, status.instances.length], [[], 5]);
});

test('a token is printed alone, and that of any workload is kept from others', async (t) => {
  const ground = openGround(t);
  await ground.up();
  const { code, out, err } = await ground.weft('token', 'create', '--service', 'cart', '--life', '1h');
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, /^weft1\.[0-9a-f]+\.[\w-]+\.[\w-]+\n$/);
  const bad = await ground.weft('token', 'create', '--service', 'Bad Name');
  assert.deepEqual([bad.code, bad.err], [2, 'weft token: service account "Bad Name": expected a name or *\n']);
  assert.equal(statSync(join(ground.folder, '.weft', 'join-token')).mode & 0o777, 0o600);
});

test('a second control plane on the same folder, or the same port, says what is in its way', async (t) => {
  const ground = openGround(t);
  const { node, pid } = await ground.up();
  const free = ['--admin-listen', '127.0.0.1:0', '--http-listen', '127.0.0.1:0'];
  const sameFolder = await ground.weft('up', '--node-listen', '127.0.0.1:0', ...free);
  assert.equal(sameFolder.code, 1);
  assert.match(sameFolder.err, new RegExp(`bus\\.sqlite is in use by process ${pid} on .*: stop that one first, or `));
  const samePort = await ground.weft('up', '--state', 'other', '--node-listen', node, ...free);
  assert.deepEqual(
    [samePort.code, samePort.err],
    [1, `weft up: ${node} is in use by another process; end that process, or choose another address\n`],
  );
  assert.equal((await ground.weft('status')).code, 0);
});

test('without a control plane each command says where none answers and what to do', async (t) => {
  const ground = openGround(t);
  ground.write('good.yaml', GOOD);
  const commands = [
    ['status'],
    ['get', 'services'],
    ['apply', '-f', 'good.yaml'],
    ['delete', 'Service/a'],
    ['token', 'create', '--service', 'a'],
  ];
  const results = await Promise.all(commands.map((args) => ground.weft(...args, '--api', '127.0.0.1:1')));
  for (const [index, { code, err }] of results.entries()) {
    const sentence = 'no control plane answers at 127.0.0.1:1; start one with weft up, or name another with --api or';
    assert.deepEqual([code, err], [1, `weft ${commands[index]?.[0]}: ${sentence} WEFT_API\n`]);
  }
});
