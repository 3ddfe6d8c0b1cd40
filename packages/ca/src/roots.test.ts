import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { states } from '@weft/contracts/bus';
import { parseJoinToken, parseTrust, publicKeyHash } from '@weft/identity';
import { createTestMesh } from '@weft/identity/testing';
import { bundleOf, createGround, eventually, type Ground, joinAs, openNodePort, readyCa, runCa } from './testing.ts';

let ground: Ground;
beforeEach(async () => {
  ground = await createGround();
});
afterEach(() => ground.close());

const rootFile = (): string => join(ground.folder, 'ca', 'root.pem');

describe('the root on disk', () => {
  test('is for its owner alone, and kept over restarts', async () => {
    const first = await readyCa(ground);
    assert.equal(statSync(rootFile()).mode & 0o777, 0o600);
    assert.equal(statSync(join(ground.folder, 'ca')).mode & 0o777, 0o700);
    const before = await bundleOf(ground.bus);
    assert.equal(before.length, 1);
    await first.stop();
    await readyCa(ground);
    assert.deepEqual(await bundleOf(ground.bus), before);
  });

  test('is never on the bus with its key', async () => {
    await readyCa(ground);
    for (const contract of Object.values(states)) {
      const entries = await ground.bus.state<unknown>(contract as never).list();
      assert.doesNotMatch(JSON.stringify(entries), /PRIVATE KEY/);
    }
  });

  test('is encrypted where there is a passphrase, from the first or from now on', async () => {
    const plain = await readyCa(ground);
    assert.match(readFileSync(rootFile(), 'utf8'), /BEGIN PRIVATE KEY/);
    await plain.stop();
    const before = await bundleOf(ground.bus);
    const encrypted = await readyCa(ground, { passphrase: 'correct horse' });
    assert.match(readFileSync(rootFile(), 'utf8'), /BEGIN ENCRYPTED PRIVATE KEY/);
    assert.deepEqual(await bundleOf(ground.bus), before);
    await encrypted.stop();
    await assert.rejects(runCa(ground), { code: 'FAILED_PRECONDITION', message: /encrypted: set WEFT_CA_PASSPHRASE/ });
    await assert.rejects(runCa(ground, { passphrase: 'wrong' }), {
      code: 'FAILED_PRECONDITION',
      message: /passphrase is wrong/,
    });
  });

  test('that others can read is refused with what to run', async () => {
    await (await readyCa(ground)).stop();
    chmodSync(rootFile(), 0o644);
    await assert.rejects(runCa(ground), {
      code: 'FAILED_PRECONDITION',
      message: new RegExp(`mode 644\\): run chmod 600 ${rootFile()}`),
    });
  });

  test('that is damaged is not replaced in silence', async () => {
    await (await readyCa(ground)).stop();
    const good = readFileSync(rootFile(), 'utf8');
    for (const bad of ['', good.slice(0, 200), good.replace(/[A-Za-z]{8}/g, 'AAAAAAAA')]) {
      writeFileSync(rootFile(), bad);
      await assert.rejects(runCa(ground), { code: 'FAILED_PRECONDITION', message: /cannot be used/ });
    }
  });

  test('of another trust domain is refused', async () => {
    await (await readyCa(ground)).stop();
    await assert.rejects(runCa(ground, { trustDomain: 'other.example' }), {
      code: 'FAILED_PRECONDITION',
      message: /is of the trust domain "weft.local", and "other.example" was asked for/,
    });
  });

  test('that cannot be written is told', async () => {
    writeFileSync(join(ground.folder, 'file'), '');
    await assert.rejects(runCa(ground, { dir: join(ground.folder, 'file', 'ca') }), {
      code: 'FAILED_PRECONDITION',
    });
  });
});

describe('the trust bundle', () => {
  test("keeps another CA's root, and drops what has expired", async () => {
    const other = createTestMesh('weft.local');
    const old = createTestMesh('weft.local', Date.now() - 60 * 86_400_000);
    const roots = [other.rootPem, old.rootPem];
    await ground.bus.state(states.trust).put('bundle', { trustDomain: 'weft.local', roots });
    await readyCa(ground);
    const bundle = await bundleOf(ground.bus);
    assert.equal(bundle.length, 2);
    assert.equal(bundle[1], other.rootPem);
  });

  test('gains a new root when the folder was lost, and keeps the old one', async () => {
    await (await readyCa(ground)).stop();
    const [old] = await bundleOf(ground.bus);
    rmSync(join(ground.folder, 'ca'), { recursive: true });
    await readyCa(ground);
    const bundle = await bundleOf(ground.bus);
    assert.equal(bundle.length, 2);
    assert.equal(bundle[1], old);
  });

  test('of another trust domain keeps the CA from being ready, and is not touched', async () => {
    await ground.bus.state(states.trust).put('bundle', { trustDomain: 'other.example', roots: [] });
    const ca = await runCa(ground);
    await eventually('the reason', () => /"other.example"/.test(ca.service.notReadyBecause() ?? ''));
    assert.deepEqual(await bundleOf(ground.bus), []);
  });

  test('gets its roots back when somebody takes them out', async () => {
    await readyCa(ground);
    const before = await bundleOf(ground.bus);
    await ground.bus.state(states.trust).put('bundle', { trustDomain: 'weft.local', roots: [] });
    await eventually('the roots to be back', async () => (await bundleOf(ground.bus)).length === 1);
    assert.deepEqual(await bundleOf(ground.bus), before);
  });

  test('takes the roots of two CAs that start at once', async () => {
    await Promise.all([readyCa(ground), readyCa(ground, { dir: join(ground.folder, 'second') })]);
    assert.equal((await bundleOf(ground.bus)).length, 2);
  });
});

