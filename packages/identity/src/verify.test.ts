import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { contextTag, encode, encodeSequence, TAG } from './der.ts';
import { encodeOid } from './der-types.ts';
import { permittedUriHost } from './extensions.ts';
import { type Certificate, formatSpiffeId, parseTrust, peerChain, verifyAnySvid, verifySvid } from './index.ts';
import type { Issuer } from './issue.ts';
import { OID } from './oids.ts';
import { createTestMesh, forgedCredentials, type LeafOptions, makeCertificate, makeLooseRoot } from './testing.ts';

const mesh = createTestMesh();
const id = { trustDomain: 'weft.local', namespace: 'shop', serviceAccount: 'cart' };
const uri = formatSpiffeId(id);
const DAY_MS = 86_400_000;

function verify(chain: readonly Certificate[], roots: readonly Certificate[], nowMs = Date.now()) {
  return verifySvid(
    chain.map(({ der }) => der),
    { roots, trustDomain: 'weft.local', nowMs },
  );
}

function refuses(
  reason: RegExp,
  chain: readonly Certificate[],
  roots: readonly Certificate[],
  nowMs = Date.now(),
): void {
  assert.throws(() => verify(chain, roots, nowMs), { name: 'WeftError', code: 'UNAUTHENTICATED', message: reason });
}

/** A chain of CAs under a loose root, each made with its options, and a good leaf at the end. */
function chainOf(...middles: readonly LeafOptions[]): {
  readonly chain: readonly Certificate[];
  readonly root: Issuer;
} {
  const root = makeLooseRoot();
  const chain: Certificate[] = [];
  let issuer = root;
  for (const [index, options] of middles.entries()) {
    issuer = makeCertificate('', { uris: [], ca: true, subject: `middle ${index}`, ...options }, issuer);
    chain.unshift(issuer.certificate);
  }
  return { chain: [makeCertificate(uri, {}, issuer).certificate, ...chain], root };
}

describe('a chain', () => {
  test('of the mesh proves its identity', () => {
    const { chain } = mesh.issue('shop', 'cart');
    assert.deepEqual(
      verifySvid(chain, { roots: parseTrust([mesh.rootPem]), trustDomain: 'weft.local', nowMs: Date.now() }),
      id,
    );
  });

  test('may name DNS names beside the one URI', () => {
    const { certificate } = makeCertificate(uri, { dnsNames: ['cart.mesh'] }, mesh.root);
    assert.deepEqual(verify([certificate], [mesh.root.certificate]), id);
  });

  test('may have its root at its end, and what is of no use after that', () => {
    const { chain, root } = chainOf({});
    assert.deepEqual(verify([...chain, root.certificate, mesh.root.certificate], [root.certificate]), id);
  });

  test('may end at any of several roots', () => {
    const other = createTestMesh();
    const { certificate } = makeCertificate(uri, {}, other.root);
    assert.deepEqual(verify([certificate], [mesh.root.certificate, other.root.certificate]), id);
  });

  test('that is empty or endless is refused', () => {
    refuses(/none was presented/, [], [mesh.root.certificate]);
    const { certificate } = makeCertificate(uri, {}, mesh.root);
    refuses(/longer than 8/, Array(9).fill(certificate), [mesh.root.certificate]);
  });

  test('without any root to trust is refused', () => {
    const { certificate } = makeCertificate(uri, {}, mesh.root);
    refuses(/not signed by a root/, [certificate], []);
  });

  for (const [what, { chain }] of Object.entries(forgedCredentials(mesh, id))) {
    test(`that is forged is refused: ${what}`, () => {
      const options = { roots: [mesh.root.certificate], trustDomain: 'weft.local', nowMs: Date.now() };
      assert.throws(() => verifySvid(chain, options), { name: 'WeftError', code: 'UNAUTHENTICATED' });
    });
  }
});

