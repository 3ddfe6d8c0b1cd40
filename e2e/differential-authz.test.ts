/**
 * Policies and tokens on both data planes with one bootstrap: what is let in, what is refused and why, and what the
 * upstream is told must be the same. Where Weft differs it is stricter, and that is listed here with its reason.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import type { Credential } from '@weft/identity/testing';
import { until } from './harness.ts';
import { type AuthzCase, POLICY_CASES, tokenCases } from './proxy-testing/authz-cases.ts';
import { type Credentials, makeCredentials, writeCertificates } from './proxy-testing/certificates.ts';
import { differenceText } from './proxy-testing/difference.ts';
import { outcome, type Side, startPair } from './proxy-testing/pair.ts';
import { makeTokenIssuer, type TokenIssuer } from './proxy-testing/tokens.ts';
import { httpText } from './proxy-testing/wire.ts';

/** What Weft does otherwise, by the name of the case. A case that does not differ any more is to leave the list. */
const OTHERWISE: Readonly<Record<string, string>> = {
  'http GET /admin#x': 'refused by both; Weft says in the body that it is a bad request',
  'raw GET /admin#x': 'refused by both; Weft says in the body that it is a bad request',
  crit: 'extensions that must be understood, and are not, make a token invalid (RFC 7515, 4.1.11)',
  'expires at 0': 'a token that expired in 1970 has expired; Envoy takes 0 for no limit',
  'claims in single quotes': 'JSON has no single quotes (RFC 8259, 7)',
  'something after': 'refused by both; what is behind the token is no Base64url',
  padded: 'Base64url of tokens has no padding (RFC 7515, 2)',
  'in the query, escaped': 'what else the query says is left as the client wrote it; Envoy takes escapes back',
  'twice in the query': 'an application may take the second one, which nobody looked at in Envoy',
  'second in a cookie twice': 'an application may take the second one, which nobody looked at in Envoy',
  'keys that cannot be fetched': 'Envoy marks its own call with fields of a request that is passed on',
};

interface Started {
  readonly sides: readonly [weft: Side, envoy: Side];
  readonly credentials: Credentials;
  readonly issuer: TokenIssuer;
}

async function start(t: TestContext): Promise<Started> {
  const [credentials, issuer] = [makeCredentials(), makeTokenIssuer()];
  const sides = await startPair(t, 'authz.yaml', [10081], (folder) => {
    writeCertificates(folder, credentials);
    issuer.writeKeys(folder);
  });
  return { sides, credentials, issuer };
}

async function compare(sides: Started['sides'], cases: readonly AuthzCase[]): Promise<void> {
  const wrong: string[] = [];
  for (const { name, bytes, options, listener } of cases) {
    const [ours, theirs] = await Promise.all(sides.map((side) => outcome(side, bytes, options, listener)));
    const difference = differenceText(ours, theirs);
    const isListed = OTHERWISE[name] !== undefined;
    if (difference === '' && isListed) wrong.push(`${name}\nis listed as different and is not`);
    if (difference !== '' && !isListed) wrong.push(`${name}\n${difference}`);
  }
  assert.equal(wrong.length, 0, wrong.join('\n\n'));
}

/** What both logs say of refusals, once they say as much. */
async function sameLogs(sides: Started['sides'], file: string): Promise<void> {
  const read = ({ folder }: Side) =>
    readFileSync(join(folder, file), 'utf8')
      .split('\n')
      .filter((line) => line.includes('_denied'));
  const [weft, envoy] = sides;
  const isSame = () => (read(weft).length > 0 && read(weft).length === read(envoy).length) || undefined;
  await until(`as many refusals in both of ${file}`, isSame, 15_000);
  assert.ok(read(weft).length > 0);
  assert.deepEqual(read(weft), read(envoy));
}

async function sameStats(sides: Started['sides'], names: readonly string[]): Promise<void> {
  const read = ({ plane }: Side) => Promise.all(names.map(async (name) => `${name}: ${await plane.stat(name)}`));
  const [ours, theirs] = await Promise.all(sides.map(read));
  assert.deepEqual(ours, theirs);
}

test('policies decide alike, however a request is spelled', async (t) => {
  const { sides } = await start(t);
  await compare(sides, POLICY_CASES);
  await sameLogs(sides, 'http.log');
  const policies = ['admin path', 'private', 'role', 'not-user', 'number', 'forwarded', 'route', 'upgrade'];
  await sameStats(sides, [
    'http.http.rbac.deny.allowed',
    'http.http.rbac.deny.denied',
    'http.http.rbac.trial.shadow_allowed',
    'http.http.rbac.trial.shadow_denied',
    ...policies.map((name) => `http.http.rbac.deny.policy.${name}.denied`),
    'http.raw.rbac.allowed',
    'http.raw.rbac.denied',
  ]);
});

