import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Workload } from '@weft/contracts/bus';
import type { CommonProperties, HttpEntry } from './access-log.ts';
import { httpCall, type Sender, tcpCall } from './calls.ts';
import { ServiceNames } from './names.ts';

const CART = { trustDomain: 'mesh.test', namespace: 'shop', serviceAccount: 'cart' };
const OUTBOUND: Sender = { identity: CART, nodeId: 'shop/cart-1', logName: 'outbound' };
const INBOUND: Sender = { ...OUTBOUND, logName: 'inbound' };

function common(change: Partial<CommonProperties>): CommonProperties {
  return { upstreamCluster: '', intermediateLogEntry: false, ...change };
}

function certificate(...uris: string[]): Pick<CommonProperties, 'tlsProperties'> {
  return { tlsProperties: { peerCertificateProperties: { subjectAltName: uris.map((uri) => ({ uri })) } } };
}

function ends(properties: Partial<CommonProperties>, sender: Sender, names = new ServiceNames()): string | undefined {
  const call = httpCall({ commonProperties: common(properties) }, sender, names);
  return call && `${call.edge.source} > ${call.edge.destination} ${call.edge.reporter}`;
}

function registered(...workloads: readonly (readonly [id: string, service: string, account: string])[]): ServiceNames {
  const names = new ServiceNames();
  workloads.forEach(([id, service, account], index) => {
    const spiffeId = `spiffe://mesh.test/ns/shop/sa/${account}`;
    const value = { namespace: 'shop', service, spiffeId } as Workload;
    names.observe({ type: 'put', key: `shop/${id}`, value, revision: index + 1 });
  });
  return names;
}

test('an outbound log names the destination by its cluster', () => {
  assert.equal(ends({ upstreamCluster: 'outbound/shop/stock' }, OUTBOUND), 'shop/cart > shop/stock SOURCE');
  assert.equal(ends({ upstreamCluster: '' }, OUTBOUND), 'shop/cart > unknown SOURCE');
  assert.equal(ends({ upstreamCluster: 'outbound/a/b/c' }, OUTBOUND), 'shop/cart > unknown SOURCE');
});

test('an inbound log names the source by the certificate that it showed', () => {
  const peer = certificate('spiffe://mesh.test/ns/web/sa/front');
  assert.equal(ends(peer, INBOUND), 'web/front > shop/cart DESTINATION');
  assert.equal(ends({}, INBOUND), 'unknown > shop/cart DESTINATION');
});

test('a certificate of another trust domain, of another form or with two identities proves nobody', () => {
  for (const uris of [
    ['spiffe://evil.test/ns/web/sa/front'],
    ['spiffe://mesh.test/web'],
    ['spiffe://mesh.test/ns/web/sa/front', 'spiffe://mesh.test/ns/web/sa/back'],
    ['https://mesh.test/ns/web/sa/front'],
  ]) {
    assert.equal(ends(certificate(...uris), INBOUND), 'unknown > shop/cart DESTINATION', uris.join(' '));
  }
});

test('the registry says which service an identity is', () => {
  const names = registered(['cart-1', 'basket', 'cart'], ['cart-2', 'basket', 'cart']);
  assert.equal(ends({ upstreamCluster: 'outbound/shop/stock' }, OUTBOUND, names), 'shop/basket > shop/stock SOURCE');
  const sender = { ...INBOUND, identity: { ...CART, serviceAccount: 'stock' }, nodeId: 'shop/stock-1' };
  const peer = certificate('spiffe://mesh.test/ns/shop/sa/cart');
  assert.equal(ends(peer, sender, names), 'shop/basket > shop/stock DESTINATION');
  names.observe({ type: 'delete', key: 'shop/cart-1', revision: 9 });
  names.observe({ type: 'delete', key: 'shop/cart-2', revision: 10 });
  assert.equal(ends(peer, sender, names), 'shop/cart > shop/stock DESTINATION');
});

test('an identity that is several services is told by its own name, its proxies by the workload', () => {
  const names = registered(['cart-1', 'basket', 'cart'], ['cart-2', 'gifts', 'cart']);
  const peer = certificate('spiffe://mesh.test/ns/shop/sa/cart');
  const sender = { ...INBOUND, identity: { ...CART, serviceAccount: 'stock' } };
  assert.equal(ends(peer, sender, names), 'shop/cart > shop/stock DESTINATION');
  const gifts = { ...OUTBOUND, nodeId: 'shop/cart-2' };
  assert.equal(ends({ upstreamCluster: 'outbound/shop/stock' }, gifts, names), 'shop/gifts > shop/stock SOURCE');
});

test('nobody speaks for a workload of another identity', () => {
  const names = registered(['pay-1', 'pay', 'pay']);
  const forged = { ...OUTBOUND, nodeId: 'shop/pay-1' };
  assert.equal(ends({ upstreamCluster: 'outbound/shop/stock' }, forged, names), 'shop/cart > shop/stock SOURCE');
});

test('what leads back into the proxy, intermediate entries and other logs are not counted', () => {
  assert.equal(ends({ upstreamCluster: 'loopback' }, OUTBOUND), undefined);
  assert.equal(ends({ upstreamCluster: 'outbound/shop/stock', intermediateLogEntry: true }, OUTBOUND), undefined);
  assert.equal(ends({}, { ...OUTBOUND, logName: 'else' }), undefined);
});

test('an HTTP error is a 5xx or no answer', () => {
  const of = (code: number | undefined) => {
    const response = { ...(code === undefined ? {} : { responseCode: { value: code } }), responseBodyBytes: 0 };
    const entry: HttpEntry = { commonProperties: common({}), response };
    const call = httpCall(entry, OUTBOUND, new ServiceNames());
    return `${call?.status} ${call?.isError}`;
  };
  assert.deepEqual([200, 404, 500, 0, undefined, 999].map(of), [
    '200 false',
    '404 false',
    '500 true',
    '0 true',
    '0 true',
    '0 true',
  ]);
});

test('a TCP connection tells its bytes from the caller on, and why it failed', () => {
  const flags = {
    noHealthyUpstream: false,
    upstreamRequestTimeout: false,
    upstreamConnectionFailure: true,
    upstreamOverflow: false,
    noRouteFound: false,
    noClusterFound: false,
    dnsResolutionFailure: false,
  };
  const connectionProperties = { receivedBytes: 5, sentBytes: 50 };
  const good = tcpCall({ commonProperties: common({}), connectionProperties }, OUTBOUND, new ServiceNames());
  assert.deepEqual([good?.status, good?.isError, good?.sentBytes, good?.receivedBytes], ['-', false, 5, 50]);
  const failed = tcpCall({ commonProperties: common({ responseFlags: flags }) }, OUTBOUND, new ServiceNames());
  assert.deepEqual([failed?.status, failed?.isError], ['UF', true]);
});
