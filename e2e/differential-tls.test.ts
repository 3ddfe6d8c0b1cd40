/**
 * Whom TLS contexts let in, which certificates they show, whose sessions they take and what they count of it: the same in
 * Weft's proxy and in the real Envoy, on one bootstrap.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ConnectionOptions, connect, createServer as createTlsServer } from 'node:tls';
import { chainToPem, derToPem, type Issuer, keyToPem } from '@weft/identity';
import { type LeafOptions, makeCertificate, makeLooseRoot, makeRevocationList } from '@weft/identity/testing';
import { DATA_PLANES, type DataPlane, freePort, until } from './harness.ts';
import { logLines, temporaryFolder } from './proxy-testing/pair.ts';
import { type Plane, type PlaneOptions, startPlane } from './proxy-testing/plane.ts';

const root = makeLooseRoot();
const middle = makeCertificate('', { uris: [], ca: true, subject: 'middle' }, root);
const lower = makeCertificate('', { uris: [], ca: true, subject: 'lower' }, middle);

function leaf(subject: string, issuer: Issuer, options: LeafOptions = {}): Issuer {
  return makeCertificate('', { uris: [], subject, ...options }, issuer);
}

const rsaKey = () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const good = leaf('good', root, { dnsNames: ['good.test'] });
const revoked = leaf('revoked', root, { dnsNames: ['good.test'] });
const behind = leaf('behind', middle, { dnsNames: ['good.test'] });
const farBehind = leaf('far behind', lower, { dnsNames: ['other.test'] });

const SERVERS: Readonly<Record<string, Issuer>> = {
  'first-rsa': leaf('first, RSA', root, { dnsNames: ['first.test', '*.wild.test'], privateKey: rsaKey() }),
  'first-ec': leaf('first, ECDSA', root, { dnsNames: ['first.test'] }),
  second: leaf('second, RSA', root, { dnsNames: ['second.test'], privateKey: rsaKey() }),
  p384: leaf('P-384', root, {
    dnsNames: ['p384.test'],
    privateKey: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
  }),
};

const pemOf = (...chain: readonly Issuer[]): string => chainToPem(chain.map(({ certificate }) => certificate.der));
const ROOT = derToPem(root.certificate.der);
const LISTS = makeRevocationList(root, [revoked.certificate]) + makeRevocationList(middle, []);
const TICKET_KEYS = { newer: randomBytes(80), older: randomBytes(80) };

function writeFiles(folder: string): void {
  const target = join(folder, 'certificates');
  mkdirSync(target);
  const write = (name: string, content: string | Buffer) => writeFileSync(join(target, name), content, { mode: 0o600 });
  for (const [name, issuer] of Object.entries(SERVERS)) {
    write(`${name}.pem`, pemOf(issuer, root));
    write(`${name}.key`, keyToPem(issuer.privateKey));
  }
  write('root.pem', ROOT);
  write('middle.pem', pemOf(middle));
  write('lists.pem', LISTS);
  write('root-and-lists.pem', ROOT + LISTS);
  write('root-list.pem', makeRevocationList(root, [revoked.certificate]));
  write('expired-list.pem', makeRevocationList(root, [], Date.now() - 1000));
  for (const [name, bytes] of Object.entries(TICKET_KEYS)) write(`${name}.bin`, bytes);
}

interface Outcome {
  readonly shown: string | undefined;
  readonly answer: string;
  readonly isResumed: boolean;
}

/** What a client comes to that says a word and waits for one; `session` is written into `kept`. */
function call(plane: Plane, listener: string, options: ConnectionOptions, kept: Buffer[] = []): Promise<Outcome> {
  const socket = connect({ host: '127.0.0.1', port: plane.port(listener), rejectUnauthorized: false, ...options });
  let outcome: Outcome = { shown: undefined, answer: '', isResumed: false };
  socket.setTimeout(20_000, () => socket.destroy());
  socket.on('secureConnect', () => {
    outcome = {
      ...outcome,
      shown: String(socket.getPeerCertificate().subject?.CN),
      isResumed: socket.isSessionReused(),
    };
    const session = socket.getProtocol() === 'TLSv1.2' ? socket.getSession() : undefined;
    if (session) kept.push(session);
    socket.write('hi');
  });
  socket.on('session', (session: Buffer) => kept.push(session));
  socket.on('data', (chunk: Buffer) => {
    outcome = { ...outcome, answer: outcome.answer + chunk.toString() };
  });
  socket.on('error', () => socket.destroy());
  return new Promise((resolve) => socket.on('close', () => resolve(outcome)));
}

const as = (...chain: readonly [Issuer, ...Issuer[]]) => ({
  cert: pemOf(...chain),
  key: keyToPem(chain[0].privateKey),
});

