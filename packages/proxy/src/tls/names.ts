/** What the certificates of a connection say, for logs and forwarded headers. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { parseCertificate } from '@weft/identity';
import { ipText } from '../net/address-text.ts';
import type { CertificateNames, TlsInfo } from '../stack/stream-info.ts';
import { certificateKey, presentedChain, type Recent } from './recent.ts';

/**
 * A name of OpenSSL's form, one attribute a line with its escapes, in the form of RFC 2253: the last one first, and bytes
 * beyond ASCII escaped, as BoringSSL and Envoy write them and policies name them.
 */
export function rfc2253(name: string | undefined): string {
  return (name ?? '')
    .split('\n')
    .reverse()
    .join(',')
    .replace(/[^\0-\x7f]/gu, escapedBytes);
}

function escapedBytes(character: string): string {
  return [...Buffer.from(character)].map((byte) => `\\${byte.toString(16).toUpperCase()}`).join('');
}

/** What a certificate's subjectAltName holds, by kind. */
export interface AlternativeNames {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  readonly emails: readonly string[];
}

export function alternativeNames(der: Buffer): AlternativeNames {
  const found = { uris: [] as string[], dnsNames: [] as string[], addresses: [] as string[], emails: [] as string[] };
  try {
    for (const name of parseCertificate(der).extensions.names ?? []) {
      if (name.type === 'uri') found.uris.push(name.text);
      else if (name.type === 'dns') found.dnsNames.push(name.text);
      else if (name.type === 'email') found.emails.push(name.text);
      else if (name.type === 'ip') found.addresses.push(ipText(name.octets) ?? name.octets.toString('hex'));
    }
  } catch {
    // A certificate that only a lenient reader reads has passed validation without names; it is told without them.
    return { uris: [], dnsNames: [], addresses: [], emails: [] };
  }
  return found;
}

/** A fingerprint of OpenSSL's form as hexadecimal digits in lower case. */
export function digits(fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toLowerCase();
}

export function certificateNames(certificate: X509Certificate): CertificateNames {
  const { uris, dnsNames } = alternativeNames(certificate.raw);
  return {
    uris,
    dnsNames,
    subject: rfc2253(certificate.subject),
    issuer: rfc2253(certificate.issuer),
    sha256: digits(certificate.fingerprint256),
    pem: certificate.toString(),
  };
}

/** Names of peers, read once for those that come again and again. */
export type PeerNames = Recent<CertificateNames>;

/** What is known of a connection's TLS; certificates are read when somebody asks. */
export class ConnectionTls implements TlsInfo {
  readonly version: string;
  readonly cipher: string;
  readonly serverName: string;
  readonly local: CertificateNames | undefined;
  readonly #leaf: X509Certificate | undefined;
  readonly #names: PeerNames;
  #peer: CertificateNames | undefined;

  /** `leaf`: what the peer presented, undefined where that is nothing. */
  constructor(
    socket: TLSSocket,
    leaf: X509Certificate | undefined,
    local: CertificateNames | undefined,
    names: PeerNames,
  ) {
    this.version = socket.getProtocol() ?? '';
    this.cipher = socket.getCipher()?.name ?? '';
    this.serverName = 'servername' in socket && typeof socket.servername === 'string' ? socket.servername : '';
    this.local = local;
    this.#leaf = leaf;
    this.#names = names;
  }

  get peer(): CertificateNames | undefined {
    if (this.#peer || !this.#leaf) return this.#peer;
    const key = certificateKey(this.#leaf);
    this.#peer = this.#names.get(key, 0);
    if (!this.#peer) {
      this.#peer = certificateNames(this.#leaf);
      this.#names.set(key, this.#peer);
    }
    return this.#peer;
  }

  /** What the peer presented, the leaf first. */
  get peerChainPem(): string {
    return this.#leaf ? presentedChain(this.#leaf).join('') : '';
  }
}
