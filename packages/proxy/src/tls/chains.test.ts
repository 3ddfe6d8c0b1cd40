/** Revocation lists, depths of chains, and certificates of intermediates that are trusted as they are. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { chainToPem, derToPem, type Issuer, keyToPem } from '@weft/identity';
import { makeCertificate, makeLooseRoot, makeRevocationList } from '@weft/identity/testing';
import type { ValidationConfig } from '../config/tls-validation.ts';
import { certificateConfig, downstreamConfig, validationConfig } from './testing/config.ts';
import { startTls, type TestServer } from './testing/handshakes.ts';

const root = makeLooseRoot();
const middle = makeCertificate('', { uris: [], ca: true, subject: 'middle' }, root);
const lower = makeCertificate('', { uris: [], ca: true, subject: 'lower' }, middle);
const good = makeCertificate('spiffe://a/good', {}, root);
const revoked = makeCertificate('spiffe://a/revoked', {}, root);
const behind = makeCertificate('spiffe://a/behind', {}, middle);
const farBehind = makeCertificate('spiffe://a/far', {}, lower);
const rootPem = derToPem(root.certificate.der);

const credential = (leaf: Issuer, ...issuers: readonly Issuer[]) => ({
  cert: chainToPem([leaf, ...issuers].map(({ certificate }) => certificate.der)),
  key: keyToPem(leaf.privateKey),
});

function start(test: TestContext, fields: Partial<ValidationConfig>): Promise<TestServer> {
  const validation = validationConfig({ trustedCa: rootPem, ...fields });
  const { cert, key } = credential(good);
  const certificates = [certificateConfig(cert, key)];
  return startTls(test, downstreamConfig({ certificates, validation, requiresClientCertificate: true }));
}

const LIST = makeRevocationList(root, [revoked.certificate]);

for (const [where, fields] of [
  ['in crl', { crl: LIST }],
  ['beside what is trusted', { trustedCa: rootPem + LIST }],
] as const) {
  test(`a client that is on a revocation list ${where} is refused, others are not`, async (t) => {
    const { meet, stats } = await start(t, fields);
    assert.match((await meet(credential(revoked))).refusal, /CERT_REVOKED/);
    assert.equal((await meet(credential(good))).refusal, '');
    assert.deepEqual([stats.fail_verify_error, stats.handshake, stats.connection_error], [1, 1, 0]);
  });
}

test('a chain with a CA without a list, or whose list is of another time, is refused', async (t) => {
  const { meet } = await start(t, { crl: LIST });
  assert.match((await meet(credential(behind, middle))).refusal, /UNABLE_TO_GET_CRL/);
  const both = await start(t, { crl: LIST + makeRevocationList(middle, []) });
  assert.equal((await both.meet(credential(behind, middle))).refusal, '');
  const old = await start(t, { crl: makeRevocationList(root, [], Date.now() - 1000) });
  assert.match((await old.meet(credential(good))).refusal, /CRL_HAS_EXPIRED/);
  const revokesMiddle = await start(t, {
    crl: makeRevocationList(root, [middle.certificate]) + makeRevocationList(middle, []),
  });
  assert.match((await revokesMiddle.meet(credential(behind, middle))).refusal, /CERT_REVOKED/);
});

test('a list that its issuer did not sign says nothing', async (t) => {
  const forger = { ...root, privateKey: makeLooseRoot().privateKey };
  const { meet } = await start(t, { crl: makeRevocationList(forger, []) });
  assert.match((await meet(credential(good))).refusal, /CERTIFICATE_VERIFY_FAILED/);
});

test('nobody comes back with a session where there is a revocation list', async (t) => {
  const { meet } = await start(t, { crl: LIST });
  const { session } = await meet(credential(good));
  assert.equal((await meet({ ...credential(good), ...(session && { session }) })).isResumed, false);
});

test('as many CAs may stand above a client as are allowed', async (t) => {
  const chains = [credential(good), credential(behind, middle), credential(farBehind, lower, middle)];
  for (const [maxDepth, allowed] of [
    [0, 1],
    [1, 1],
    [2, 2],
    [3, 3],
    [undefined, 3],
  ] as const) {
    const { meet } = await start(t, { maxDepth });
    const refusals: string[] = [];
    for (const chain of chains) refusals.push((await meet(chain)).refusal);
    assert.equal(refusals.filter((refusal) => refusal === '').length, allowed, `${maxDepth}: ${refusals}`);
  }
});

test('an intermediate that is trusted ends a chain', async (t) => {
  const { meet } = await start(t, { trustedCa: derToPem(middle.certificate.der), maxDepth: 1 });
  assert.equal((await meet(credential(behind, middle))).refusal, '');
  assert.equal((await meet(credential(behind))).refusal, '');
  assert.match((await meet(credential(good))).refusal, /CERTIFICATE_VERIFY_FAILED/);
  assert.match((await meet(credential(farBehind, lower))).refusal, /more than 1/);
});