const CALLERS: Readonly<Record<string, ConnectionOptions>> = {
  good: as(good),
  revoked: as(revoked),
  'behind an intermediate': as(behind, middle),
  'far behind': as(farBehind, lower, middle),
  'without its intermediate': as(behind),
  'of another root': as(leaf('good', makeLooseRoot(), { dnsNames: ['good.test'] })),
  'that has expired': as(leaf('good', root, { dnsNames: ['good.test'], notAfterMs: Date.now() - 60_000 })),
  nobody: {},
};

const ONLY_RSA: ConnectionOptions = { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' };
const ASKS: Readonly<Record<string, ConnectionOptions>> = {
  'no name': {},
  'no name, RSA alone': ONLY_RSA,
  'the first': { servername: 'first.test' },
  'the first, with TLS 1.2': { servername: 'first.test', maxVersion: 'TLSv1.2' },
  'the first, RSA alone': { servername: 'first.test', ...ONLY_RSA },
  'the first, RSA alone in TLS 1.3': { servername: 'first.test', sigalgs: 'rsa_pss_rsae_sha256' },
  'the second': { servername: 'second.test' },
  'below a star': { servername: 'any.wild.test' },
  'two below a star': { servername: 'far.any.wild.test' },
  'P-384': { servername: 'p384.test' },
  'P-384, which is not known': { servername: 'p384.test', sigalgs: 'ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256' },
  'a name that none has': { servername: 'nobody.test' },
};

const CHECKING = ['revoking', 'revoking-in-ca', 'revoking-by-root', 'expired-list', 'depth-0', 'depth-1', 'depth-2'];
const ALL_CHECKING = [...CHECKING, 'partial', 'named', 'pinned', 'optional'];
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

interface Side {
  readonly plane: Plane;
  readonly folder: string;
  /** What the server behind the proxy presents from now on. */
  present(chain: readonly [Issuer, ...Issuer[]]): void;
}

async function startSide(
  test: TestContext,
  dataPlane: DataPlane,
  more: Partial<Pick<PlaneOptions, 'ports' | 'flags'>> = {},
): Promise<Side> {
  const folder = temporaryFolder(test);
  writeFiles(folder);
  const echo = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end('ok'));
  });
  const secure = createTlsServer({ ...as(good), minVersion: 'TLSv1.3' }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end('ok'));
  });
  secure.on('tlsClientError', () => undefined);
  for (const server of [echo, secure]) {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    test.after(() => server.close());
  }
  const [a, b] = [echo, secure].map((server) => (server.address() as AddressInfo).port);
  const hash = new X509Certificate(good.certificate.der).fingerprint256;
  const plane = await startPlane(test, {
    dataPlane,
    bootstrap: 'tls-contexts.yaml',
    folder,
    ports: { 10081: a ?? 0, 10443: b ?? 0, ...more.ports },
    flags: more.flags ?? [],
    edit: (text) => text.replace('HASH_OF_GOOD', JSON.stringify(hash)),
  });
  return { plane, folder, present: (chain) => secure.setSecureContext(as(...chain)) };
}

/** What both come to, or the difference. */
async function both(
  sides: readonly Side[],
  name: string,
  act: (side: Side) => Promise<unknown>,
  differing: string[],
): Promise<void> {
  const [ours, theirs] = (await Promise.all(sides.map(act))).map((outcome) => JSON.stringify(outcome));
  if (ours !== theirs) differing.push(`${name}: ${ours}, Envoy ${theirs}`);
}

/** In TLS 1.3 a client that is refused has seen the server's certificate by then; when it learns of it is drawn anew. */
const isIn = async (outcome: Promise<Outcome>): Promise<string> => (await outcome).answer;

/**
 * There is no OCSP, Node does not tell servers of curves, nor anybody of signature algorithms, and of CAs that are not
 * configured there is no time at which they end. Of TLS 1.3 Weft prefers the cipher that costs less.
 */
const APART =
  /\.(?:ocsp_\w+|sigalgs\..*|unnamed_ca_cert\.expiration_unix_time_seconds)$|^listener\..*\.(?:curves\.|ciphers\.TLS_)/;

async function countsOf({ plane }: Side): Promise<readonly string[]> {
  const { body } = await plane.admin('/stats?filter=^(listener|cluster)\\..*\\.ssl\\.');
  return body.split('\n').filter((line) => line !== '' && !APART.test(line.split(': ')[0] ?? ''));
}

/** Of each context, whatever their order. */
async function certificatesOf({ plane }: Side): Promise<readonly string[]> {
  const { body } = await plane.admin('/certs');
  const { certificates } = JSON.parse(body) as { readonly certificates: readonly object[] };
  return certificates.map((context) => JSON.stringify(context)).toSorted();
}

