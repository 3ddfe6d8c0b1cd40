import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chainToPem } from '@weft/identity';
import { createTestMesh, makeRevocationList } from '@weft/identity/testing';
import { Place, type Schema } from './schema.ts';
import { downstreamTlsConfig, downstreamTlsContext, secret, upstreamTlsContext } from './tls.ts';
import { validationContext } from './tls-validation.ts';

const mesh = createTestMesh();
const issued = mesh.issue('shop', 'cart');
const inline = (text: string) => ({ inline_string: text });
const bytes = (length: number) => ({ inline_bytes: Buffer.alloc(length).toString('base64') });
const certificate = { certificate_chain: inline(chainToPem(issued.chain)), private_key: inline(issued.keyPem) };
const trusted_ca = inline(mesh.rootPem);
const CRL = makeRevocationList(mesh.root, []);

function issues<T>(schema: Schema<T>, value: unknown): readonly string[] {
  const place = new Place();
  schema.parse(value, place);
  return place.issues.map(({ path, message }) => `${path}: ${message.split('; ')[0]}`);
}

const downstream = (fields: object, common: object = { tls_certificates: [certificate] }) => ({
  common_tls_context: common,
  ...fields,
});

test('a server has several certificates, from files or from secrets', () => {
  const secrets = [{ name: 'a' }, { name: 'b' }];
  assert.deepEqual(issues(downstreamTlsContext, downstream({}, { tls_certificates: [certificate, certificate] })), []);
  assert.deepEqual(issues(downstreamTlsContext, downstream({}, { tls_certificate_sds_secret_configs: secrets })), []);
  const both = { tls_certificates: [certificate], tls_certificate_sds_secret_configs: secrets };
  const place = new Place();
  const config = downstreamTlsConfig(downstreamTlsContext.parse(downstream({}, both), place));
  assert.deepEqual([config.certificates.length, config.certificateSecrets.length], [1, 0]);
});

test('a client has one', () => {
  const common_tls_context = { tls_certificates: [certificate, certificate] };
  assert.deepEqual(issues(upstreamTlsContext, { common_tls_context }), [
    'common_tls_context.tls_certificates: has several certificates: a client has one',
  ]);
});

test('a certificate that does not belong to its key is refused where it stands', () => {
  const other = { ...certificate, private_key: inline(mesh.issue('shop', 'stock').keyPem) };
  const [issue = ''] = issues(downstreamTlsContext, downstream({}, { tls_certificates: [certificate, other] }));
  assert.match(
    issue,
    /^common_tls_context\.tls_certificates\[1\]\.private_key: the certificate and its key cannot be used: /,
  );
});

test('keys of tickets have 80 bytes', () => {
  for (const schema of [
    (keys: unknown) => issues(downstreamTlsContext, downstream({ session_ticket_keys: { keys } })),
    (keys: unknown) => issues(secret, { name: 'x', session_ticket_keys: { keys } }),
  ]) {
    assert.deepEqual(schema([bytes(80), bytes(80)]), []);
    assert.deepEqual(schema([bytes(80), bytes(48)]), ['session_ticket_keys.keys[1]: has 48 bytes']);
    assert.deepEqual(schema([]), ['session_ticket_keys.keys: must have an entry']);
  }
});

test('sessions last whole seconds; none at all is the usual time', () => {
  for (const [session_timeout, seconds] of [
    ['100.9s', 100],
    ['0s', undefined],
    ['0.5s', undefined],
    ['4294967295s', 0x7fff_ffff],
  ] as const) {
    const context = downstreamTlsContext.parse(downstream({ session_timeout }), new Place());
    assert.equal(downstreamTlsConfig(context).sessionSeconds, seconds, session_timeout);
  }
});

test('revocation lists stand in crl or beside what is trusted, and must be readable', () => {
  assert.deepEqual(issues(validationContext, { trusted_ca, crl: inline(CRL) }), []);
  assert.deepEqual(issues(validationContext, { trusted_ca: inline(mesh.rootPem + CRL) }), []);
  const broken = CRL.replace(/\n.{8}/, '\nAAAAAAAA');
  for (const value of [{ trusted_ca, crl: inline(broken) }, { trusted_ca: inline(mesh.rootPem + broken) }]) {
    assert.equal(issues(validationContext, value).length, 1);
  }
  assert.deepEqual(issues(validationContext, { trusted_ca, crl: inline('none') }), [
    'crl: holds no certificate revocation list in PEM',
  ]);
});

test('what is trusted must be readable', () => {
  const [issue = ''] = issues(validationContext, { trusted_ca: inline('x') });
  assert.match(issue, /^trusted_ca: the certificates to trust cannot be read: /);
});

test('what would be passed over in silence is refused', () => {
  for (const [value, expected] of [
    [{ trusted_ca, max_verify_depth: 101 }, /^max_verify_depth: must be from 0 to 100, got 101$/],
    [{ trusted_ca, only_verify_leaf_cert_crl: true }, /^only_verify_leaf_cert_crl: not supported/],
    [{ trusted_ca, allow_expired_certificate: true }, /^allow_expired_certificate: not supported/],
    [{ trusted_ca, trust_chain_verification: 'ACCEPT_UNTRUSTED' }, /^trust_chain_verification: ACCEPT_UNTRUSTED/],
    [{ trusted_ca, verify_certificate_spki: ['AAAA'] }, /^verify_certificate_spki: needs SHA-256 hashes in base64$/],
  ] as const) {
    assert.match(issues(validationContext, value).join(), expected);
  }
});

test('names that OpenSSL does not know are refused, each where it stands', () => {
  const parameters = (tls_params: object) => issues(upstreamTlsContext, { common_tls_context: { tls_params } });
  const good = {
    cipher_suites: ['[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]', 'ECDHE-RSA-AES256-GCM-SHA384'],
    ecdh_curves: ['X25519', 'P-256'],
    signature_algorithms: ['ecdsa_secp256r1_sha256', 'rsa_pss_rsae_sha256'],
  };
  assert.deepEqual(parameters(good), []);
  for (const [field, names] of Object.entries(good)) {
    const [issue = '', ...others] = parameters({ [field]: [...names, 'NONE'] });
    assert.equal(others.length, 0);
    const path = `common_tls_context.tls_params.${field}[${names.length}]`;
    assert.equal(issue, `${path}: "NONE" is not supported by Weft's proxy: OpenSSL knows nothing of that name`);
  }
});

test('what cannot be said in a hello is refused', () => {
  const alpn = (...alpn_protocols: readonly string[]) =>
    issues(upstreamTlsContext, { common_tls_context: { alpn_protocols } });
  assert.deepEqual(alpn('h2', 'x'.repeat(255)), []);
  for (const protocol of ['', 'x'.repeat(256)]) {
    const path = 'common_tls_context.alpn_protocols[1]';
    assert.deepEqual(alpn('h2', protocol), [`${path}: must have 1 to 255 bytes, got ${protocol.length}`]);
  }
  assert.deepEqual(issues(upstreamTlsContext, { sni: 'a.test' }), []);
  for (const sni of ['127.0.0.1', '::1']) {
    assert.deepEqual(issues(upstreamTlsContext, { sni }), [
      `sni: must be a host name: TLS cannot ask for the address ${sni}`,
    ]);
  }
  assert.equal(issues(upstreamTlsContext, { sni: 'x'.repeat(256) }).length, 1);
});
