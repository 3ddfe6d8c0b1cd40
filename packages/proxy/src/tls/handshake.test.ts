import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import { chainToPem, keyToPem } from '@weft/identity';
import { createTestMesh, forgedCredentials, makeCertificate, makeLooseRoot } from '@weft/identity/testing';
import { type Clock, systemClock } from '../clock.ts';
import { until } from '../cluster/testing/cluster.ts';
import type { DownstreamTlsConfig } from '../config/tls.ts';
import type { ValidationConfig } from '../config/tls-validation.ts';
import { type ConnectFailure, Connecting } from '../net/connect.ts';
import { TlsStats } from '../stats/groups.ts';
import { Warming } from '../warming.ts';
import { DownstreamTls } from './downstream.ts';
import { Recent } from './recent.ts';
import { SecretStore } from './secrets.ts';
import { certificateConfig, downstreamConfig, upstreamConfig, validationConfig } from './testing/config.ts';
import { UpstreamTls } from './upstream.ts';

const mesh = createTestMesh('weft.local');
const id = { trustDomain: 'weft.local', namespace: 'shop', serviceAccount: 'cart' };
const uri = 'spiffe://weft.local/ns/shop/sa/cart';
const forged = forgedCredentials(mesh, id);
const good = mesh.issue('shop', 'cart');
const goodChain = chainToPem(good.chain);

const looseRoot = makeLooseRoot();
const looseRootPem = chainToPem([looseRoot.certificate.der]);

/** Purposes of a certificate (RFC 5280, 4.2.1.12). */
const SERVERS = '1.3.6.1.5.5.7.3.1';
const CLIENTS = '1.3.6.1.5.5.7.3.2';

const noSubscriptions = { watch: () => () => undefined, watchAll: () => () => undefined };
const secrets = new SecretStore(noSubscriptions, []);
const warming = (): Warming => new Warming(systemClock, () => undefined);

const trust = validationConfig({ spiffeBundles: new Map([['weft.local', mesh.rootPem]]) });

const exactly = validationConfig({
  trustedCa: mesh.rootPem,
  sanMatchers: [{ type: 'URI', exact: uri, isSpiffe: true, matches: (value) => value === uri, text: uri }],
});

const certificates = [certificateConfig(goodChain, good.keyPem)];
const inbound = (fields: Partial<DownstreamTlsConfig>) =>
  downstreamConfig({ certificates, requiresClientCertificate: true, ...fields });

function makeDownstream(config: DownstreamTlsConfig, clock = systemClock, stats = new TlsStats()): DownstreamTls {
  return new DownstreamTls({ config, secrets, warming: warming(), stats, clock });
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** What a client with that certificate comes to at a server of the mesh. */
async function knock(
  credential: { readonly chainPem: string; readonly keyPem: string } | undefined,
  validation: ValidationConfig,
  path?: string,
): Promise<{ readonly read: string; readonly refusal: string; readonly secure: boolean }> {
  const downstream = makeDownstream(inbound({ validation }));
  const result = { read: '', refusal: '', secure: false };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    downstream.handshake(socket, {
      onSecure: (secure) => {
        result.secure = true;
        secure.on('error', () => undefined);
        secure.on('data', (chunk: Buffer) => {
          result.read += chunk.toString();
        });
      },
      onFailed: (reason) => {
        result.refusal = reason ?? 'it left';
      },
    });
  });
  if (path !== undefined) await once(server.listen(path), 'listening');
  const client = tlsConnect({
    ...(path === undefined ? { port: await listening(server), host: '127.0.0.1' } : { path }),
    rejectUnauthorized: false,
    ...(credential && { cert: credential.chainPem, key: credential.keyPem }),
  });
  client.on('error', () => undefined);
  client.write('secret');
  await until(() => result.refusal !== '' || result.read !== '', 'an end of the handshake');
  client.destroy();
  server.close();
  return result;
}