test('TLS contexts let in, show, take and count alike', async (t) => {
  const sides = await Promise.all(DATA_PLANES.map((dataPlane) => startSide(t, dataPlane)));
  const differing: string[] = [];
  for (const listener of ['several', 'scanning', 'secrets']) {
    for (const [name, options] of Object.entries(ASKS)) {
      await both(sides, `${listener}, ${name}`, ({ plane }) => call(plane, listener, options), differing);
    }
  }
  for (const listener of ALL_CHECKING) {
    for (const [name, options] of Object.entries(CALLERS)) {
      await both(sides, `${listener}, ${name}`, ({ plane }) => isIn(call(plane, listener, options)), differing);
    }
  }
  for (const maxVersion of VERSIONS) {
    for (const [from, to] of [
      ['older-keys', 'newer-keys'],
      ['newer-keys', 'older-keys'],
      ['newer-keys', 'newer-keys'],
      ['own-keys', 'own-keys'],
      ['own-keys', 'older-keys'],
      ['no-tickets', 'no-tickets'],
    ] as const) {
      const act = async ({ plane }: Side) => {
        const kept: Buffer[] = [];
        await call(plane, from, { maxVersion }, kept);
        const session = kept.at(-1);
        return call(plane, to, { maxVersion, ...(session && { session }) });
      };
      await both(sides, `${maxVersion}, ${from} to ${to}`, act, differing);
    }
  }
  for (const chain of [[good], [revoked], [behind, middle], [leaf('good', makeLooseRoot())]] as const) {
    const act = (side: Side) => {
      side.present(chain as readonly [Issuer, ...Issuer[]]);
      return say(side.plane.port('to-secure'), 'hi');
    };
    await both(sides, `a server as ${chain[0].certificate.subject.toString('latin1')}`, act, differing);
  }
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01', '']) {
    await both(
      sides,
      `a client that says ${JSON.stringify(bytes)}`,
      ({ plane }) => end(plane.port('optional'), bytes),
      differing,
    );
  }
  assert.deepEqual(differing, []);
  const compare = async () => {
    const [ours = [], theirs = []] = await Promise.all(sides.map(countsOf));
    return {
      ours: ours.filter((line) => !theirs.includes(line)),
      theirs: theirs.filter((line) => !ours.includes(line)),
    };
  };
  await until('the same counts', async () => ((await compare()).ours.length === 0 ? true : undefined), 5000).catch(
    () => undefined,
  );
  assert.deepEqual(await compare(), { ours: [], theirs: [] });
  const days = await Promise.all(sides.map(({ plane }) => plane.stat('server.days_until_first_cert_expiring')));
  assert.deepEqual(days, [1, 1]);
  const [ours, theirs] = await Promise.all(sides.map(certificatesOf));
  assert.deepEqual(ours, theirs);
});

/** Of what a log says of a handshake: the name that OpenSSL and BoringSSL have for it. */
function symbolOf(line: string): string {
  const parts = line.split(':').map((part) => part.replace(/^_/, ''));
  return parts.find((part) => /^[A-Z][A-Z_0-9]+$/.test(part)) ?? line;
}

test('logs of listeners tell why a handshake failed', async (t) => {
  const sides = await Promise.all(DATA_PLANES.map((dataPlane) => startSide(t, dataPlane)));
  const asked: readonly ((side: Side) => Promise<unknown>)[] = [
    ({ plane }) => end(plane.port('named'), 'GET / HTTP/1.1\r\n\r\n'),
    ({ plane }) => end(plane.port('named'), ''),
    ...Object.values(CALLERS).map(
      (options) =>
        ({ plane }: Side) =>
          call(plane, 'named', options),
    ),
    ({ plane }) => call(plane, 'named', { ...as(good), ciphers: 'ECDHE-RSA-AES128-SHA', maxVersion: 'TLSv1.2' }),
  ];
  for (const ask of asked) await Promise.all(sides.map(ask));
  const [ours = [], theirs = []] = await Promise.all(
    sides.map(({ folder }) => logLines({ folder }, 'handshakes.log', asked.length)),
  );
  assert.deepEqual(ours.map(symbolOf), theirs.map(symbolOf));
  assert.ok(ours.some((line) => line.startsWith('TLS_error:_CERTIFICATE_VERIFY_FAILED:')));
});

const ATTEMPTS = 8;

for (const dataPlane of DATA_PLANES) {
  test(`${dataPlane}: a session goes on in whichever thread takes the connection`, async (t) => {
    const flags = ['--concurrency', '2'];
    // A port that is found for 0 is one thread's alone.
    const { plane } = await startSide(t, dataPlane, { flags, ports: { 10001: await freePort() } });
    for (const maxVersion of VERSIONS) {
      const kept: Buffer[] = [];
      await call(plane, 'own-keys', { maxVersion }, kept);
      const session = kept.at(-1);
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const { isResumed } = await call(plane, 'own-keys', { maxVersion, ...(session && { session }) });
        assert.equal(isResumed, true, `${maxVersion}, ${attempt}`);
      }
    }
  });
}

/** What is answered in the clear. */
function say(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let seen = '';
    const socket = connectTcp(port, '127.0.0.1', () => socket.write(text));
    socket.setTimeout(20_000, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(seen));
  });
}

/** Says something, and ends; waits until the other side has ended, too. */
function end(port: number, text: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1', () => socket.end(Buffer.from(text, 'latin1')));
    socket.setTimeout(20_000, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve());
    socket.resume();
  });
}
