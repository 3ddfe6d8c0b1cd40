/** Operators that tell of TLS: of the client's connection, and of that to the upstream. */
import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { CertificateNames, StreamInfo, TlsInfo } from '../../stack/stream-info.ts';
import { type AlternativeNames, alternativeNames, digits, rfc2253 } from '../../tls/names.ts';
import { type Commands, listed, nonEmpty, type Operators } from './operator.ts';
import { timeCommand } from './times.ts';

/** What a certificate says beside what is always read of it. */
interface CertificateDetails extends AlternativeNames {
  readonly subject: string;
  readonly issuer: string;
  /** Hexadecimal, in lower case. */
  readonly serial: string;
  readonly sha1: string;
  readonly sha256: string;
  readonly validFrom: Date;
  readonly validTo: Date;
  readonly pem: string;
}

function detailsOf(certificate: X509Certificate): CertificateDetails {
  return {
    ...alternativeNames(certificate.raw),
    subject: rfc2253(certificate.subject),
    issuer: rfc2253(certificate.issuer),
    serial: certificate.serialNumber.toLowerCase(),
    sha1: digits(certificate.fingerprint),
    sha256: digits(certificate.fingerprint256),
    validFrom: certificate.validFromDate,
    validTo: certificate.validToDate,
    pem: certificate.toString(),
  };
}

/** Certificates are read once, however many requests their connection carries. */
class Details {
  readonly #known = new WeakMap<CertificateNames, CertificateDetails>();
  readonly #chains = new WeakMap<TlsInfo, readonly CertificateDetails[]>();
  readonly #upstream = new WeakMap<Socket, CertificateDetails | undefined>();

  of(names: CertificateNames | undefined): CertificateDetails | undefined {
    if (!names || names.pem === '') return undefined;
    const details = this.#known.get(names) ?? detailsOf(new X509Certificate(names.pem));
    this.#known.set(names, details);
    return details;
  }

  /** Of all that the client presented. */
  chain(tls: TlsInfo | undefined): readonly CertificateDetails[] {
    if (!tls) return [];
    const known = this.#chains.get(tls);
    if (known) return known;
    const certificates = tls.peerChainPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    const chain = certificates.map((pem) => detailsOf(new X509Certificate(pem)));
    this.#chains.set(tls, chain);
    return chain;
  }