/** What a client of the mesh comes to at a server with that certificate. */
async function call(
  credential: { readonly chainPem: string; readonly keyPem: string },
  validation: ValidationConfig,
): Promise<{ readonly failure: ConnectFailure | undefined; readonly bytes: number }> {
  const config = upstreamConfig({ certificates, validation });
  const tls = new UpstreamTls(config, secrets, warming(), new TlsStats(), systemClock);
  let bytes = 0;
  const server = createTlsServer({ cert: credential.chainPem, key: credential.keyPem }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
  });
  server.on('tlsClientError', () => undefined);
  const port = await listening(server);
  const failure = await new Promise<ConnectFailure | undefined>((resolve) => {
    new Connecting(
      { type: 'tcp', host: '127.0.0.1', port },
      {
        onConnected: (socket) => {
          socket.on('error', () => undefined);
          socket.end('hello', () => {
            socket.destroy();
            resolve(undefined);
          });
        },
        onConnectFailed: resolve,
      },
      { timeoutMs: 20_000, tls, keepalive: undefined, clock: systemClock },
    );
  });
  server.close();
  return { failure, bytes };
}

const goodCredential = { chainPem: goodChain, keyPem: good.keyPem };
const VALIDATIONS = [
  ['the SPIFFE validator', trust],
  ['exact SPIFFE IDs', exactly],
] as const;

/**
 * An extended key usage that the other direction asks for says nothing about this one; and that there is no key usage
 * matters to X.509-SVID alone.
 */
const isFine = (what: string, direction: 'client' | 'server', validation: ValidationConfig): boolean =>
  (what === 'for clients alone' && direction === 'client') || (what === 'no key usage' && validation === exactly);

