import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Bus } from '@weft/bus';
import { parsePemCertificates, parseTrust, verifySvid } from '@weft/identity';
import type { TlsSource } from '@weft/rpc';
import { serverCertificate } from './certificate.ts';
import { createLogger } from './log.ts';
import { eventually, openBus, runFakeCa } from './testing.ts';

let bus: Bus;
let over: AbortController;
let keeping: Promise<unknown>;

beforeEach(async () => {
  bus = await openBus();
  over = new AbortController();
  keeping = Promise.resolve();
});
afterEach(async () => {
  over.abort();
  await keeping.catch(() => undefined);
  await bus.close();
});

async function obtain(): Promise<TlsSource> {
  const log = createLogger({ name: 'test', level: 'silent' });
  const clock = { now: () => Date.now() };
  const certificate = await serverCertificate({ bus, service: 'discovery', log, clock, signal: over.signal });
  keeping = certificate.keep();
  return certificate.tls;
}

function check(tls: TlsSource, rootPem: string): void {
  const { chainPem, rootsPem } = tls.current();
  const chain = parsePemCertificates(chainPem);
  const options = { roots: parseTrust([rootPem]), trustDomain: 'weft.local', nowMs: Date.now() };
  assert.equal(
    verifySvid(
      chain.map(({ der }) => der),
      options,
    ).serviceAccount,
    'discovery',
  );
  // The root at its end is what an agent that joins knows the mesh by.
  assert.ok(chain.at(-1)?.der.equals(parsePemCertificates(rootPem)[0]?.der ?? Buffer.alloc(0)));
  assert.ok(rootsPem.includes(rootPem));
}

describe('the certificate of a server', () => {
  test('comes from ca, and shows its root', async () => {
    const ca = await runFakeCa(bus);
    check(await obtain(), ca.rootPem);
    assert.equal(ca.issued(), 1);
  });

  test('is waited for while ca is away', async () => {
    const obtaining = obtain();
    const ca = await runFakeCa(bus);
    check(await obtaining, ca.rootPem);
  });

  test('is renewed at half of its life, again and again', async () => {
    const ca = await runFakeCa(bus, 1000);
    const tls = await obtain();
    const first = tls.current().chainPem;
    let changes = 0;
    tls.onChange(() => {
      changes += 1;
    }, over.signal);
    await eventually('renewals', () => changes >= 3 && ca.issued() >= 3);
    assert.notEqual(tls.current().chainPem, first);
    check(tls, ca.rootPem);
  });

  test('stays while ca is away, and is renewed once it is back', async () => {
    const ca = await runFakeCa(bus, 1000);
    const tls = await obtain();
    ca.stop();
    const kept = tls.current().chainPem;
    const second = await runFakeCa(bus, 60_000);
    await eventually('the renewal', () => tls.current().chainPem !== kept);
    check(tls, second.rootPem);
  });

  test('is renewed at once when another root signs', async () => {
    const first = await runFakeCa(bus, 3_600_000);
    const tls = await obtain();
    check(tls, first.rootPem);
    first.stop();
    const second = await runFakeCa(bus, 3_600_000);
    await eventually('the renewal', () => tls.current().chainPem.includes(second.rootPem));
    check(tls, second.rootPem);
    assert.ok(tls.current().rootsPem.includes(first.rootPem));
  });
});
