import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { rfc2253 } from './names.ts';

/** Issued to `O=Weft, CN="root, of all"` by itself. */
const PEM = `-----BEGIN CERTIFICATE-----
MIIBoTCCAUegAwIBAgIUAfWcOimfUzSeGDMt5kmotAkavLEwCgYIKoZIzj0EAwIw
JjENMAsGA1UECgwEV2VmdDEVMBMGA1UEAwwMcm9vdCwgb2YgYWxsMB4XDTI2MTEy
MTE1NTE0OVoXDTI2MTIwMTE1NTE0OVowJjENMAsGA1UECgwEV2VmdDEVMBMGA1UE
AwwMcm9vdCwgb2YgYWxsMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE60oplYt1
fWlEhu//r8RSqa5xlCrWY0NXmLXgwjlYk7w/xo5Cpfi2nQtFp/yQwYF8DygQcQam
mJmtO4JFzWSe0KNTMFEwHQYDVR0OBBYEFDQpO6LPIqB4Dwna3FIs0P9k5zvLMB8G
A1UdIwQYMBaAFDQpO6LPIqB4Dwna3FIs0P9k5zvLMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDSAAwRQIhAN155zu6x+h7KmCaiCAo7iqmnmrBVT9zuIpSb//2
ybGyAiBwa1gfdfu3Nef370ND7sXa0WVpRxv+RfQWL0DXMor3ZA==
-----END CERTIFICATE-----`;

test('the subject is told the last attribute first, each escaped once', () => {
  const { subject, issuer } = new X509Certificate(PEM);
  assert.equal(rfc2253(subject), 'CN=root\\, of all,O=Weft');
  assert.equal(rfc2253(issuer), 'CN=root\\, of all,O=Weft');
  assert.equal(rfc2253(undefined), '');
  assert.equal(rfc2253('O=ü\nCN=€'), 'CN=\\E2\\82\\AC,O=\\C3\\BC');
});
