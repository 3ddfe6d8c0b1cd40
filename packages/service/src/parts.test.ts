import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { type Instance, states } from '@weft/contracts/bus';
import { instanceDirectory } from './instances.ts';
import { prettyLine } from './log.ts';
import { reachableAddress } from './reachable.ts';
import { pause, retryForever } from './retry.ts';
import { eventually, openBus } from './testing.ts';

describe('retryForever', () => {
  test('tries until it succeeds, and tells each failure', async () => {
    const failures: unknown[] = [];
    let tries = 0;
    const work = async (): Promise<string> => {
      tries += 1;
      if (tries < 4) throw new Error(`try ${tries}`);
      return 'done';
    };
    const onFailure = (error: unknown): number => failures.push(String(error));
    const { signal } = new AbortController();
    assert.equal(await retryForever(work, { signal, onFailure, firstMs: 1 }), 'done');
    assert.deepEqual(failures, ['Error: try 1', 'Error: try 2', 'Error: try 3']);
  });

  test('ends as CANCELLED when it is told to stop', async () => {
    const over = new AbortController();
    const work = async (): Promise<never> => {
      over.abort();
      throw new Error('never told');
    };
    const onFailure = (): never => assert.fail('a failure that follows from stopping is none');
    await assert.rejects(retryForever(work, { signal: over.signal, onFailure }), { code: 'CANCELLED' });
    await pause(60_000, over.signal);
  });
});

describe('the directory of instances', () => {
  const instance = (service: string, address: string, more: Partial<Instance> = {}): Instance => ({
    id: address,
    service,
    address,
    startedAtMs: 0,
    seenAtMs: 0,
    notReadyBecause: '',
    version: '',
    ...more,
  });

  test('follows who is there, by its own clock', async () => {
    const bus = await openBus();
    const clock = { nowMs: 1_000_000, now: () => clock.nowMs };
    const over = new AbortController();
    const state = bus.state(states.instances);
    await state.put('ca/old', instance('ca', 'old:1', { seenAtMs: clock.nowMs - 60_000 }));
    const directory = instanceDirectory(bus, clock);
    let changes = 0;
    directory.onChange(() => {
      changes += 1;
    }, over.signal);
    const following = directory.follow(over.signal);
    // Its writer's clock is far off, which does not matter for what is written now.
    await state.put('ca/new', instance('ca', 'new:1', { seenAtMs: 5 }));
    await eventually('the new one', () => directory.addresses('ca').includes('new:1'));
    assert.deepEqual(directory.addresses('ca'), ['new:1']);
    await state.put('ca/busy', instance('ca', 'busy:1', { notReadyBecause: 'starting' }));
    await eventually('the busy one', () => directory.all().length === 2);
    assert.deepEqual(directory.addresses('ca'), ['new:1']);
    await state.delete('ca/new');
    await eventually('it to go', () => directory.all().length === 1);
    // Rather one that is not ready than none.
    assert.deepEqual(directory.addresses('ca'), ['busy:1']);
    clock.nowMs += 15_000;
    assert.deepEqual(directory.addresses('ca'), []);
    assert.ok(changes >= 3);
    over.abort();
    await following;
    await bus.close();
  });
});

test('the address that others are told is one that they can use', () => {
  const internal = { address: '127.0.0.1', family: 'IPv4', internal: true, netmask: '', mac: '', cidr: null } as const;
  const outside = { ...internal, address: '10.1.2.3', internal: false };
  const v6 = { ...outside, address: 'fe80::1', family: 'IPv6', scopeid: 2 } as const;
  const all = () => ({ lo: [internal], eth0: [v6, outside] });
  assert.equal(reachableAddress('0.0.0.0:7440', all), '10.1.2.3:7440');
  assert.equal(reachableAddress('[::]:7440', all), '10.1.2.3:7440');
  assert.equal(reachableAddress('192.0.2.1:7440', all), '192.0.2.1:7440');
  assert.equal(
    reachableAddress('0.0.0.0:7440', () => ({ lo: [internal] })),
    '127.0.0.1:7440',
  );
});

describe('the log', () => {
  function logged(script: string): string {
    const code = `import { createLogger } from ${JSON.stringify(new URL('./log.ts', import.meta.url).href)}; ${script}`;
    const result = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
    });
    assert.equal(result.stdout, '');
    return result.stderr;
  }

  test('is JSON on stderr, with secrets hidden', () => {
    const line = JSON.parse(
      logged(
        `createLogger({ name: 'weft' }).child({ service: 'ca' }).warn({ token: 'weft1.a', request: { secret: 's', a: 1 } }, 'hello');`,
      ),
    );
    assert.equal(line.msg, 'hello');
    assert.equal(line.service, 'ca');
    assert.equal(line.token, '(hidden)');
    assert.deepEqual(line.request, { secret: '(hidden)', a: 1 });
  });

  test('is lines for a person where that is wanted', () => {
    const text = logged(
      `createLogger({ name: 'weft', pretty: true }).warn({ err: new Error('why'), n: 2 }, 'it broke');`,
    );
    assert.equal(text, 'weft: warning: it broke: why (n=2)\n');
    assert.equal(prettyLine('{"level":30,"name":"weft","service":"ca","msg":"up"}'), 'weft ca: up');
  });

  test('has levels', () => {
    assert.equal(logged(`createLogger({ name: 'weft', level: 'error' }).warn('quiet');`), '');
  });
});
