import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderList } from '../http/header-list.ts';
import { RequestHead } from '../http/message.ts';
import { type ForwardedOptions, forward } from './forwarded.ts';
import { type CertificateNames, StreamInfo, type TlsInfo } from './stream-info.ts';
import { downstream } from './testing/downstream.ts';

const OPTIONS: Omit<ForwardedOptions, 'clientCertElements'> = {
  usesRemoteAddress: false,
  trustedHops: 0,
  skipsAppend: false,
  detectIp: undefined,
  appendsPort: false,
  scheme: undefined,
  via: '',
  isInternal: (address) => address.startsWith('10.'),
  generatesRequestId: false,
  preservesRequestId: false,
  clientCert: 'SANITIZE',
  clientCertDetails: { subject: false, cert: false, chain: false, dns: false, uri: false },
};

const names = (change: Partial<CertificateNames> = {}): CertificateNames => ({
  uris: ['spiffe://t/ns/a/sa/client'],
  dnsNames: ['client.example'],
  subject: 'CN=client,O=\\"x\\"',
  issuer: 'CN=ca',
  sha256: 'ab12',
  pem: 'PEM',
  ...change,
});

const tls = (change: Partial<TlsInfo> = {}): TlsInfo => ({
  version: 'TLSv1.3',
  cipher: 'x',
  serverName: '',
  peer: names(),
  local: names({ uris: ['spiffe://t/ns/a/sa/server'] }),
  peerChainPem: 'PEM PEM',
  ...change,
});

function run(
  fields: string[],
  options: Partial<ForwardedOptions>,
  connection: Partial<ReturnType<typeof downstream>> = {},
) {
  const head = new RequestHead('GET', '/', 'a', '', new HeaderList([...fields]));
  const info = new StreamInfo(downstream(connection), 0, 0);
  forward(head, info, { ...OPTIONS, clientCertElements: new WeakMap(), ...options });
  return { get: (name: string) => head.headers.joined(name), remote: info.remoteHost, flat: head.headers.flat };
}

test('a proxy within believes what is forwarded, and says how it was reached', () => {
  const { get, remote } = run(['x-forwarded-for', '1.1.1.1, 2.2.2.2'], {});
  assert.equal(remote, '2.2.2.2');
  assert.equal(get('x-forwarded-for'), '1.1.1.1, 2.2.2.2');
  assert.equal(get('x-forwarded-proto'), 'http');
  assert.equal(run(['x-forwarded-for', '1.1.1.1, 2.2.2.2'], { trustedHops: 1 }).remote, '1.1.1.1');
  assert.equal(run(['x-forwarded-for', '1.1.1.1'], { trustedHops: 3 }).remote, '10.0.0.9');
  assert.equal(run(['x-forwarded-for', 'nonsense'], {}).remote, '10.0.0.9');
  assert.equal(run(['x-forwarded-proto', 'https'], {}).get('x-forwarded-proto'), 'https');
});

test('an address has one spelling, and fields that name nobody count for nothing', () => {
  for (const spelling of ['2001:DB8:0:0::1', '2001:db8::1', '2001:0db8:0000:0000:0000:0000:0000:0001'])
    assert.equal(run(['x-forwarded-for', spelling], {}).remote, '2001:db8::1');
  for (const spelling of ['::FFFF:10.0.0.1', '0:0:0:0:0:ffff:a00:1'])
    assert.equal(run(['x-forwarded-for', spelling], {}).remote, '::ffff:10.0.0.1');
  assert.equal(run(['x-forwarded-for', '1.1.1.1', 'x-forwarded-for', ''], {}).remote, '1.1.1.1');
  const { get, remote } = run(['x-forwarded-for', '1.1.1.1', 'x-forwarded-for', '', 'x-forwarded-for', '2.2.2.2'], {
    usesRemoteAddress: true,
    trustedHops: 2,
  });
  assert.equal(remote, '1.1.1.1');
  assert.equal(get('x-forwarded-for'), '1.1.1.1,2.2.2.2,10.0.0.9');
});

test('a proxy at the edge believes the connection, and tells on who the client is', () => {
  const { get, remote } = run(
    ['x-forwarded-for', '1.1.1.1', 'x-forwarded-proto', 'https', 'x-envoy-max-retries', '9'],
    {
      usesRemoteAddress: true,
    },
  );
  assert.equal(remote, '10.0.0.9');
  assert.equal(get('x-forwarded-for'), '1.1.1.1,10.0.0.9');
  assert.equal(get('x-forwarded-proto'), 'http');
  assert.equal(get('x-envoy-max-retries'), undefined);
  assert.equal(get('x-envoy-external-address'), '10.0.0.9');
});