test('a root is replaced before it ends: trusted first, then signing', async () => {
  const rootLifeMs = 10_000;
  const token = join(ground.folder, 'join-token');
  const ca = await readyCa(ground, { rootLifeMs, svidLifeMs: 2000, bootstrapTokenFile: token });
  const [first] = await bundleOf(ground.bus);
  assert.ok(first);
  // A certificate counts from a minute before it was made, and so does its life.
  const wholeMs = rootLifeMs + 60_000;
  const start = ground.clock.nowMs;
  ground.clock.nowMs = start - 60_000 + wholeMs * 0.77;
  await eventually('the next root to be trusted', async () => (await bundleOf(ground.bus)).length === 2);
  const prepared = await bundleOf(ground.bus);
  assert.equal(prepared[0], first);
  ground.clock.nowMs = start - 60_000 + wholeMs * 0.82;
  await eventually('the next root to sign', async () => (await bundleOf(ground.bus))[0] === prepared[1]);
  const [signing] = parseTrust((await bundleOf(ground.bus)).slice(0, 1));
  assert.ok(signing);
  await eventually('the token to name it', () =>
    parseJoinToken(readFileSync(token, 'utf8')).rootHash.equals(publicKeyHash(signing)),
  );
  await ca.stop();
  const again = await readyCa(ground, { rootLifeMs, svidLifeMs: 2000 });
  assert.equal((await bundleOf(ground.bus))[0], prepared[1]);
  await again.stop();
});

describe('the token file', () => {
  const tokenFile = (): string => join(ground.folder, 'join-token');

  test('holds a token that lets anybody join, for its owner to read, kept over restarts', async () => {
    const first = await readyCa(ground, { bootstrapTokenFile: tokenFile() });
    const text = readFileSync(tokenFile(), 'utf8');
    assert.equal(statSync(tokenFile()).mode & 0o777, 0o600);
    const port = await openNodePort(ground, first);
    const svid = await joinAs(port.client(), { token: text, namespace: 'shop', serviceAccount: 'cart' });
    assert.equal(svid.id.namespace, 'shop');
    await first.stop();
    await readyCa(ground, { bootstrapTokenFile: tokenFile() });
    assert.equal(readFileSync(tokenFile(), 'utf8'), text);
    assert.equal((await ground.bus.state(states.tokens).list()).length, 1);
  });

  for (const [what, spoil] of Object.entries({
    'is no token': () => writeFileSync(tokenFile(), 'nonsense\n'),
    'is not known any more': async () => {
      const { id } = parseJoinToken(readFileSync(tokenFile(), 'utf8'));
      await ground.bus.state(states.tokens).delete(id);
    },
    'names another root': () => rmSync(join(ground.folder, 'ca'), { recursive: true }),
  })) {
    test(`gets a new token when what is in it ${what}`, async () => {
      await (await readyCa(ground, { bootstrapTokenFile: tokenFile() })).stop();
      const before = readFileSync(tokenFile(), 'utf8');
      await spoil();
      await readyCa(ground, { bootstrapTokenFile: tokenFile() });
      const after = parseJoinToken(readFileSync(tokenFile(), 'utf8'));
      assert.notEqual(before, readFileSync(tokenFile(), 'utf8'));
      assert.ok(await ground.bus.state(states.tokens).get(after.id));
    });
  }
});

test('options that cannot be are refused', async () => {
  mkdirSync(join(ground.folder, 'x'));
  for (const options of [
    { trustDomain: 'Weft' },
    { trustDomain: '' },
    { svidLifeMs: 1999 },
    { svidLifeMs: Number.NaN },
    { rootLifeMs: 1000 },
  ]) {
    await assert.rejects(runCa(ground, options), { code: 'INVALID_ARGUMENT' });
  }
});
