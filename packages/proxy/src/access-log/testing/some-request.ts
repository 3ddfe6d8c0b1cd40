/** A finished request, for tests of what is logged of it. */
import { HeaderList } from '../../http/header-list.ts';
import { RequestHead, ResponseHead } from '../../http/message.ts';
import { type CertificateNames, StreamInfo, type TlsInfo } from '../../stack/stream-info.ts';

export const PEER = 'spiffe://weft.local/ns/shop/sa/front';
/** Milliseconds since 1970. */
export const START_MS: number = Date.UTC(2026, 1, 3, 4, 5, 6, 789);

const names = (uri: string): CertificateNames => ({
  uris: [uri],
  dnsNames: ['front.shop', 'front'],
  subject: 'CN=front,O=weft',
  issuer: 'CN=root',
  sha256: 'ab'.repeat(32),
  pem: '',
});

const TLS: TlsInfo = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  serverName: 'cart.shop',
  peer: names(PEER),
  local: names('spiffe://weft.local/ns/shop/sa/cart'),
  peerChainPem: '',
};

/** `POST /buy?x=1`, answered with 201 by 10.0.0.9:8080 in 42.9 ms; `fields` are added to the request. */
export function someRequest(fields: Readonly<Record<string, string>> = {}): StreamInfo {
  const downstream = {
    id: 7,
    remoteHost: '10.0.0.1',
    remotePort: 4000,
    localHost: '10.0.0.2',
    localPort: 443,
    tls: TLS,
  };
  const info = new StreamInfo(downstream, START_MS, 1000);
  const headers = new HeaderList([
    'x-twice',
    'one',
    'x-twice',
    'two',
    'x-request-id',
    'id-1',
    ...Object.entries(fields).flat(),
  ]);
  info.request = new RequestHead('POST', '/buy?x=1', 'cart.mesh', '', headers);
  info.response = new ResponseHead(201, new HeaderList(['content-type', 'text/plain', 'x-up', 'v1']));
  info.responseTrailers = new HeaderList(['x-sum', '9']);
  Object.assign(info, {
    logType: 'DownstreamEnd',
    lastRequestByteMs: 1001.5,
    firstUpstreamSentMs: 1002,
    lastUpstreamSentMs: 1003,
    firstUpstreamReceivedMs: 1040,
    lastUpstreamReceivedMs: 1042,
    firstResponseSentMs: 1041,
    endMs: 1042.9,
    lastResponseSentMs: 1042.9,
    bytesReceived: 11,
    bytesSent: 22,
    responseDetails: 'via_upstream',
    routeName: 'default',
    cluster: 'inbound/8080',
    upstreamHost: '10.0.0.9:8080',
    upstreamLocalAddress: '10.0.0.2:5000',
    attempts: 1,
  });
  return info;
}