describe('an intermediate', () => {
  test('of one CA or two is followed', () => {
    for (const { chain, root } of [chainOf({}), chainOf({}, {}), chainOf({ pathLength: 1 }, { pathLength: 0 })]) {
      assert.deepEqual(verify(chain, [root.certificate]), id);
    }
  });

  test('is needed where the leaf is not signed by a root', () => {
    const { chain, root } = chainOf({});
    refuses(/not signed by a root/, chain.slice(0, 1), [root.certificate]);
  });

  test('without the CA bit, without the right to sign, or for one purpose alone is refused', () => {
    const { chain, root } = chainOf({ ca: false, usage: 'certSign' });
    refuses(/without being a CA/, chain, [root.certificate]);
    const digital = chainOf({ usage: 'digitalSignature' });
    refuses(/must not sign certificates/, digital.chain, [digital.root.certificate]);
    const none = chainOf({ usage: 'none' });
    refuses(/must not sign certificates/, none.chain, [none.root.certificate]);
    const usages = encodeSequence(
      encodeOid(OID.extendedKeyUsage),
      encode(TAG.octetString, encodeSequence(encodeOid(OID.clientAuth))),
    );
    const clientsAlone = chainOf({ extra: [usages] });
    refuses(/not for servers and clients/, clientsAlone.chain, [clientsAlone.root.certificate]);
  });

  test('below a CA that allows no more of them is refused', () => {
    const { chain, root } = chainOf({ pathLength: 0 }, {});
    refuses(/longer than a CA in it allows/, chain, [root.certificate]);
    const middle = makeCertificate('', { uris: [], ca: true, subject: 'middle' }, mesh.root);
    const leaf = makeCertificate(uri, {}, middle);
    refuses(/longer than a CA in it allows/, [leaf.certificate, middle.certificate], [mesh.root.certificate]);
  });

  test('that has expired, or says something critical that nobody knows, is refused', () => {
    const expired = chainOf({ notBeforeMs: Date.now() - 2 * DAY_MS, notAfterMs: Date.now() - DAY_MS });
    refuses(/a CA in its chain expired/, expired.chain, [expired.root.certificate]);
    const unknown = encodeSequence(
      encodeOid('1.2.3.4'),
      encode(TAG.boolean, Buffer.from([0xff])),
      encode(TAG.octetString, encodeSequence()),
    );
    const critical = chainOf({ extra: [unknown] });
    refuses(/unknown critical extension 1\.2\.3\.4/, critical.chain, [critical.root.certificate]);
  });

  test('may issue only the names that it is constrained to', () => {
    for (const host of ['weft.local', '.local']) {
      const { chain, root } = chainOf({ extra: [permittedUriHost(host)] });
      assert.deepEqual(verify(chain, [root.certificate]), id);
    }
    for (const host of ['other.local', '.weft.local', 'eft.local']) {
      const { chain, root } = chainOf({ extra: [permittedUriHost(host)] });
      refuses(/not among the names that its CA may issue/, chain, [root.certificate]);
    }
  });

  test('must not issue the names that are excluded', () => {
    const subtree = encodeSequence(encode(contextTag(6, false), Buffer.from('weft.local')));
    const excluded = encodeSequence(
      encodeOid(OID.nameConstraints),
      encode(TAG.boolean, Buffer.from([0xff])),
      encode(TAG.octetString, encodeSequence(encode(contextTag(1), subtree))),
    );
    const { chain, root } = chainOf({ extra: [excluded] });
    refuses(/must not issue/, chain, [root.certificate]);
  });
});

