/** TLS sessions do not outlive trust: who was let in before is asked again once the roots or the certificate changed. */
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import type { Credential } from '@weft/identity/testing';
import { DATA_PLANES, until } from './harness.ts';
import { type Credentials, makeCredentials, writeCertificates } from './proxy-testing/certificates.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { startPlane } from './proxy-testing/plane.ts';
import { startRecordingUpstream } from './proxy-testing/recording-upstream.ts';
import { httpText } from './proxy-testing/wire.ts';

const REQUEST = httpText('GET /secret HTTP/1.1', ['Host: any.test', 'Connection: close']);
const SECRET = '"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

interface Asked {
  readonly answer: string;
  readonly isReused: boolean;
  readonly session: Buffer | undefined;
}

/** One request by TLS, with a session of before perhaps. */
function ask(port: number, credential: Credential, version: 'TLSv1.2' | 'TLSv1.3', session?: Buffer): Promise<Asked> {
  return new Promise((resolve, reject) => {
    let answer = '';
    let isReused = false;
    let last: Buffer | undefined;
    const versions = { minVersion: version, maxVersion: version };
    const identity = { cert: credential.chainPem, key: credential.keyPem, ...(session && { session }) };
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...versions, ...identity });
    socket.setTimeout(10_000, () => {
      socket.destroy();
      reject(new Error('the connection neither ended nor gave anything for 10 s'));
    });
    socket.on('secureConnect', () => {
      isReused = socket.isSessionReused();
      socket.write(REQUEST);
    });
    socket.on('session', (given: Buffer) => {
      last = given;
    });
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve({ answer, isReused, session: last }));
  });
}

/** Replaces a secret's file, as those do who watch it. */
function writeSecret(folder: string, name: string, body: string): void {
  const target = join(folder, 'secrets');
  mkdirSync(target, { recursive: true });
  const text = `resources:\n  - ${SECRET}\n    name: ${name}\n    ${body}\n`;
  writeFileSync(join(target, `${name}.new`), text, { mode: 0o600 });
  renameSync(join(target, `${name}.new`), join(target, `${name}.yaml`));
}

function trust(folder: string, rootPem: string): void {
  writeSecret(folder, 'roots', `validation_context: { trusted_ca: { inline_string: ${JSON.stringify(rootPem)} } }`);
}

function present(folder: string, { chainPem, keyPem }: Credential): void {
  const chain = `certificate_chain: { inline_string: ${JSON.stringify(chainPem)} }`;
  writeSecret(
    folder,
    'own',
    `tls_certificate: { ${chain}, private_key: { inline_string: ${JSON.stringify(keyPem)} } }`,
  );
}

const fromFile = (name: string): string =>
  `{ name: ${name}, sds_config: { path_config_source: { path: secrets/${name}.yaml } } }`;

/** The bootstrap of mutual TLS, with its secrets in files that are watched. */
function watched(text: string): string {
  const certificates =
    /tls_certificates:\n +- certificate_chain: .*\n +private_key: .*\n( +combined_validation_context:)/g;
  return `node: { id: test, cluster: test }\n${text}`
    .replace(certificates, (_all, rest: string) => `tls_certificate_sds_secret_configs: [${fromFile('own')}]\n${rest}`)
    .replaceAll(
      'validation_context_sds_secret_config: { name: roots }',
      `validation_context_sds_secret_config: ${fromFile('roots')}`,
    );
}

const isServed = ({ answer }: Asked): boolean => /^HTTP\/1\.1 200 /.test(answer);

for (const dataPlane of DATA_PLANES) {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`${dataPlane} asks sessions of ${version} again once trust has changed`, async (t) => {
      const folder = temporaryFolder(t);
      const [old, young]: readonly Credentials[] = [makeCredentials(), makeCredentials()];
      if (!old || !young) throw new Error('there are two meshes');
      writeCertificates(folder, old);
      trust(folder, old.mesh.rootPem);
      present(folder, old.stock);
      const upstream = await startRecordingUpstream(t);
      const plane = await startPlane(t, {
        dataPlane,
        bootstrap: 'mtls-server.yaml',
        folder,
        ports: { 10081: upstream.port },
        edit: watched,
      });
      const port = plane.port('http');

      const first = await ask(port, old.cart, version);
      assert.ok(isServed(first), first.answer);
      const again = await ask(port, old.cart, version, first.session);
      assert.ok(isServed(again));
      assert.ok(again.isReused, 'the session is of use as long as nothing changed');

      present(folder, young.stock);
      trust(folder, young.mesh.rootPem);
      await until('the other roots', async () => (isServed(await ask(port, young.cart, version)) ? true : undefined));
      upstream.forget();
      for (const session of [first.session, again.session, undefined]) {
        const late = await ask(port, old.cart, version, session);
        assert.deepEqual([late.answer, late.isReused, upstream.bytes], ['', false, 0]);
      }
      // Nor is the session a way in for somebody whose own certificate is good.
      const other = await ask(port, young.cart, version, first.session);
      assert.deepEqual([isServed(other), other.isReused], [true, false]);
    });
  }
}
