import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { calls, states } from '@weft/contracts/bus';
import { createCsr, createSvid, generateKey, keyToPem, parseJoinToken, parseTrust, verifySvid } from '@weft/identity';
import {
  bundleOf,
  createGround,
  type Ground,
  joinAs,
  type NodePort,
  openNodePort,
  readyCa,
  type TestCa,
} from './testing.ts';

let ground: Ground;
let ca: TestCa;
let port: NodePort;

before(async () => {
  ground = await createGround();
  ca = await readyCa(ground, { svidLifeMs: 60_000 });
  port = await openNodePort(ground, ca);
});
after(() => ground.close());

async function token(namespace: string, serviceAccounts: readonly string[], lifeMs = 0): Promise<string> {
  const request = { namespace, serviceAccounts, lifeMs, createdBy: 'a test' };
  return (await ground.bus.call(calls.createToken, request)).token;
}

describe('who joins with a token', () => {
  test('gets a certificate that everyone in the mesh accepts', async () => {
    const svid = await joinAs(port.client(), {
      token: await token('shop', ['cart']),
      namespace: 'shop',
      serviceAccount: 'cart',
    });
    const roots = parseTrust(await bundleOf(ground.bus));
    const id = verifySvid(svid.chain, { roots, trustDomain: 'weft.local', nowMs: Date.now() });
    assert.deepEqual(id, { trustDomain: 'weft.local', namespace: 'shop', serviceAccount: 'cart' });
    assert.ok(svid.notAfterMs - Date.now() <= 62_000);
  });

  test('is told the roots and the clock of the CA', async () => {
    const key = generateKey();
    const request = { token: await token('shop', ['cart']), namespace: 'shop', serviceAccount: 'cart', nowMs: 0 };
    const response = await port.client().join({ ...request, csr: createCsr(key) });
    assert.deepEqual(response.mesh?.roots, await bundleOf(ground.bus));
    assert.equal(response.mesh?.trustDomain, 'weft.local');
    assert.equal(response.nowMs, ground.clock.nowMs);
    const svid = createSvid(response.chain, keyToPem(key));
    assert.deepEqual([svid.notBeforeMs, svid.notAfterMs], [response.notBeforeMs, response.notAfterMs]);
  });

  test('may use it again, and as any service account that it names', async () => {
    const shared = await token('shop', ['cart', 'stock']);
    for (const serviceAccount of ['cart', 'stock', 'cart']) {
      const { id } = await joinAs(port.client(), { token: shared, namespace: 'shop', serviceAccount });
      assert.equal(id.serviceAccount, serviceAccount);
    }
    const any = await token('*', ['*']);
    await joinAs(port.client(), { token: any, namespace: 'anything', serviceAccount: 'at-all' });
  });

  for (const [what, request, expected] of [
    [
      'another namespace',
      { namespace: 'bank', serviceAccount: 'cart' },
      /for the namespace "shop", and "bank" was asked for/,
    ],
    [
      'another service account',
      { namespace: 'shop', serviceAccount: 'stock' },
      /for the service account "cart", and "stock" was/,
    ],
  ] as const) {
    test(`is refused ${what}`, async () => {
      const good = await token('shop', ['cart']);
      await assert.rejects(joinAs(port.client(), { token: good, ...request }), {
        code: 'PERMISSION_DENIED',
        message: expected,
      });
    });
  }

  test('is refused the namespace of the control plane, whatever the token says', async () => {
    const request = { namespace: 'weft-system', serviceAccount: 'ca' };
    await assert.rejects(joinAs(port.client(), { token: await token('*', ['*']), ...request }), {
      code: 'PERMISSION_DENIED',
      message: /control plane's own namespace/,
    });
  });

  test('is refused with a token that is unknown, has another secret, or has expired', async () => {
    const request = { namespace: 'shop', serviceAccount: 'cart' };
    const good = await token('shop', ['cart'], 10_000);
    const { id, secret, rootHash } = parseJoinToken(good);
    const flipped = secret.startsWith('A') ? `B${secret.slice(1)}` : `A${secret.slice(1)}`;
    const texts: string[] = [];
    for (const bad of [good.replace(id, '0123456789abcdef'), good.replace(secret, flipped)]) {
      await assert.rejects(
        joinAs(port.client(), { token: bad, ...request }),
        (error: Error & { readonly code: string }) => {
          texts.push(error.message);
          return error.code === 'UNAUTHENTICATED';
        },
      );
    }
    // Nobody learns which ids there are.
    assert.equal(texts[0], texts[1]);
    assert.match(texts[0] ?? '', /not known to this mesh/);
    ground.clock.nowMs += 11_000;
    await assert.rejects(joinAs(port.client(), { token: good, ...request }), {
      code: 'UNAUTHENTICATED',
      message: /expired at/,
    });
    ground.clock.nowMs -= 11_000;
    await assert.rejects(joinAs(port.client(), { token: 'nonsense', ...request }), { code: 'UNAUTHENTICATED' });
    assert.equal(rootHash.length, 32);
  });

  test('is refused with names that are none, and with a request that does not hold', async () => {
    const good = await token('*', ['*']);
    for (const [namespace, serviceAccount] of [
      ['Shop', 'cart'],
      ['shop', 'a/b'],
      ['', 'cart'],
      ['shop', '*'],
    ] as const) {
      await assert.rejects(joinAs(port.client(), { token: good, namespace, serviceAccount }), {
        code: 'INVALID_ARGUMENT',
      });
    }
    const csr = createCsr(generateKey());
    csr[csr.length - 1] = (csr.at(-1) ?? 0) ^ 1;
    const request = { token: good, namespace: 'shop', serviceAccount: 'cart', csr, nowMs: 0 };
    await assert.rejects(port.client().join(request), { code: 'INVALID_ARGUMENT', message: /not signed by the key/ });
  });

  test('is told by how much its clock is off when no certificate would be valid there', async () => {
    const request = { token: await token('shop', ['cart']), namespace: 'shop', serviceAccount: 'cart' };
    const { nowMs } = ground.clock;
    await assert.rejects(joinAs(port.client(), { ...request, nowMs: nowMs + 3_600_000 }), {
      code: 'FAILED_PRECONDITION',
      message: /3600 s ahead of that of the control plane.*expired already.*NTP/,
    });
    await assert.rejects(joinAs(port.client(), { ...request, nowMs: nowMs - 120_000 }), {
      code: 'FAILED_PRECONDITION',
      message: /120 s behind that of the control plane.*not yet valid/,
    });
    await joinAs(port.client(), { ...request, nowMs: nowMs - 30_000 });
  });
});

