import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { COMMANDS } from './commands.ts';
import { openGround } from './testing/ground.ts';

test('without a command the overview is printed, and it is wrong use', async (t) => {
  const { weft } = openGround(t);
  const { code, out } = await weft();
  assert.equal(code, 2);
  for (const name of Object.keys(COMMANDS)) assert.match(out, new RegExp(`^  ${name} `, 'm'));
  assert.match(out, /exit codes: 0 done, 1 failed, 2 wrong input \(nothing was changed\), 3 lost a race/);
  assert.equal((await weft('--help')).code, 0);
});

test('every command tells its usage, its flags and their defaults', async (t) => {
  const { weft } = openGround(t);
  const own = Object.keys(COMMANDS).filter((name) => !['test', 'proxy'].includes(name)); // these have flags of others
  const helps = await Promise.all(own.map(async (name) => [name, await weft(name, '--help')] as const));
  for (const [name, { code, out, err }] of helps) {
    assert.equal(code, 0, name);
    assert.equal(err, '', name);
    assert.match(out, new RegExp(`^weft ${name}\\b`), name);
  }
  const run = helps.find(([name]) => name === 'run')?.[1].out ?? '';
  assert.match(run, /--drain-timeout <duration> +how long requests may go on at the end \(default 30s\)/);
  assert.match(run, /-n, --namespace <name>/);
});

const WRONG: readonly (readonly [args: string, sentence: RegExp])[] = [
  ['stauts', /^weft: there is no command "stauts": did you mean status\? weft --help lists what there is$/],
  ['frobnicate', /^weft: there is no command "frobnicate"; weft --help lists what there is$/],
  ['status --jsn', /^weft status: there is no flag --jsn; weft status --help lists what there is$/],
  ['apply --flie x', /^weft apply: there is no flag --flie: did you mean --file\? weft apply --help/],
  ['apply -f', /^weft apply: .*--file.* argument missing; weft apply --help lists what there is$/],
  ['apply', /^weft apply: name what to apply: weft apply -f <file>$/],
  ['apply canary.yaml', /^weft apply: canary\.yaml stands alone: expected weft apply -f canary\.yaml$/],
  ['apply -f nosuch.yaml', /^weft apply: nosuch\.yaml: there is no such file or folder$/],
  ['up now', /^weft up: "now" is not expected here: it takes flags alone$/],
  ['up --node-listen 7440', /^weft up: --node-listen 7440: expected <host>:<port>$/],
  ['up --svid-life 3x', /^weft up: --svid-life 3x: expected a duration such as 500ms, 30s, 5m or 24h$/],
  ['up --log-level loud', /^weft up: --log-level loud: expected one of .*info/],
  ['get', /^weft get: expected one of services, workloads, routes, /],
  ['get servces', /^weft get: "servces": expected one of .*: did you mean services\?$/],
  ['get services -o yaml', /^weft get: --output yaml: expected json$/],
  ['delete canary', /^weft delete: canary: expected <kind>\/<name>, such as HTTPRoute\/canary$/],
  ['token make', /^weft token: "make": expected one of create$/],
  ['token create', /^weft token: name the service that the token allows with --service$/],
  ['service cb --nats nats://x', /^weft service: "cb": expected one of ca, .*: did you mean ca\?$/],
  ['service ca', /^weft service: a service alone meets the others on NATS: name a server with --nats nats:\/\//],
  ['run', /^weft run: name the service with --service$/],
  ['run --service a --data-plane nginx', /^weft run: --data-plane nginx: expected weft or envoy$/],
  ['run --service a --upstream b', /^weft run: --upstream b: expected <service>:<port> or /],
  ['run --service a --port 99999', /^weft run: --port 99999: expected a port from 1 to 65535$/],
  ['run --service a node a.js', /^weft run: unexpected node; the program stands after --$/],
  ['demo --data-plane nginx', /^weft demo: --data-plane nginx: expected weft or envoy$/],
  ['binaries fetch nginx', /^weft binaries: expected one of envoy, nats-server/],
];

test('wrong use is told in one sentence, with exit code 2', async (t) => {
  const { weft } = openGround(t);
  for (let index = 0; index < WRONG.length; index += 4) {
    const some = WRONG.slice(index, index + 4);
    const results = await Promise.all(some.map(([args]) => weft(...args.split(' '))));
    for (const [position, { code, out, err }] of results.entries()) {
      const [args, sentence] = some[position] ?? ['', /./];
      assert.match(err.trimEnd(), sentence, args);
      assert.deepEqual([code, out, err.trimEnd().split('\n').length], [2, '', 1], args);
    }
  }
});

test('a program that is not there, or is no program, is told before anything starts', async (t) => {
  const { weft, write, folder } = openGround(t);
  write('notes.txt', 'no program');
  chmodSync(join(folder, 'notes.txt'), 0o644);
  const missing = await weft('run', '--service', 'a', '--', 'nosuch-program');
  assert.equal(missing.err, 'weft run: there is no program nosuch-program on PATH: check the command after --\n');
  assert.equal(missing.code, 127);
  assert.equal((await weft('run', '--service', 'a', '--', './nosuch')).code, 127);
  const text = await weft('run', '--service', 'a', '--', './notes.txt');
  assert.deepEqual([text.code, text.err], [126, 'weft run: ./notes.txt cannot be run: is it an executable file?\n']);
});

test('the version is that of the package', async (t) => {
  const { weft } = openGround(t);
  assert.match((await weft('version')).out, /^weft \d+\.\d+\.\d+ \(node \d+/);
  assert.equal((await weft('--version')).out, (await weft('version')).out);
});