test('behind trusted proxies the edge believes as many entries as it trusts', () => {
  const { get, remote } = run(['x-forwarded-for', '6.6.6.6, 1.1.1.1', 'x-forwarded-proto', 'https'], {
    usesRemoteAddress: true,
    trustedHops: 1,
  });
  assert.equal(remote, '1.1.1.1');
  assert.equal(get('x-forwarded-for'), '6.6.6.6, 1.1.1.1,10.0.0.9');
  assert.equal(get('x-forwarded-proto'), 'https');
  assert.equal(run([], { usesRemoteAddress: true, skipsAppend: true }).get('x-forwarded-for'), undefined);
});

test('a request has an identifier; at the edge its own is not believed unless told so', () => {
  const uuid = /^[0-9a-f-]{36}$/;
  assert.match(run([], { generatesRequestId: true }).get('x-request-id') ?? '', uuid);
  assert.equal(run(['x-request-id', 'a'], { generatesRequestId: true }).get('x-request-id'), 'a');
  assert.match(run(['x-request-id', ''], { generatesRequestId: true }).get('x-request-id') ?? '', uuid);
  const edge = { generatesRequestId: true, usesRemoteAddress: true };
  assert.match(run(['x-request-id', 'a'], edge).get('x-request-id') ?? '', uuid);
  assert.equal(run(['x-request-id', 'a'], { ...edge, preservesRequestId: true }).get('x-request-id'), 'a');
});

const XFCC = 'x-forwarded-client-cert';
const forged = [XFCC, 'By=x;Hash=forged'];
const everything = { subject: true, cert: true, chain: true, dns: true, uri: true };

test('what is said of client certificates is believed as far as the mode says', () => {
  const of = (clientCert: ForwardedOptions['clientCert'], secure = true): string | undefined =>
    run(forged, { clientCert }, secure ? { tls: tls() } : {}).get(XFCC);
  const own = 'By=spiffe://t/ns/a/sa/server;Hash=ab12';
  assert.equal(of('SANITIZE'), undefined);
  assert.equal(of('SANITIZE_SET'), own);
  assert.equal(of('FORWARD_ONLY'), 'By=x;Hash=forged');
  assert.equal(of('APPEND_FORWARD'), `By=x;Hash=forged,${own}`);
  assert.equal(of('ALWAYS_FORWARD_ONLY', false), 'By=x;Hash=forged');
  for (const mode of ['SANITIZE', 'SANITIZE_SET', 'FORWARD_ONLY', 'APPEND_FORWARD'] as const) {
    assert.equal(of(mode, false), undefined, `${mode} without a certificate`);
  }
});

test('an element tells what it was asked for, in order, and cannot be taken for several', () => {
  const options = { clientCert: 'SANITIZE_SET', clientCertDetails: everything } as const;
  assert.equal(
    run([], options, { tls: tls() }).get(XFCC),
    'By=spiffe://t/ns/a/sa/server;Hash=ab12;Cert="PEM";Chain="PEM%20PEM";Subject="CN=client,O=\\"x\\"";URI=spiffe://t/ns/a/sa/client;DNS=client.example',
  );
  const evil = tls({ peer: names({ uris: ['spiffe://t/a;By=x,Hash="y"'], dnsNames: [], subject: 'CN=\u010aX: y' }) });
  const value = run([], options, { tls: evil }).get(XFCC) ?? '';
  assert.match(value, /URI="spiffe:\/\/t\/a;By=x,Hash=\\"y\\""$/);
  assert.doesNotMatch(value, /[\r\n\u0100-\uffff]/);
  assert.match(run([], options, { tls: tls({ peer: names({ uris: [] }) }) }).get(XFCC) ?? '', /;URI=;/);
});

test('only the mesh itself may steer the router: those that it knows by their address, with nobody between', () => {
  const steering = ['x-envoy-retry-on', '5xx', 'x-envoy-internal', 'true', 'x-envoy-downstream-service-cluster', 'q'];
  const within = run(['x-forwarded-for', '10.0.0.1', ...steering], {});
  assert.equal(within.get('x-envoy-retry-on'), '5xx');
  assert.equal(within.get('x-envoy-internal'), 'true');
  for (const forwarded of [[], ['x-forwarded-for', '1.1.1.1'], ['x-forwarded-for', '10.0.0.1, 10.0.0.2']]) {
    const { get } = run([...forwarded, ...steering], {});
    assert.equal(get('x-envoy-retry-on'), undefined);
    assert.equal(get('x-envoy-internal'), undefined);
    assert.equal(get('x-envoy-downstream-service-cluster'), 'q');
  }
  const edge = run(steering, { usesRemoteAddress: true });
  assert.equal(edge.get('x-envoy-retry-on'), '5xx');
  assert.equal(edge.get('x-envoy-external-address'), undefined);
  const outside = run(steering, { usesRemoteAddress: true }, { remoteHost: '1.1.1.1' });
  assert.equal(outside.get('x-envoy-retry-on'), undefined);
  assert.equal(outside.get('x-envoy-downstream-service-cluster'), undefined);
  assert.equal(outside.get('x-envoy-external-address'), '1.1.1.1');
});
