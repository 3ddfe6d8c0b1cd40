/** Who takes the session tickets of whom. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { chainToPem, keyToPem } from '@weft/identity';
import { createTestMesh, makeCertificate, makeLooseRoot } from '@weft/identity/testing';
import type { DownstreamTlsConfig } from '../config/tls.ts';
import { SharedCounts } from '../counts/shared-counts.ts';
import { certificateConfig, downstreamConfig, validationConfig } from './testing/config.ts';
import { type Met, type ProcessParts, startTls, type TestServer } from './testing/handshakes.ts';

const mesh = createTestMesh('weft.local');
const issued = mesh.issue('shop', 'cart');
const renewed = mesh.issue('shop', 'cart');
const other = mesh.issue('shop', 'stock');
const certificateOf = ({ chainPem, keyPem }: typeof issued) => certificateConfig(chainPem, keyPem);
const certificates = [certificateOf(issued)];
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
const newKey = () => randomBytes(80);

const looseRoot = makeLooseRoot();
const roots = validationConfig({ trustedCa: chainToPem([looseRoot.certificate.der]) });

function start(
  test: TestContext,
  fields: Partial<DownstreamTlsConfig>,
  process: ProcessParts = {},
): Promise<TestServer> {
  return startTls(test, downstreamConfig({ certificates, ...fields }), process);
}

/** Whether the second server takes the session that the first one gave. */
async function goesOn(first: TestServer, second: TestServer, options: object = {}): Promise<Met> {
  const { session } = await first.meet(options);
  assert.ok(session, 'there is a session');
  return second.meet({ ...options, session });
}

for (const maxVersion of VERSIONS) {
  test(`threads of a process take the tickets of each other, other processes do not, with ${maxVersion}`, async (t) => {
    const ticketSecret = randomBytes(32);
    const one = await start(t, {}, { ticketSecret });
    assert.equal((await goesOn(one, await start(t, {}, { ticketSecret }), { maxVersion })).isResumed, true);
    assert.equal((await goesOn(one, await start(t, {}), { maxVersion })).isResumed, false);
  });

  test(`processes with the same keys take the tickets of each other, with ${maxVersion}`, async (t) => {
    const ticketKeys = [newKey()];
    const one = await start(t, { ticketKeys });
    const another = await start(t, { ticketKeys, certificates: [certificateOf(renewed)] });
    assert.equal((await goesOn(one, another, { maxVersion })).isResumed, true);
    assert.equal((await goesOn(one, await start(t, { ticketKeys: [newKey()] }), { maxVersion })).isResumed, false);
  });

  test(`tickets are made with the first key and taken with each, with ${maxVersion}`, async (t) => {
    const [older, newer] = [newKey(), newKey()];
    const before = await start(t, { ticketKeys: [older] });
    const between = await start(t, { ticketKeys: [newer, older] });
    const after = await start(t, { ticketKeys: [newer] });
    assert.equal((await goesOn(before, between, { maxVersion })).isResumed, true);
    assert.equal((await goesOn(between, after, { maxVersion })).isResumed, true);
    assert.equal((await goesOn(between, before, { maxVersion })).isResumed, false);
    assert.equal((await goesOn(before, after, { maxVersion })).isResumed, false);
    const { session } = await goesOn(before, between, { maxVersion });
    const renewedOne = await after.meet({ maxVersion, ...(session && { session }) });
    assert.equal(renewedOne.isResumed, true, 'a ticket of an older key is renewed');
  });
}

test('a context that lets in others, or speaks as another, takes no ticket of the same key', async (t) => {
  const ticketSecret = randomBytes(32);
  const ticketKeys = [newKey()];
  for (const keys of [{}, { ticketKeys }]) {
    const one = await start(t, keys, { ticketSecret });
    for (const fields of [
      { validation: roots },
      { validation: validationConfig({ keyHashes: ['x'] }) },
      { requiresClientCertificate: true, validation: roots },
      { certificates: [certificateOf(other)] },
    ]) {
      const another = await start(t, { ...keys, ...fields }, { ticketSecret });
      assert.equal((await goesOn(one, another)).isResumed, false, Object.keys(fields).join());
    }
  }
});

const middle = makeCertificate('', { uris: [], ca: true, subject: 'middle' }, looseRoot);
const far = makeCertificate('spiffe://far.example/a', {}, middle);
const direct = makeCertificate('spiffe://far.example/a', {}, looseRoot);
const behind = { cert: chainToPem([far.certificate.der, middle.certificate.der]), key: keyToPem(far.privateKey) };
const below = { cert: chainToPem([direct.certificate.der]), key: keyToPem(direct.privateKey) };
const spiffe = validationConfig({ spiffeBundles: new Map([['far.example', roots.trustedCa ?? '']]) });

test('a caller whose chain one thread has seen comes back to another, behind an intermediate or not', async (t) => {
  const counts = SharedCounts.make(64);
  const process = { ticketSecret: randomBytes(32), counts };
  for (const caller of [behind, below]) {
    const [one, another] = [
      await start(t, { validation: spiffe }, process),
      await start(t, { validation: spiffe }, process),
    ];
    const { isResumed, refusal } = await goesOn(one, another, caller);
    assert.deepEqual({ isResumed, refusal }, { isResumed: true, refusal: '' });
  }
});

test('a caller whose chain nobody accepted is let in nowhere with the ticket that it was given', async (t) => {
  const process = { ticketSecret: randomBytes(32), counts: SharedCounts.make(64) };
  const sanMatchers = [{ type: 'URI', exact: undefined, isSpiffe: false, matches: () => false, text: 'none' }] as const;
  for (const validation of [
    { ...spiffe, sanMatchers },
    { ...roots, sanMatchers },
    { ...spiffe, maxDepth: 1 },
  ]) {
    const [one, another] = [await start(t, { validation }, process), await start(t, { validation }, process)];
    const first = await one.meet({ ...behind, maxVersion: 'TLSv1.2' });
    assert.notEqual(first.refusal, '');
    if (!first.session) continue;
    const second = await another.meet({ ...behind, maxVersion: 'TLSv1.2', session: first.session });
    assert.notEqual(second.refusal, '');
  }
});

test('keys that are configured are not used across processes where a session says too little', async (t) => {
  const ticketKeys = [newKey()];
  const [one, another] = [
    await start(t, { ticketKeys, validation: spiffe }),
    await start(t, { ticketKeys, validation: spiffe }),
  ];
  const { isResumed, refusal } = await goesOn(one, another, behind);
  assert.deepEqual({ isResumed, refusal }, { isResumed: false, refusal: '' });
});