  /** What the upstream presented. */
  upstream(info: StreamInfo): CertificateDetails | undefined {
    const socket = upstreamSocket(info);
    if (!socket) return undefined;
    if (this.#upstream.has(socket)) return this.#upstream.get(socket);
    const certificate = socket.getPeerX509Certificate();
    const details = certificate && detailsOf(certificate);
    this.#upstream.set(socket, details);
    return details;
  }
}

function upstreamSocket({ upstreamSocket: socket }: StreamInfo): TLSSocket | undefined {
  return socket instanceof TLSSocket ? socket : undefined;
}

/** What the proxy itself presented to the upstream. */
function upstreamLocal(info: StreamInfo): ReturnType<typeof alternativeNames> | undefined {
  const certificate = upstreamSocket(info)?.getX509Certificate();
  return certificate && alternativeNames(certificate.raw);
}

const DETAILS = new Details();
const peer = (info: StreamInfo): CertificateNames | undefined => info.downstream.tls?.peer;
const local = (info: StreamInfo): CertificateNames | undefined => info.downstream.tls?.local;
const peerDetails = (info: StreamInfo): CertificateDetails | undefined => DETAILS.of(peer(info));
const localDetails = (info: StreamInfo): CertificateDetails | undefined => DETAILS.of(local(info));
const upstream = (info: StreamInfo): CertificateDetails | undefined => DETAILS.upstream(info);

function ofChain(info: StreamInfo, text: (certificate: CertificateDetails) => string): string | undefined {
  return listed(DETAILS.chain(info.downstream.tls).map(text));
}

/** With all but unreserved characters escaped, as in X-Forwarded-Client-Cert. */
const escapedPem = (pem: string | undefined): string | undefined => pem && encodeURIComponent(pem);

export const CERTIFICATES: Operators = {
  DOWNSTREAM_TLS_VERSION: (info) => info.downstream.tls?.version,
  DOWNSTREAM_TLS_CIPHER: (info) => info.downstream.tls?.cipher,
  DOWNSTREAM_PEER_URI_SAN: (info) => listed(peer(info)?.uris),
  DOWNSTREAM_PEER_DNS_SAN: (info) => listed(peer(info)?.dnsNames),
  DOWNSTREAM_PEER_IP_SAN: (info) => listed(peerDetails(info)?.addresses),
  DOWNSTREAM_PEER_EMAIL_SAN: (info) => listed(peerDetails(info)?.emails),
  DOWNSTREAM_PEER_SUBJECT: (info) => nonEmpty(peer(info)?.subject),
  DOWNSTREAM_PEER_ISSUER: (info) => nonEmpty(peer(info)?.issuer),
  DOWNSTREAM_PEER_FINGERPRINT_256: (info) => peer(info)?.sha256,
  DOWNSTREAM_PEER_FINGERPRINT_1: (info) => peerDetails(info)?.sha1,
  DOWNSTREAM_PEER_SERIAL: (info) => peerDetails(info)?.serial,
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256: (info) => ofChain(info, ({ sha256 }) => sha256),
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1: (info) => ofChain(info, ({ sha1 }) => sha1),
  DOWNSTREAM_PEER_CHAIN_SERIALS: (info) => ofChain(info, ({ serial }) => serial),
  DOWNSTREAM_PEER_CERT: (info) => escapedPem(peer(info)?.pem),
  DOWNSTREAM_LOCAL_URI_SAN: (info) => listed(local(info)?.uris),
  DOWNSTREAM_LOCAL_DNS_SAN: (info) => listed(local(info)?.dnsNames),
  DOWNSTREAM_LOCAL_IP_SAN: (info) => listed(localDetails(info)?.addresses),
  DOWNSTREAM_LOCAL_EMAIL_SAN: (info) => listed(localDetails(info)?.emails),
  DOWNSTREAM_LOCAL_SUBJECT: (info) => nonEmpty(local(info)?.subject),
  /** Of connections that never came to a request: logs of listeners have them. Without spaces, as Envoy has it. */
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: ({ downstream: { transportFailure } }) =>
    transportFailure && `TLS_error:_${transportFailure.replaceAll(/\s/g, '_')}`,
  UPSTREAM_TLS_VERSION: (info) => upstreamSocket(info)?.getProtocol(),
  UPSTREAM_TLS_CIPHER: (info) => upstreamSocket(info)?.getCipher()?.name,
  UPSTREAM_PEER_URI_SAN: (info) => listed(upstream(info)?.uris),
  UPSTREAM_PEER_DNS_SAN: (info) => listed(upstream(info)?.dnsNames),
  UPSTREAM_PEER_IP_SAN: (info) => listed(upstream(info)?.addresses),
  UPSTREAM_PEER_SUBJECT: (info) => nonEmpty(upstream(info)?.subject),
  UPSTREAM_PEER_ISSUER: (info) => nonEmpty(upstream(info)?.issuer),
  UPSTREAM_PEER_CERT: (info) => escapedPem(upstream(info)?.pem),
  UPSTREAM_LOCAL_URI_SAN: (info) => listed(upstreamLocal(info)?.uris),
  UPSTREAM_LOCAL_DNS_SAN: (info) => listed(upstreamLocal(info)?.dnsNames),
  UPSTREAM_LOCAL_IP_SAN: (info) => listed(upstreamLocal(info)?.addresses),
};

export const CERTIFICATE_TIMES: Commands = {
  DOWNSTREAM_PEER_CERT_V_START: timeCommand((info) => peerDetails(info)?.validFrom),
  DOWNSTREAM_PEER_CERT_V_END: timeCommand((info) => peerDetails(info)?.validTo),
  UPSTREAM_PEER_CERT_V_START: timeCommand((info) => upstream(info)?.validFrom),
  UPSTREAM_PEER_CERT_V_END: timeCommand((info) => upstream(info)?.validTo),
};
