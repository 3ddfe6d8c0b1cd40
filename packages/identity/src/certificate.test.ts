import 'reflect-metadata';
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { webcrypto, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import * as x509 from '@peculiar/x509';
import { WeftError } from '@weft/contracts/error';
import fc from 'fast-check';
import { createSvid, parseCertificate, parsePemCertificates, publicKeyHash, renewAtMs, verifySvid } from './index.ts';
import { createTestMesh, makeCertificate } from './testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-identity-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const skip = spawnSync('openssl', ['version']).status === 0 ? false : 'there is no openssl here';

function opensslVerify(rootPem: string, leafPem: string): string {
  const args = [
    'verify',
    '-x509_strict',
    '-purpose',
    'sslserver',
    '-CAfile',
    file('root.pem', rootPem),
    file('leaf.pem', leafPem),
  ];
  try {
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    return String(error);
  }
}

describe('an issued certificate', () => {
  const mesh = createTestMesh('shop.example');
  const svid = mesh.issue('shop', 'cart');
  const leaf = parseCertificate(svid.chain[0] ?? Buffer.alloc(0));

  test('is an X.509-SVID to @peculiar/x509', () => {
    const seen = new x509.X509Certificate(leaf.der);
    assert.equal(seen.subject, '');
    const names = seen.getExtension(x509.SubjectAlternativeNameExtension);
    assert.equal(names?.critical, true);
    assert.deepEqual(names.names.toJSON(), [{ type: 'url', value: 'spiffe://shop.example/ns/shop/sa/cart' }]);
    const constraints = seen.getExtension(x509.BasicConstraintsExtension);
    assert.deepEqual([constraints?.ca, constraints?.critical], [false, true]);
    const usage = seen.getExtension(x509.KeyUsagesExtension);
    assert.deepEqual([usage?.usages, usage?.critical], [x509.KeyUsageFlags.digitalSignature, true]);
    const extended = seen.getExtension(x509.ExtendedKeyUsageExtension);
    assert.deepEqual(
      [...(extended?.usages ?? [])],
      [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth],
    );
    assert.equal(seen.serialNumber.replace(/^00/, '').length, 32);
  });

  test('is signed by its root to @peculiar/x509 and to node:crypto', async () => {
    const root = new x509.X509Certificate(mesh.root.certificate.der);
    const seen = new x509.X509Certificate(leaf.der);
    assert.equal(await seen.verify({ publicKey: root, signatureOnly: true }), true);
    const own = new X509Certificate(leaf.der);
    assert.ok(own.verify(new X509Certificate(mesh.root.certificate.der).publicKey));
    assert.ok(own.checkIssued(new X509Certificate(mesh.root.certificate.der)));
    assert.equal(own.subjectAltName, 'URI:spiffe://shop.example/ns/shop/sa/cart');
    assert.equal(own.validFromDate.getTime(), leaf.notBeforeMs);
    assert.equal(own.validToDate.getTime(), leaf.notAfterMs);
  });

  test('holds in openssl, strictly; one outside the name constraint of the root does not', { skip }, () => {
    assert.match(opensslVerify(mesh.rootPem, svid.chainPem), /OK/);
    const evil = makeCertificate('spiffe://evil.example/ns/shop/sa/cart', {}, mesh.root);
    const pem = new X509Certificate(evil.certificate.der).toString();
    assert.match(opensslVerify(mesh.rootPem, pem), /permitted subtree violation/);
  });

  test('of a trust domain that reads like an IP address holds too', { skip }, () => {
    for (const trustDomain of ['10.0.0.1', 'weft', 'a_b.example', '1.example']) {
      const odd = createTestMesh(trustDomain);
      const good = odd.issue('shop', 'cart');
      assert.match(opensslVerify(odd.rootPem, good.chainPem), /OK/, trustDomain);
      const roots = parsePemCertificates(odd.rootPem);
      verifySvid(good.chain, { roots, trustDomain, nowMs: Date.now() });
    }
  });

  test('counts from a minute ago and lives for what was asked, never longer than its root', () => {
    const nowMs = Date.UTC(2030, 5, 1, 12, 0, 0, 500);
    const at = createTestMesh('weft.local', nowMs);
    const short = at.issue('shop', 'cart', 2000);
    assert.equal(short.notBeforeMs, nowMs - 500 - 60_000);
    assert.equal(short.notAfterMs, nowMs + 2500);
    const long = at.issue('shop', 'cart', 1000 * 86_400_000);
    assert.equal(long.notAfterMs, at.root.certificate.notAfterMs);
  });

  test('is named by the hash of its public key', () => {
    const der = new X509Certificate(leaf.der).publicKey.export({ type: 'spki', format: 'der' });
    assert.ok(leaf.spki.equals(der));
    assert.equal(publicKeyHash(leaf).length, 32);
  });

  test('goes with its key alone', () => {
    assert.deepEqual(createSvid(svid.chainPem, svid.keyPem), svid);
    assert.throws(() => createSvid(svid.chain, mesh.issue('shop', 'cart').keyPem), { message: /not that of/ });
    assert.throws(() => createSvid([], svid.keyPem), { code: 'INVALID_ARGUMENT' });
  });

  test('is renewed between half and two thirds of its life', () => {
    for (const random of [0, 0.5, 0.999]) {
      const at = renewAtMs({ notAfterMs: 30_000 }, 0, () => random);
      assert.ok(at >= 15_000 && at <= 20_000, `${at}`);
    }
    assert.equal(renewAtMs({ notAfterMs: 10 }, 50), 50);
  });
});

describe('the parser of certificates', () => {
  const mesh = createTestMesh();
  const [der = Buffer.alloc(0)] = mesh.issue('shop', 'cart').chain;
  const roots = [mesh.root.certificate];

  test('reads what others wrote', async () => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
    const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
    const made = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=Somebody, O=Else',
      notBefore: new Date('2020-01-01'),
      notAfter: new Date('2060-01-01'),
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(true, 3, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.keyEncipherment, true),
        new x509.SubjectAlternativeNameExtension([
          { type: 'dns', value: 'a.example' },
          { type: 'ip', value: '10.0.0.1' },
          { type: 'email', value: 'a@b.example' },
        ]),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    const { extensions, notAfterMs } = parseCertificate(Buffer.from(made.rawData));
    assert.deepEqual(extensions.basicConstraints, { ca: true, pathLength: 3 });
    assert.deepEqual(extensions.keyUsage, new Set(['other', 'keyCertSign']));
    assert.deepEqual(
      extensions.names?.map(({ type }) => type),
      ['dns', 'ip', 'email'],
    );
    assert.equal(notAfterMs, Date.UTC(2060, 0, 1));
  });

  test('refuses a certificate that was changed in any place, by nothing but a WeftError', () => {
    const options = { roots, trustDomain: mesh.trustDomain, nowMs: Date.now() };
    verifySvid([der], options);
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(der);
        changed[at] = (changed[at] ?? 0) ^ flip;
        assert.throws(
          () => verifySvid([changed], options),
          (error) => error instanceof WeftError && error.code === 'UNAUTHENTICATED',
        );
      }),
      { numRuns: 1500 },
    );
  });

  test('refuses what is cut off or left over', () => {
    for (let length = 0; length < der.length; length += 1) {
      assert.throws(() => parseCertificate(der.subarray(0, length)), WeftError);
    }
    assert.throws(() => parseCertificate(Buffer.concat([der, Buffer.from([0])])), WeftError);
    assert.throws(() => parseCertificate(Buffer.alloc(70_000, 0x30)), { message: /too large/ });
  });

  test('throws nothing but a WeftError on random bytes, and on bytes put into a certificate', () => {
    const parse = (bytes: Uint8Array): void => {
      try {
        parseCertificate(bytes);
      } catch (error) {
        assert.ok(error instanceof WeftError, String(error));
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), parse));
    fc.assert(
      fc.property(fc.nat(der.length), fc.nat(20), fc.uint8Array({ maxLength: 20 }), (at, cut, bytes) => {
        parse(Buffer.concat([der.subarray(0, at), bytes, der.subarray(at + cut)]));
      }),
      { numRuns: 1500 },
    );
  });
});