test('connections over a unix socket, which have no addresses to tell them apart, are let in and refused each for itself', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-tls-'));
  try {
    const [forgery] = Object.values(forged);
    assert.ok(forgery);
    const knocks = [goodCredential, forgery, undefined, goodCredential].map((credential, index) =>
      knock(credential, trust, join(folder, `s${index}`)),
    );
    const read = (await Promise.all(knocks)).map((result) => result.read);
    assert.deepEqual(read, ['secret', '', '', 'secret']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

for (const [how, validation] of VALIDATIONS) {
  test(`a good certificate is let in by ${how}, both ways`, async () => {
    const knocked = await knock(goodCredential, validation);
    assert.deepEqual([knocked.refusal, knocked.read], ['', 'secret']);
    const outbound = await call(goodCredential, validation);
    assert.equal(outbound.failure, undefined);
  });

  for (const [what, credential] of Object.entries(forged)) {
    if (isFine(what, 'client', validation)) continue;
    test(`a client whose certificate is wrong (${what}) gets no byte through ${how}`, async () => {
      const { read, secure, refusal } = await knock(credential, validation);
      assert.deepEqual([read, secure], ['', false]);
      assert.notEqual(refusal, '');
    });
  }

  for (const [what, credential] of Object.entries(forged)) {
    if (isFine(what, 'server', validation)) continue;
    test(`a server whose certificate is wrong (${what}) gets no byte from a client with ${how}`, async () => {
      const { failure, bytes } = await call(credential, validation);
      assert.equal(failure?.type, 'connect-failure');
      assert.match(failure?.text ?? '', /^TLS_error: /);
      assert.equal(bytes, 0);
    });
  }
}

test('where SPIFFE IDs are names to look for, certificates need be no more than a common CA makes them', async () => {
  const root = makeCertificate('', { uris: [], ca: true, usage: 'none', subject: 'plain root' });
  const trusted = { ...exactly, trustedCa: chainToPem([root.certificate.der]) };
  const made = (usage: string) => {
    const { certificate, privateKey } = makeCertificate(uri, { usage: 'none', extendedUsages: [usage] }, root);
    return { chainPem: chainToPem([certificate.der]), keyPem: keyToPem(privateKey) };
  };
  const { read, refusal } = await knock(made(CLIENTS), trusted);
  assert.deepEqual([read, refusal], ['secret', '']);
  assert.equal((await call(made(SERVERS), trusted)).failure, undefined);
  assert.notEqual((await call(made(CLIENTS), trusted)).failure, undefined);
});

test('a key that may not sign opens no connection, either way', async () => {
  const root = makeCertificate('', { uris: [], ca: true, subject: 'plain root' });
  const trusted = { ...exactly, sanMatchers: [], trustedCa: chainToPem([root.certificate.der]) };
  for (const [usage, isIn] of [
    ['digitalSignature', true],
    ['keyAgreement', false],
  ] as const) {
    const { certificate, privateKey } = makeCertificate(uri, { usage }, root);
    const made = { chainPem: chainToPem([certificate.der]), keyPem: keyToPem(privateKey) };
    assert.equal((await knock(made, trusted)).read, isIn ? 'secret' : '');
    assert.equal((await call(made, trusted)).failure === undefined, isIn);
  }
});

test('a client without a certificate gets no byte through', async () => {
  const { read, secure, refusal } = await knock(undefined, trust);
  assert.deepEqual([read, secure, refusal], ['', false, 'PEER_DID_NOT_RETURN_A_CERTIFICATE']);
});

test('another identity of the mesh is not the one that is asked for', async () => {
  const other = mesh.issue('shop', 'stock');
  const { failure } = await call({ chainPem: chainToPem(other.chain), keyPem: other.keyPem }, exactly);
  assert.match(failure?.text ?? '', /no name of the certificate is one that is accepted here/);
});

test('a server in the clear, or one that says nothing, is no TLS server', async () => {
  const tls = new UpstreamTls(
    upstreamConfig({ certificates, validation: trust }),
    secrets,
    warming(),
    new TlsStats(),
    systemClock,
  );
  for (const [greeting, timeoutMs, type] of [
    ['HTTP/1.1 400 Bad Request\r\n\r\n', 20_000, 'connect-failure'],
    ['', 100, 'connect-timeout'],
  ] as const) {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write(greeting);
    });
    const port = await listening(server);
    const failure = await new Promise<ConnectFailure | undefined>((resolve) => {
      const listener = { onConnected: () => resolve(undefined), onConnectFailed: resolve };
      new Connecting({ type: 'tcp', host: '127.0.0.1', port }, listener, {
        timeoutMs,
        tls,
        keepalive: undefined,
        clock: systemClock,
      });
    });
    assert.equal(failure?.type, type);
    server.close();
  }
});

test('an intermediate of the mesh that has no CA bit signs nothing that is believed', async () => {
  const middle = makeCertificate(uri, {}, mesh.root);
  const below = makeCertificate(uri, {}, middle);
  const chain = chainToPem([below.certificate.der, middle.certificate.der]);
  const { read, secure } = await knock({ chainPem: chain, keyPem: keyToPem(below.privateKey) }, trust);
  assert.deepEqual([read, secure], ['', false]);
});

test('who was let in is let in again, and nobody else with it', async () => {
  const downstream = makeDownstream(inbound({ validation: exactly }));
  const seen: string[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    downstream.handshake(socket, {
      onSecure: (secure, tls) => {
        seen.push(tls.peer?.uris.join() ?? '');
        secure.end();
      },
      onFailed: () => seen.push('refused'),
    });
  });
  const port = await listening(server);
  const other = mesh.issue('shop', 'stock');
  const callers = [goodCredential, goodCredential, forged['self-signed with the same URI']!, goodCredential];
  for (const { chainPem, keyPem } of [...callers, { chainPem: chainToPem(other.chain), keyPem: other.keyPem }]) {
    const before = seen.length;
    const client = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, cert: chainPem, key: keyPem });
    client.on('error', () => undefined);
    await until(() => seen.length > before, 'an end of the handshake');
    client.destroy();
  }
  server.close();
  assert.deepEqual(seen, [uri, uri, 'refused', uri, 'refused']);
});

test('what was accepted is looked at again after a time, and when its certificate has ended', () => {
  const recent = new Recent<true>();
  recent.set('a', true, 1000);
  assert.deepEqual([recent.get('a', 999), recent.get('a', 1000), recent.get('b', 0)], [true, undefined, undefined]);
});

test('many other certificates push the oldest one out', () => {
  const recent = new Recent<number>();
  for (let i = 0; i <= 16_384; i++) recent.set(`${i}`, i);
  assert.deepEqual([recent.get('0', 0), recent.get('1', 0), recent.get('16384', 0)], [undefined, 1, 16_384]);
});

interface Returned {
  readonly isResumed: boolean;
  readonly seen: string;
}

