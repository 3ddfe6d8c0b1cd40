/** Nobody but the peer that is meant gets one byte through: both directions, both data planes, one bootstrap. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { connect, createServer, type Server } from 'node:tls';
import { chainToPem, keyToPem } from '@weft/identity';
import { type Credential, createTestMesh, makeCertificate, type TestMesh } from '@weft/identity/testing';
import { DATA_PLANES, type DataPlane, listen } from './harness.ts';
import { type Credentials, makeCredentials, writeCertificates } from './proxy-testing/certificates.ts';
import { temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, startPlane } from './proxy-testing/plane.ts';
import { send } from './proxy-testing/raw-client.ts';
import { type RecordingUpstream, startRecordingUpstream } from './proxy-testing/recording-upstream.ts';
import { httpText } from './proxy-testing/wire.ts';

const REQUEST = httpText('GET /secret HTTP/1.1', ['Host: any.test', 'Connection: close']);

async function start(
  test: TestContext,
  dataPlane: DataPlane,
  bootstrap: string,
  credentials: Credentials,
  ports: Readonly<Record<number, number>>,
): Promise<Plane> {
  const folder = temporaryFolder(test);
  writeCertificates(folder, credentials);
  return startPlane(test, { dataPlane, bootstrap, folder, ports });
}

/** What a client with that certificate gets for a request: text, or '' where the connection is refused. */
function askWith(port: number, credential: Credential | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = '';
    const identity = credential && { cert: credential.chainPem, key: credential.keyPem };
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...identity });
    socket.setTimeout(10_000, () => {
      socket.destroy();
      reject(new Error('the connection neither ended nor gave anything for 10 s'));
    });
    socket.on('secureConnect', () => socket.write(REQUEST));
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      if (/ok\n$/.test(seen)) socket.destroy();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(seen));
  });
}

/** What either data plane accepts where SPIFFE IDs are but names to look for: it follows RFC 5280 there. */
const BOTH_ACCEPT: Readonly<Record<string, RegExp>> = {
  caller: /^(no key usage|for clients alone)$/,
  server: /^no key usage$/,
};

/**
 * What real Envoy's own validation accepts beside that, which reads of X.509-SVID as little as this: a CA that signs such
 * certificates can make others, too. Weft refuses them.
 */
const ENVOY_ACCEPTS: Readonly<Record<string, RegExp>> = {
  caller: /^two URIs$/,
  spiffe:
    /^(two URIs|for clients alone|SPIFFE ID with (a query|a fragment|percent encoding|an empty segment|a dot segment|a double-dot segment|a slash at its end))$/,
  named: /^(two URIs|for clients alone)$/,
  server: /^two URIs$/,
};

function isAccepted(dataPlane: DataPlane, by: 'caller' | 'spiffe' | 'named' | 'server', name: string): boolean {
  if (BOTH_ACCEPT[by]?.test(name)) return true;
  return dataPlane === 'envoy' && (ENVOY_ACCEPTS[by]?.test(name) ?? false);
}

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane} lets in the caller that is meant, and no forged one`, async (t) => {
    const credentials = makeCredentials();
    const upstream = await startRecordingUpstream(t);
    const plane = await start(t, dataPlane, 'mtls-server.yaml', credentials, { 10081: upstream.port });
    const wrong: string[] = [];
    for (const listener of ['http', 'tcp', 'spiffe']) {
      const others = listener === 'spiffe' ? {} : { 'another identity': credentials.other };
      const forged = { ...credentials.forgedCart, ...others, 'no certificate': undefined };
      for (const [name, credential] of Object.entries(forged)) {
        const answer = await askWith(plane.port(listener), credential);
        const isIn = answer !== '' || upstream.bytes > 0;
        if (isIn !== isAccepted(dataPlane, listener === 'spiffe' ? 'spiffe' : 'caller', name))
          wrong.push(`${listener}: ${name} ${isIn ? 'gets in' : 'is kept out'}`);
        upstream.forget();
      }
      assert.match(await askWith(plane.port(listener), credentials.cart), /^HTTP\/1\.1 200 /, listener);
      upstream.forget();
    }
    assert.deepEqual(wrong, []);
  });
}

/** A server of TLS whose certificate changes; it keeps count of what it is told. */
async function startServer(
  test: TestContext,
  first: Credential,
  rootPem: string,
): Promise<Server & { told: string; port: number }> {
  const options = (credential: Credential) => ({ cert: credential.chainPem, key: credential.keyPem, ca: rootPem });
  const server = Object.assign(createServer({ ...options(first), requestCert: true, rejectUnauthorized: true }), {
    told: '',
    port: 0,
  });
  server.on('secureConnection', (socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      server.told += chunk.toString();
      socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nok\n');
    });
  });
  server.on('tlsClientError', () => undefined);
  server.port = await listen(test, server);
  return server;
}

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane} speaks to the server that is meant, and tells a forged one nothing`, async (t) => {
    const credentials = makeCredentials();
    const { rootPem } = credentials.mesh;
    const server = await startServer(t, credentials.stock, rootPem);
    const ports = { 10443: server.port, 10444: server.port };
    const plane = await start(t, dataPlane, 'mtls-client.yaml', credentials, ports);
    const wrong: string[] = [];
    for (const [name, credential] of Object.entries({
      ...credentials.forgedStock,
      'another identity': credentials.other,
    })) {
      server.setSecureContext({ cert: credential.chainPem, key: credential.keyPem, ca: rootPem });
      for (const listener of ['http', 'tcp']) {
        server.told = '';
        const { answers } = await send(plane.port(listener), REQUEST);
        const status = answers[0]?.start.split(' ')[1];
        const isTold = server.told !== '' || status === '200';
        if (isTold !== isAccepted(dataPlane, 'server', name))
          wrong.push(`${listener}: ${name} ${isTold ? 'is told' : 'is told nothing'}`);
        if (listener === 'http' && !isTold) assert.equal(status, '503', name);
      }
    }
    assert.deepEqual(wrong, []);
    server.setSecureContext({ cert: credentials.stock.chainPem, key: credentials.stock.keyPem, ca: rootPem });
    for (const listener of ['http', 'tcp']) {
      const { answers } = await send(plane.port(listener), REQUEST);
      assert.match(answers[0]?.start ?? '', /^HTTP\/1\.1 200 /, listener);
    }
  });
}

