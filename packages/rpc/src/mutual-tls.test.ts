import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WeftError } from '@weft/contracts/error';
import { Identity } from '@weft/contracts/node';
import { chainToPem, keyToPem } from '@weft/identity';
import { createTestMesh, forgedCredentials, makeCertificate, makeLooseRoot } from '@weft/identity/testing';
import { changingTls, connect, fixedTls, type GrpcServer, listen } from './index.ts';
import {
  clientOptions,
  createGround,
  ECHO,
  echoService,
  eventually,
  identityService,
  materialOf,
  meshInfo,
  REQUEST,
  recordingService,
} from './testing.ts';
import type { CallContext } from './types.ts';

const JOIN = { token: '', namespace: '', serviceAccount: '', csr: Buffer.alloc(0), nowMs: 0 };

describe('a server with mutual TLS', () => {
  const ground = createGround();
  const calls: CallContext[] = [];
  let server: GrpcServer;

  before(async () => {
    server = await listen({
      address: '127.0.0.1:0',
      tls: fixedTls(ground.server),
      anonymousMethods: [Identity.join.path],
      services: [recordingService(calls), echoService()],
    });
  });
  after(() => server.close());

  test('knows who calls', async () => {
    const channel = connect(clientOptions(ground.client, server.address));
    await channel.client(Identity).renew(REQUEST);
    const call = calls.at(-1);
    assert.deepEqual(call?.caller.identity, { trustDomain: 'weft.local', namespace: 'shop', serviceAccount: 'cart' });
    assert.match(call?.caller.address ?? '', /^127\.0\.0\.1:\d+$/);
    channel.close();
  });

  test('lets callers without a certificate call what needs none, and nothing else', async () => {
    const channel = connect(clientOptions({ ...ground.client, chainPem: '', keyPem: '' }, server.address));
    await channel.client(Identity).join(JOIN);
    assert.equal(calls.at(-1)?.caller.identity, undefined);
    await assert.rejects(channel.client(Identity).renew(REQUEST), {
      code: 'UNAUTHENTICATED',
      message: /no certificate/,
    });
    const stream = channel.raw(ECHO);
    stream.send(Buffer.from('let me in'));
    await assert.rejects(
      async () => {
        for await (const _ of stream.messages) assert.fail('nothing may come back');
      },
      { code: 'UNAUTHENTICATED' },
    );
    channel.close();
  });

  const id = { trustDomain: 'weft.local', namespace: 'shop', serviceAccount: 'cart' };
  for (const [what, credential] of Object.entries(forgedCredentials(ground.mesh, id))) {
    test(`takes a caller for nobody whose certificate is forged: ${what}`, async () => {
      const channel = connect(clientOptions(materialOf(ground.mesh, credential), server.address));
      const before = calls.length;
      await assert.rejects(channel.client(Identity).renew(REQUEST), (error: WeftError) => {
        assert.ok(['UNAUTHENTICATED', 'UNAVAILABLE'].includes(error.code), error.message);
        return true;
      });
      assert.equal(calls.length, before);
      channel.close();
    });
  }

  test('says in its refusal what is wrong with the certificate', async () => {
    const expired = forgedCredentials(ground.mesh, id).expired;
    assert.ok(expired);
    const channel = connect(clientOptions(materialOf(ground.mesh, expired), server.address));
    await assert.rejects(channel.client(Identity).renew(REQUEST), {
      code: 'UNAUTHENTICATED',
      message: /expired at .* and the clock here says/,
    });
    channel.close();
  });
});

describe('a client with mutual TLS', () => {
  const ground = createGround();
  const id = { trustDomain: 'weft.local', namespace: 'weft-system', serviceAccount: 'ca' };

  for (const [what, credential] of Object.entries(forgedCredentials(ground.mesh, id))) {
    test(`refuses a server whose certificate is forged: ${what}`, async () => {
      const calls: CallContext[] = [];
      const tls = fixedTls(materialOf(ground.mesh, credential));
      const server = await listen({
        address: '127.0.0.1:0',
        tls,
        anonymousMethods: [Identity.renew.path],
        services: [recordingService(calls)],
      });
      const channel = connect(clientOptions(ground.client, server.address));
      await assert.rejects(channel.client(Identity).renew(REQUEST), (error: WeftError) => {
        assert.ok(['UNAUTHENTICATED', 'UNAVAILABLE'].includes(error.code), error.message);
        return true;
      });
      assert.equal(calls.length, 0);
      channel.close();
      await server.close();
    });
  }

  test('refuses a server of the mesh that it does not mean', async () => {
    const other = ground.mesh.issue('shop', 'stock');
    const tls = fixedTls(materialOf(ground.mesh, other));
    const server = await listen({ address: '127.0.0.1:0', tls, services: [identityService()] });
    const channel = connect(clientOptions(ground.client, server.address));
    await assert.rejects(channel.client(Identity).renew(REQUEST), {
      code: 'UNAUTHENTICATED',
      message: /spiffe:\/\/weft\.local\/ns\/shop\/sa\/stock is not who is meant/,
    });
    channel.close();
    await server.close();
  });

  test('trusts a server through an intermediate CA, and is trusted through one', async () => {
    const root = makeLooseRoot();
    const middle = makeCertificate('', { uris: [], ca: true, pathLength: 0, subject: 'middle' }, root);
    const issue = (uri: string) => {
      const leaf = makeCertificate(uri, {}, middle);
      const chainPem = chainToPem([leaf.certificate.der, middle.certificate.der]);
      return { chainPem, keyPem: keyToPem(leaf.privateKey), rootsPem: [chainToPem([root.certificate.der])] };
    };
    const calls: CallContext[] = [];
    const tls = fixedTls(issue('spiffe://weft.local/ns/weft-system/sa/ca'));
    const server = await listen({ address: '127.0.0.1:0', tls, services: [recordingService(calls)] });
    const channel = connect(clientOptions(issue('spiffe://weft.local/ns/shop/sa/cart'), server.address));
    await channel.client(Identity).renew(REQUEST);
    assert.equal(calls[0]?.caller.identity?.serviceAccount, 'cart');
    channel.close();
    await server.close();
  });
});

