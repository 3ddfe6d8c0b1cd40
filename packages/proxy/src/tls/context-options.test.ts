import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect, createServer, type SecureContextOptions } from 'node:tls';
import { chainToPem } from '@weft/identity';
import { createTestMesh, makeLooseRoot } from '@weft/identity/testing';
import { contextOptions, presentedChain } from './context-options.ts';
import { certificateConfig, downstreamConfig } from './testing/config.ts';
import { NOBODY } from './validation.ts';

const mesh = createTestMesh('weft.local');
const issued = mesh.issue('shop', 'cart');
const leaf = chainToPem(issued.chain.slice(0, 1));
const other = chainToPem([makeLooseRoot().certificate.der]);
const certificate = certificateConfig(leaf, issued.keyPem);
const defaults = downstreamConfig({});

/** The cipher that both sides agree on; undefined where they agree on none. */
async function agreed(server: SecureContextOptions, client: SecureContextOptions): Promise<string | undefined> {
  const listening = createServer(server).listen(0, '127.0.0.1');
  await new Promise((resolve) => listening.once('listening', resolve));
  const { port } = listening.address() as AddressInfo;
  const socket = connect({ ...client, port, host: '127.0.0.1', rejectUnauthorized: false });
  try {
    return await new Promise((resolve) => {
      socket.once('secureConnect', () => resolve(socket.getCipher().name));
      socket.once('error', () => resolve(undefined));
    });
  } finally {
    socket.destroy();
    listening.close();
  }
}

test('a leaf that stands alone is presented with the root that signed it', () => {
  assert.equal(presentedChain(leaf, [other + mesh.rootPem]), `${leaf.trimEnd()}\n${mesh.rootPem}`);
});

test('a chain is presented as it is where no root that is known signed it, or where it is longer', () => {
  assert.equal(presentedChain(leaf, [other]), leaf);
  assert.equal(presentedChain(leaf, []), leaf);
  assert.equal(presentedChain(leaf + other, [mesh.rootPem]), leaf + other);
  assert.equal(presentedChain(mesh.rootPem, [mesh.rootPem]), mesh.rootPem);
});

test('two data planes agree on AES with 128 bits', async () => {
  const options = contextOptions(defaults, certificate, NOBODY);
  assert.equal(await agreed(options, options), 'TLS_AES_128_GCM_SHA256');
  const older = contextOptions({ ...defaults, maxVersion: 'TLSv1.2' }, certificate, NOBODY);
  assert.equal(await agreed(options, older), 'ECDHE-ECDSA-AES128-GCM-SHA256');
});

test('a peer that speaks only ciphers without authenticated encryption is refused', async () => {
  const options = contextOptions(defaults, certificate, NOBODY);
  const old = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA' } as const;
  assert.equal(await agreed(options, old), undefined);
});

test('ciphers that are configured are those of TLS 1.2 alone', async () => {
  const options = contextOptions({ ...defaults, ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' }, certificate, NOBODY);
  assert.equal(await agreed(options, { maxVersion: 'TLSv1.2' }), 'ECDHE-ECDSA-AES256-GCM-SHA384');
  assert.equal(await agreed(options, {}), 'TLS_AES_128_GCM_SHA256');
});

test('signature algorithms that are configured are the only ones', async () => {
  const options = contextOptions({ ...defaults, signatureAlgorithms: 'ecdsa_secp256r1_sha256' }, certificate, NOBODY);
  assert.equal(await agreed(options, { sigalgs: 'ecdsa_secp256r1_sha256' }), 'TLS_AES_128_GCM_SHA256');
  assert.equal(await agreed(options, { sigalgs: 'rsa_pss_rsae_sha256' }), undefined);
});