/** What is wrong with certificates of which two trusted domains, or their CAs, made something odd. */
function crossed({ mesh, far }: Credentials, serviceAccount: string): Readonly<Record<string, Credential>> {
  const of = (domain: string, issuer: TestMesh): Credential => {
    const made = makeCertificate(`spiffe://${domain}/ns/shop/sa/${serviceAccount}`, {}, issuer.root);
    const { der } = made.certificate;
    return { chain: [der], chainPem: chainToPem([der]), keyPem: keyToPem(made.privateKey) };
  };
  const foreign = of(mesh.trustDomain, far);
  return {
    'by the CA of another trusted domain': foreign,
    'of another trusted domain by this CA': of(far.trustDomain, mesh),
    'by another CA, with the right one beside it': {
      ...foreign,
      chainPem: foreign.chainPem + mesh.rootPem + far.rootPem,
    },
    'of a domain that nobody trusts': of('other.example', createTestMesh('other.example')),
  };
}

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane} believes each trust domain of its own identities alone, as server and as client`, async (t) => {
    const credentials = makeCredentials();
    const upstream = await startRecordingUpstream(t);
    const plane = await start(t, dataPlane, 'mtls-server.yaml', credentials, { 10081: upstream.port });
    const { chain, chainPem, keyPem } = credentials.far.issue('shop', 'stock');
    const far: Credential = { chain: chain.map((der) => Buffer.from(der)), chainPem, keyPem };
    for (const [name, credential] of Object.entries(crossed(credentials, 'cart'))) {
      assert.deepEqual([await askWith(plane.port('spiffe'), credential), upstream.bytes], ['', 0], name);
    }
    assert.match(await askWith(plane.port('spiffe'), far), /^HTTP\/1\.1 200 /);

    const { rootPem } = credentials.mesh;
    const server = await startServer(t, credentials.stock, rootPem);
    const client = await start(t, dataPlane, 'mtls-client.yaml', credentials, { 10445: server.port });
    const told = async (credential: Credential): Promise<string> => {
      server.setSecureContext({ cert: credential.chainPem, key: credential.keyPem, ca: rootPem });
      server.told = '';
      await send(client.port('spiffe'), REQUEST);
      return server.told;
    };
    for (const [name, credential] of Object.entries(crossed(credentials, 'stock'))) {
      assert.equal(await told(credential), '', name);
    }
    const wrong: string[] = [];
    for (const [name, credential] of Object.entries({ ...credentials.forgedStock, other: credentials.other })) {
      const isTold = (await told(credential)) !== '';
      if (isTold !== isAccepted(dataPlane, 'named', name)) wrong.push(`${name} ${isTold ? 'is told' : 'is not told'}`);
    }
    assert.deepEqual(wrong, []);
    for (const credential of [credentials.stock, far]) assert.equal(await told(credential), REQUEST.toString());
  });
}

/** A caller's proxy and a server's, in that order. */
const PAIRS: readonly (readonly [DataPlane, DataPlane])[] = [
  ['weft', 'weft'],
  ['weft', 'envoy'],
  ['envoy', 'weft'],
];

test('either data plane speaks mutual TLS with itself and with the other', async (t) => {
  const credentials = makeCredentials();
  const upstream = await startRecordingUpstream(t);
  for (const [caller, callee] of PAIRS) {
    const server = await start(t, callee, 'mtls-server.yaml', credentials, { 10081: upstream.port });
    const ports = { 10443: server.port('http'), 10444: server.port('tcp') };
    const client = await start(t, caller, 'mtls-client.yaml', credentials, ports);
    await checkPair(client, upstream, `${caller} to ${callee}`);
  }
});

async function checkPair(client: Plane, upstream: RecordingUpstream, name: string): Promise<void> {
  const forged = 'X-Forwarded-Client-Cert: URI=spiffe://weft.local/ns/shop/sa/admin';
  const bytes = httpText('POST /orders HTTP/1.1', ['Host: stock', forged, 'Content-Length: 4'], 'body');
  const { answers } = await send(client.port('http'), bytes, { answers: 1 });
  assert.match(answers[0]?.start ?? '', /^HTTP\/1\.1 200 /, name);
  const [seen] = upstream.take();
  assert.equal(seen?.body, 'body', name);
  const told = seen?.headers.filter(([header]) => header === 'x-forwarded-client-cert').map(([, value]) => value);
  const by = 'By=spiffe://weft.local/ns/shop/sa/stock';
  assert.equal(told?.length, 1, name);
  assert.match(told?.[0] ?? '', new RegExp(`^${by};Hash=[0-9a-f]{64};URI=spiffe://weft.local/ns/shop/sa/cart$`), name);
  const through = await send(client.port('tcp'), REQUEST, { answers: 1 });
  assert.match(through.answers[0]?.start ?? '', /^HTTP\/1\.1 200 /, name);
  assert.equal(upstream.take()[0]?.start, 'GET /secret HTTP/1.1', name);
}
