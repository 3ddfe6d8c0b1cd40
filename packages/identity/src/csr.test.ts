import 'reflect-metadata';
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Pkcs10CertificateRequest, Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { WeftError } from '@weft/contracts/error';
import fc from 'fast-check';
import { createCsr, generateKey, keyFromPem, keyToPem, parseCsr, spkiOf } from './index.ts';
import { derToPem, pemToDer } from './pem.ts';

const skip = spawnSync('openssl', ['version']).status === 0 ? false : 'there is no openssl here';
const folder = mkdtempSync(join(tmpdir(), 'weft-identity-'));
after(() => rmSync(folder, { recursive: true }));

function openssl(args: readonly string[], input: string | Buffer): Buffer {
  return execFileSync('openssl', args, { input, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** A request that openssl makes for a key. */
function opensslRequest(keyPem: string, ...more: readonly string[]): Buffer {
  const path = join(folder, 'key.pem');
  writeFileSync(path, keyPem);
  return openssl(['req', '-new', '-sha256', '-key', path, '-subj', '/CN=somebody', '-outform', 'DER', ...more], '');
}

describe('a certificate signing request', () => {
  const key = generateKey();
  const csr = createCsr(key);

  test('gives the public key that it is signed by', () => {
    assert.ok(parseCsr(csr).equals(spkiOf(key)));
  });

  test('is taken by @peculiar/x509', async () => {
    const request = new Pkcs10CertificateRequest(csr);
    assert.equal(await request.verify(), true);
  });

  test('is taken by openssl', { skip }, () => {
    openssl(['req', '-verify', '-noout'], derToPem(csr, 'CERTIFICATE REQUEST'));
  });

  test('of openssl is taken, with names and attributes in it', { skip }, () => {
    const made = opensslRequest(keyToPem(key), '-addext', 'subjectAltName=URI:spiffe://evil.example/x');
    assert.ok(parseCsr(made).equals(spkiOf(key)));
  });

  test('of @peculiar/x509 is taken', async () => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
    const made = await Pkcs10CertificateRequestGenerator.create({ name: 'CN=x', keys, signingAlgorithm: algorithm });
    const spki = Buffer.from(await webcrypto.subtle.exportKey('spki', keys.publicKey));
    assert.ok(parseCsr(Buffer.from(made.rawData)).equals(spki));
  });

  test('for the key of somebody else is refused', () => {
    const other = spkiOf(generateKey());
    const stolen = Buffer.from(csr);
    const at = stolen.indexOf(spkiOf(key));
    other.copy(stolen, at);
    assert.throws(() => parseCsr(stolen), { code: 'INVALID_ARGUMENT', message: /not signed by the key/ });
  });

  test('for another kind of key is refused', { skip }, () => {
    const kinds = [
      generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
      generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
    ];
    for (const kind of kinds) {
      const made = opensslRequest(kind.export({ type: 'pkcs8', format: 'pem' }).toString());
      assert.throws(() => parseCsr(made), { code: 'INVALID_ARGUMENT' });
    }
  });

  test('that was changed in any place is refused, and by nothing but a WeftError', () => {
    fc.assert(
      fc.property(fc.nat(csr.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(csr);
        changed[at] = (changed[at] ?? 0) ^ flip;
        assert.throws(() => parseCsr(changed), WeftError);
      }),
      { numRuns: 500 },
    );
    for (let length = 0; length < csr.length; length += 1)
      assert.throws(() => parseCsr(csr.subarray(0, length)), WeftError);
    assert.throws(() => parseCsr(Buffer.concat([csr, Buffer.from([0])])), WeftError);
  });

  test('of random bytes is refused by nothing but a WeftError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        assert.throws(() => parseCsr(bytes), WeftError);
      }),
    );
    assert.throws(() => parseCsr(Buffer.alloc(1_000_000, 0x30)), WeftError);
  });

  test('for a point that is not on the curve is refused', () => {
    const bad = Buffer.from(csr);
    const at = bad.indexOf(spkiOf(key)) + 27;
    bad.fill(1, at, at + 64);
    assert.throws(() => parseCsr(bad), { code: 'INVALID_ARGUMENT', message: /cannot be read/ });
  });
});

describe('a private key', () => {
  test('comes back from PEM, encrypted or not', () => {
    const key = generateKey();
    for (const passphrase of [undefined, 'correct horse']) {
      const pem = keyToPem(key, passphrase);
      assert.equal(pem.includes('ENCRYPTED'), passphrase !== undefined);
      assert.ok(createPublicKey(keyFromPem(pem, passphrase)).equals(createPublicKey(key)));
    }
  });

  test('that cannot be read is told without being told', () => {
    const encrypted = keyToPem(generateKey(), 'right');
    assert.throws(() => keyFromPem(encrypted, 'wrong'), { code: 'INVALID_ARGUMENT', message: /passphrase is wrong/ });
    assert.throws(() => keyFromPem(encrypted), { code: 'INVALID_ARGUMENT', message: /passphrase is wrong or missing/ });
    assert.throws(() => keyFromPem('nonsense'), { code: 'INVALID_ARGUMENT' });
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const pem = rsa.export({ type: 'pkcs8', format: 'pem' }).toString();
    assert.throws(() => keyFromPem(pem), { code: 'INVALID_ARGUMENT', message: /P-256/ });
  });
});

test('PEM holds what was put in, between other text', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 4 }), (ders) => {
      const text = ders.map((der) => `some words\n${derToPem(der)}more\r\n`).join('');
      assert.deepEqual(
        pemToDer(text),
        ders.map((der) => Buffer.from(der)),
      );
    }),
  );
  assert.throws(() => pemToDer('nothing here'), { code: 'INVALID_ARGUMENT' });
});