describe('certificates that change', () => {
  test('are used for new connections while a stream goes on over the old one', async () => {
    const first = createTestMesh();
    const second = createTestMesh();
    const both = [first.rootPem, second.rootPem];
    const of = (mesh: typeof first, name: string, rootsPem: readonly string[]) => {
      const { chainPem, keyPem } = mesh.issue(name === 'ca' ? 'weft-system' : 'shop', name);
      return { chainPem, keyPem, rootsPem };
    };
    const serverTls = changingTls(of(first, 'ca', [first.rootPem]));
    const clientTls = changingTls(of(first, 'cart', both));
    const calls: CallContext[] = [];
    const services = [recordingService(calls), echoService()];
    const server = await listen({ address: '127.0.0.1:0', tls: serverTls, services });
    const channel = connect({ addresses: [server.address], tls: { source: clientTls, expect: () => true } });
    const stream = channel.raw(ECHO);
    const messages = stream.messages[Symbol.asyncIterator]();
    const roundTrip = async (text: string): Promise<void> => {
      stream.send(Buffer.from(text));
      assert.equal((await messages.next()).value?.toString(), text);
    };
    await roundTrip('before');
    await channel.client(Identity).renew(REQUEST);

    serverTls.set(of(second, 'ca', both));
    clientTls.set(of(second, 'fresh', both));
    await roundTrip('after');
    await channel.client(Identity).renew(REQUEST);
    assert.deepEqual(
      calls.map(({ caller }) => caller.identity?.serviceAccount),
      ['cart', 'fresh'],
    );
    assert.notEqual(calls[0]?.caller.address, calls[1]?.caller.address);
    await roundTrip('still');

    stream.end();
    assert.equal((await messages.next()).done, true);
    channel.close();
    await server.close();
  });

  test('are not trusted any more for new calls on an old connection once they have expired', async () => {
    const ground = createGround();
    let nowMs = Date.now();
    const server = await listen({
      address: '127.0.0.1:0',
      tls: fixedTls(ground.server),
      services: [identityService()],
      now: () => nowMs,
    });
    const channel = connect(
      clientOptions(materialOf(ground.mesh, ground.mesh.issue('shop', 'cart', 60_000)), server.address),
    );
    await channel.client(Identity).renew(REQUEST);
    nowMs += 120_000;
    await assert.rejects(channel.client(Identity).renew(REQUEST), {
      code: 'UNAUTHENTICATED',
      message: /certificate of this connection expired/,
    });
    channel.close();
    await server.close();
  });

  test('a watch over a server stream goes on through a rotation', async () => {
    const ground = createGround();
    const tls = changingTls(ground.server);
    let send = (): void => undefined;
    const watchMesh = async function* () {
      yield meshInfo('one');
      await new Promise<void>((resolve) => {
        send = resolve;
      });
      yield meshInfo('two');
    };
    const server = await listen({ address: '127.0.0.1:0', tls, services: [identityService({ watchMesh })] });
    const channel = connect(clientOptions(ground.client, server.address));
    const seen: string[] = [];
    const watching = (async () => {
      for await (const info of channel.client(Identity).watchMesh({})) seen.push(info.trustDomain);
    })();
    await eventually('the first message', () => seen.length === 1);
    tls.set(materialOf(ground.mesh, ground.mesh.issue('weft-system', 'ca')));
    send();
    await watching;
    assert.deepEqual(seen, ['one', 'two']);
    channel.close();
    await server.close();
  });
});

test('a caller whose clock is wrong is told by its own clock', async () => {
  const ground = createGround();
  const server = await listen({ address: '127.0.0.1:0', tls: fixedTls(ground.server), services: [identityService()] });
  const now = (): number => Date.now() - 7 * 86_400_000;
  const channel = connect({ ...clientOptions(ground.client, server.address), now });
  await assert.rejects(channel.client(Identity).renew(REQUEST), (error: WeftError) => {
    assert.equal(error.code, 'UNAUTHENTICATED');
    assert.match(error.message, /not yet valid.*the clock here says/);
    return error instanceof WeftError;
  });
  channel.close();
  await server.close();
});