describe('where several trust domains are trusted', () => {
  const far = makeLooseRoot();
  const near = makeLooseRoot();
  const rootsOf = (domain: string) =>
    domain === 'near.example' ? [near.certificate] : domain === 'far.example' ? [far.certificate] : undefined;
  const ask = (...chain: readonly Issuer[]): string =>
    verifyAnySvid(
      chain.map(({ certificate }) => certificate.der),
      { rootsOf, nowMs: Date.now() },
    );
  const refused = (reason: RegExp, ...chain: readonly Issuer[]) =>
    assert.throws(() => ask(...chain), { name: 'WeftError', code: 'UNAUTHENTICATED', message: reason });

  test('each vouches for its own identities, of whatever form they are', () => {
    assert.equal(ask(makeCertificate('spiffe://near.example/a', {}, near)), 'spiffe://near.example/a');
    const middle = makeCertificate('', { uris: [], ca: true, subject: 'middle' }, far);
    assert.equal(ask(makeCertificate('spiffe://far.example/B/c.d', {}, middle), middle), 'spiffe://far.example/B/c.d');
  });

  test('none vouches for those of another, its roots being of one name or not', () => {
    const forged = makeCertificate('spiffe://near.example/a', {}, far);
    refused(/not signed by a root/, forged);
    refused(/not signed by a root|signature/, forged, near);
    const middle = makeCertificate('', { uris: [], ca: true, subject: 'middle' }, far);
    refused(/not signed by a root/, makeCertificate('spiffe://near.example/a', {}, middle), middle);
    const cross = makeCertificate('', { uris: [], ca: true, subject: 'loose root' }, far);
    refused(/signature|not signed by a root/, makeCertificate('spiffe://near.example/a', {}, cross), near, cross);
  });

  test('others are not', () => {
    refused(
      /nothing is known of the trust domain "other.example"/,
      makeCertificate('spiffe://other.example/a', {}, far),
    );
  });

  test('an ID that is none, or of a domain alone, is refused, and so are none and two', () => {
    const of = (...uris: readonly string[]) => makeCertificate('', { uris, dnsNames: ['x.example'] }, near);
    const id = 'spiffe://near.example/a';
    refused(/names no URIs/, of());
    refused(/names 2 URIs/, of(id, id));
    refused(/names 2 URIs/, of(id, 'https://near.example/'));
    refused(/names a trust domain, not a workload/, of('spiffe://near.example'));
    for (const bad of ['spiffe://near.example/', `${id}/../b`, `${id}?b`, `${id}%62`, 'spiffe://near.example:1/a']) {
      refused(/is not a SPIFFE ID/, of(bad));
    }
    refused(/is not a SPIFFE ID/, of(`${id}${'a'.repeat(2048)}`));
  });

  test('a leaf that is expired, a CA, or by an intermediate that is none, is refused', () => {
    const id = 'spiffe://near.example/a';
    const past = { notBeforeMs: Date.now() - 2 * DAY_MS, notAfterMs: Date.now() - DAY_MS };
    refused(/expired/, makeCertificate(id, past, near));
    refused(/of a CA/, makeCertificate(id, { ca: true }, near));
    const middle = makeCertificate(id, {}, near);
    refused(/./, makeCertificate(id, {}, middle), middle);
  });
});

test('a root counts only while it is valid', () => {
  const { certificate } = makeCertificate(uri, { notAfterMs: Date.now() + 90 * DAY_MS }, mesh.root);
  refuses(/the root expired/, [certificate], [mesh.root.certificate], Date.now() + 60 * DAY_MS);
});

test('a root that is presented as a leaf is refused', () => {
  refuses(/no.*identity of the form|refused/, [mesh.root.certificate], [mesh.root.certificate]);
});

test('the chain of a TLS socket is read with its intermediates, and is empty without a certificate', async () => {
  const { chain, root } = chainOf({});
  const [leaf] = chain;
  assert.ok(leaf);
  const middle = makeCertificate('', { uris: [], ca: true, subject: 'm' }, root);
  const made = makeCertificate(uri, {}, middle);
  const { derToPem } = await import('./pem.ts');
  const { keyToPem } = await import('./key.ts');
  const cert = derToPem(made.certificate.der) + derToPem(middle.certificate.der);
  const ca = [derToPem(root.certificate.der)];
  const key = keyToPem(made.privateKey);
  const seen: (readonly Uint8Array[])[] = [];
  const server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false }, (socket: TLSSocket) => {
    seen.push(peerChain(socket.getPeerCertificate(true)));
    socket.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  assert.ok(typeof bound === 'object' && bound);
  for (const own of [{ cert, key }, {}]) {
    await new Promise<void>((resolve, reject) => {
      const socket = connect({ port: bound.port, host: '127.0.0.1', ca, checkServerIdentity: () => undefined, ...own });
      socket.once('error', reject);
      socket.resume();
      socket.once('close', () => resolve());
    });
  }
  await new Promise((resolve) => server.close(resolve));
  const [withCertificate, without] = seen;
  const options = { roots: [root.certificate], trustDomain: 'weft.local', nowMs: Date.now() };
  assert.deepEqual(verifySvid(withCertificate ?? [], options), id);
  assert.deepEqual(without, []);
});