/** Calls twice with one certificate, the second time with the session of the first where there is one. */
async function callTwice(
  credential: { readonly chainPem: string; readonly keyPem: string },
  changes: Partial<DownstreamTlsConfig>,
  clock: Clock = systemClock,
  between: () => void = () => undefined,
): Promise<readonly Returned[]> {
  const downstream = makeDownstream(inbound({ validation: trust, ...changes }), clock);
  let seen = '';
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    downstream.handshake(socket, {
      onSecure: (secure, tls) => {
        secure.on('error', () => undefined);
        seen = tls.peer?.uris.join() ?? '';
        secure.end('hello');
      },
      onFailed: () => {
        seen = 'refused';
      },
    });
  });
  const port = await listening(server);
  let session: Buffer | undefined;
  const once = async (): Promise<Returned> => {
    seen = '';
    const offered = session && { session };
    const keys = { cert: credential.chainPem, key: credential.keyPem };
    const client = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...keys, ...offered });
    let isResumed = false;
    client.on('secureConnect', () => {
      isResumed = client.isSessionReused();
    });
    client.on('session', (given: Buffer) => {
      session = given;
    });
    client.on('error', () => undefined);
    client.resume();
    await new Promise((resolve) => client.once('close', resolve));
    await until(() => seen !== '', 'an end of the handshake');
    return { isResumed, seen };
  };
  const first = await once();
  between();
  const second = await once();
  server.close();
  return [first, second];
}

for (const [how, validation] of VALIDATIONS) {
  test(`a caller comes back with its session, and is who it was, with ${how}`, async () => {
    const [first, second] = await callTwice(goodCredential, { validation });
    assert.deepEqual(first, { isResumed: false, seen: uri });
    assert.deepEqual(second, { isResumed: true, seen: uri });
  });

  for (const [what, credential] of Object.entries(forged)) {
    if (isFine(what, 'client', validation)) continue;
    test(`a client whose certificate is wrong (${what}) is not let in with its session either, with ${how}`, async () => {
      const [first, second] = await callTwice(credential, { validation });
      assert.deepEqual([first?.seen, second?.seen], ['refused', 'refused']);
    });
  }
}

test('a caller behind an intermediate comes back with its session', async () => {
  const middle = makeCertificate('', { uris: [], ca: true, subject: 'middle' }, looseRoot);
  const leaf = makeCertificate('spiffe://far.example/a', {}, middle);
  const chainPem = chainToPem([leaf.certificate.der, middle.certificate.der]);
  const validation = { ...trust, spiffeBundles: undefined, trustedCa: looseRootPem };
  const calls = await callTwice({ chainPem, keyPem: keyToPem(leaf.privateKey) }, { validation });
  assert.deepEqual(
    calls.map(({ isResumed, seen }) => [isResumed, seen]),
    [
      [false, 'spiffe://far.example/a'],
      [true, 'spiffe://far.example/a'],
    ],
  );
});

test('a session does not outlive its certificate', async () => {
  let lateMs = 0;
  const clock: Clock = { ...systemClock, wallMs: () => systemClock.wallMs() + lateMs };
  const later = () => {
    lateMs = 2 * 86_400_000;
  };
  const [first, second] = await callTwice(goodCredential, {}, clock, later);
  assert.deepEqual([first?.seen, second?.seen], [uri, 'refused']);
});

test('a CA of one trusted domain makes no identities of another, with a session or without', async () => {
  const spiffeBundles = new Map([['weft.local', mesh.rootPem]]).set('loose.example', looseRootPem);
  for (const [domain, expected] of [
    ['weft.local', 'refused'] as const,
    ['loose.example', 'spiffe://loose.example/a'],
  ]) {
    const { certificate, privateKey } = makeCertificate(`spiffe://${domain}/a`, {}, looseRoot);
    const credential = { chainPem: chainToPem([certificate.der]), keyPem: keyToPem(privateKey) };
    const calls = await callTwice(credential, { validation: { ...trust, spiffeBundles } });
    assert.deepEqual([calls[0]?.seen, calls[1]?.seen], [expected, expected]);
  }
});

test('no sessions are given where they are switched off', async () => {
  const [, second] = await callTwice(goodCredential, { givesTickets: false });
  assert.deepEqual(second, { isResumed: false, seen: uri });
});
