/** Which names of a certificate are the host that is asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chainToPem, derToPem, keyToPem } from '@weft/identity';
import { makeCertificate, makeLooseRoot } from '@weft/identity/testing';
import { certificateConfig, downstreamConfig, validationConfig } from './testing/config.ts';
import { startTls } from './testing/handshakes.ts';

const root = makeLooseRoot();

function credential(name: string): { readonly cert: string; readonly key: string } {
  const leaf = makeCertificate('', { uris: [], dnsNames: [name] }, root);
  return { cert: chainToPem([leaf.certificate.der]), key: keyToPem(leaf.privateKey) };
}

test('names of hosts have no case, and a star stands for the first label alone', async (t) => {
  const exact = 'cart.shop.Test';
  const matches = (text: string) => text === exact;
  const { cert, key } = credential('server.test');
  const { meet } = await startTls(
    t,
    downstreamConfig({
      certificates: [certificateConfig(cert, key)],
      validation: validationConfig({
        trustedCa: derToPem(root.certificate.der),
        sanMatchers: [{ type: 'DNS', exact, isSpiffe: false, matches, text: exact }],
      }),
      requiresClientCertificate: true,
    }),
  );
  for (const name of ['cart.shop.Test', 'cart.shop.test', 'CART.shop.TEST', '*.shop.test', '*.SHOP.test']) {
    assert.equal((await meet(credential(name))).refusal, '', name);
  }
  for (const name of [
    'cart.shop.test.',
    'xcart.shop.test',
    '*.test',
    '*',
    'c*.shop.test',
    'shop.test',
    '*.cart.shop.test',
  ]) {
    assert.match((await meet(credential(name))).refusal, /no name of the certificate/, name);
  }
});