test('tokens are believed alike, and what they say is told alike', async (t) => {
  const { sides, issuer } = await start(t);
  const cases = tokenCases(issuer, Math.floor(Date.now() / 1000));
  await compare(
    sides,
    cases.filter(({ name }) => OTHERWISE[name] === undefined),
  );
  await sameStats(
    sides,
    ['allowed', 'denied', 'cors_preflight_bypassed'].map((name) => `http.http.jwt_authn.${name}`),
  );
  await compare(
    sides,
    cases.filter(({ name }) => OTHERWISE[name] !== undefined),
  );
  await sameStats(sides, ['http.http.jwt_authn.jwks_fetch_failed']);
});

interface Asking {
  readonly port: number;
  readonly credential: Credential | undefined;
  /** '' sends nothing. */
  readonly bytes: string;
  readonly serverName?: string;
}

/** What a client with that certificate gets to the end of the connection, or to the end of an answer. */
function ask({ port, credential, bytes, serverName }: Asking): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = '';
    const identity = credential && { cert: credential.chainPem, key: credential.keyPem };
    const named = serverName === undefined ? {} : { servername: serverName };
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...identity, ...named });
    socket.setTimeout(10_000, () => {
      socket.destroy();
      reject(new Error(`no end for 10 s after ${JSON.stringify(seen)}`));
    });
    socket.on('secureConnect', () => bytes !== '' && socket.write(bytes));
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      if (/ok\n$/.test(seen)) socket.destroy();
    });
    socket.on('end', () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(seen));
  });
}

test('the certificate of the caller decides alike', async (t) => {
  const { sides, credentials } = await start(t);
  const { cart, stock, other } = credentials;
  const callers: Readonly<Record<string, Credential | undefined>> = { cart, stock, other, nobody: undefined };
  const expected: Readonly<Record<string, readonly string[]>> = {
    '/cart': ['cart'],
    '/cart/x?y': ['cart'],
    '/shop': ['cart', 'stock', 'other'],
    '/tls': ['cart', 'stock', 'other', 'nobody'],
    '/others': ['stock', 'other', 'nobody'],
    '/named': [],
    '/': [],
  };
  for (const { plane } of sides) {
    for (const [path, allowed] of Object.entries(expected)) {
      for (const [caller, credential] of Object.entries(callers)) {
        const bytes = httpText(`GET ${path} HTTP/1.1`, ['Host: a', 'Connection: close']);
        const answer = await ask({ port: plane.port('mtls'), credential, bytes });
        const status = allowed.includes(caller) ? '200' : '403';
        assert.equal(answer.split(' ')[1], status, `${plane.dataPlane}: ${caller} asks for ${path}`);
      }
    }
    const bytes = httpText('GET /named HTTP/1.1', ['Host: a', 'Connection: close']);
    const asking = { port: plane.port('mtls'), credential: cart, bytes };
    assert.match(await ask({ ...asking, serverName: 'stock.test' }), /^HTTP\/1\.1 200 /, plane.dataPlane);
    assert.match(await ask({ ...asking, serverName: 'STOCK.example' }), /^HTTP\/1\.1 403 /);
  }
  await sameStats(sides, ['http.mtls.rbac.allowed', 'http.mtls.rbac.denied']);
});

test('connections that a policy denies get nothing, and the log says why', async (t) => {
  const { sides, credentials } = await start(t);
  const { cart, stock } = credentials;
  const bytes = httpText('GET / HTTP/1.1', ['Host: a']);
  for (const { plane, upstreams } of sides) {
    const port = plane.port('tcp');
    assert.match(await ask({ port, credential: cart, bytes }), /^HTTP\/1\.1 200 OK\r\n/);
    for (const credential of [stock, undefined])
      assert.equal(await ask({ port, credential, bytes }), '', plane.dataPlane);
    assert.equal(upstreams.get(10081)?.take().length, 1);
  }
  await sameLogs(sides, 'tcp.log');
  await sameStats(sides, [
    'tcp.rbac.allowed',
    'tcp.rbac.denied',
    'tcp.rbac.trial.shadow_allowed',
    'tcp.rbac.trial.shadow_denied',
  ]);
});