describe('who has a certificate', () => {
  test('renews it for the same identity, with a new key', async () => {
    const first = await joinAs(port.client(), {
      token: await token('shop', ['cart']),
      namespace: 'shop',
      serviceAccount: 'cart',
    });
    const key = generateKey();
    const response = await port.client(first).renew({ csr: createCsr(key), nowMs: Date.now() });
    const second = createSvid(response.chain, keyToPem(key));
    assert.deepEqual(second.id, first.id);
    assert.ok(second.notAfterMs >= first.notAfterMs);
  });

  test('of the control plane does not renew it here', async () => {
    const key = generateKey();
    const { chain } = await ground.bus.call(calls.issueServiceCertificate, { service: 'api', csr: createCsr(key) });
    const client = port.client(createSvid(chain, keyToPem(key)));
    await assert.rejects(client.renew({ csr: createCsr(key), nowMs: 0 }), { code: 'PERMISSION_DENIED' });
  });

  test('is needed to renew, and to watch', async () => {
    const client = port.client();
    await assert.rejects(client.renew({ csr: createCsr(generateKey()), nowMs: 0 }), { code: 'UNAUTHENTICATED' });
    await assert.rejects(Array.fromAsync(client.watchMesh({})), { code: 'UNAUTHENTICATED' });
  });

  test('watches the roots and where the control plane is', async () => {
    const svid = await joinAs(port.client(), {
      token: await token('shop', ['cart']),
      namespace: 'shop',
      serviceAccount: 'cart',
    });
    const over = new AbortController();
    const watch = port.client(svid).watchMesh({}, { signal: over.signal })[Symbol.asyncIterator]();
    const first = (await watch.next()).value;
    assert.deepEqual(first?.roots, await bundleOf(ground.bus));
    const instance = {
      id: 'd1',
      service: 'discovery',
      address: '10.0.0.9:7442',
      startedAtMs: 0,
      seenAtMs: ground.clock.nowMs,
      notReadyBecause: '',
      version: '',
    };
    await ground.bus.state(states.instances).put('discovery/d1', instance);
    const second = (await watch.next()).value;
    assert.deepEqual(second?.discoveryAddresses, ['10.0.0.9:7442']);
    // Whoever is not heard of any more is gone, without anybody saying so.
    ground.clock.nowMs += 16_000;
    const third = (await watch.next()).value;
    assert.deepEqual(third?.discoveryAddresses, []);
    over.abort();
  });
});

describe('the calls of the bus', () => {
  test('issue certificates to the five services, and to nobody else', async () => {
    const roots = parseTrust(await bundleOf(ground.bus));
    for (const service of ['ca', 'discovery', 'xds-server', 'telemetry', 'api']) {
      const key = generateKey();
      const { chain } = await ground.bus.call(calls.issueServiceCertificate, { service, csr: createCsr(key) });
      const id = verifySvid(chain, { roots, trustDomain: 'weft.local', nowMs: ground.clock.nowMs });
      assert.deepEqual(id, { trustDomain: 'weft.local', namespace: 'weft-system', serviceAccount: service });
    }
    const csr = createCsr(generateKey());
    for (const service of ['cart', '', 'CA', '../ca']) {
      await assert.rejects(ground.bus.call(calls.issueServiceCertificate, { service, csr }), {
        code: 'INVALID_ARGUMENT',
      });
    }
  });

  test('make tokens that are kept without their secret', async () => {
    const text = await token('shop', ['cart', 'cart']);
    const { id, secret } = parseJoinToken(text);
    const kept = (await ground.bus.state(states.tokens).get(id))?.value;
    assert.ok(kept);
    assert.deepEqual(kept.serviceAccounts, ['cart']);
    assert.equal(JSON.stringify(kept).includes(secret), false);
    assert.equal(kept.secretSha256.length, 32);
  });

  test('refuse tokens that make no sense', async () => {
    for (const [namespace, accounts, lifeMs] of [
      ['Shop', ['cart'], 0],
      ['shop', [], 0],
      ['shop', ['a b'], 0],
      ['shop', ['cart'], -1],
      ['weft-system', ['ca'], 0],
    ] as const) {
      await assert.rejects(token(namespace, accounts, lifeMs), { code: 'INVALID_ARGUMENT' });
    }
  });
});

test('what the CA does is counted', async () => {
  const page = await ca.metrics.metrics();
  for (const line of [
    /weft_ca_certificates_issued_total\{kind="workload"\} [1-9]/,
    /weft_ca_certificates_issued_total\{kind="service"\} [1-9]/,
    /weft_ca_join_refused_total\{reason="unknown"\} 2/,
    /weft_ca_join_refused_total\{reason="expired"\} 1/,
    /weft_ca_join_refused_total\{reason="malformed"\} 1/,
    /weft_ca_join_refused_total\{reason="namespace"\} 2/,
    /weft_ca_join_refused_total\{reason="service-account"\} 1/,
    /weft_ca_join_refused_total\{reason="clock"\} 2/,
    /weft_ca_join_refused_total\{reason="request"\} 5/,
    /weft_ca_root_not_after_seconds \d{10}/,
  ]) {
    assert.match(page, line);
  }
});
