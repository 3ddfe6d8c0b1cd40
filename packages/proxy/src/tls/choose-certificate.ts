/**
 * Which of several certificates a client is shown: one for the server name that it asks for, and of those with an ECDSA
 * key where it can verify that one
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/security/ssl#certificate-selection).
 */
import type { X509Certificate } from 'node:crypto';
import type { ClientOffer } from './client-hello.ts';

/** Curves by the names that Node gives them, with their groups and the signature algorithms of TLS 1.3 over them. */
const CURVES: Readonly<Record<string, readonly number[]>> = {
  prime256v1: [0x0017, 0x0403],
  secp384r1: [0x0018, 0x0503],
  secp521r1: [0x0019, 0x0603],
};

/** Cipher suites of TLS 1.2 for servers with ECDSA keys, by OpenSSL's names. */
const ECDSA_SUITES: Readonly<Record<string, number>> = {
  'ECDHE-ECDSA-AES128-GCM-SHA256': 0xc02b,
  'ECDHE-ECDSA-AES256-GCM-SHA384': 0xc02c,
  'ECDHE-ECDSA-CHACHA20-POLY1305': 0xcca9,
  'ECDHE-ECDSA-AES128-SHA': 0xc009,
  'ECDHE-ECDSA-AES256-SHA': 0xc00a,
};

const TLS12 = 0x0303;

/** One of the certificates. */
interface Shown {
  readonly index: number;
  readonly keyType: string;
  /** What a client says that can verify it; undefined: its key is no ECDSA key. */
  readonly curve: readonly number[] | undefined;
}

export interface ChoiceOptions {
  /** OpenSSL's list for TLS 1.2. */
  readonly ciphers: string;
  readonly speaksTls13: boolean;
  /** Whether all are looked at for a server name that none of them has; else it is the first one then. */
  readonly scansAll: boolean;
}

/** Of the names as Node writes them; one with other characters than host names have is none that a client asks for. */
const DNS_NAME = /(?<=^|, )DNS:([^,"]+)/g;

/** The names by which clients may ask for a certificate: `.example.com` stands for `*.example.com`. */
function patternsOf(certificate: X509Certificate): readonly string[] {
  const { subjectAltName } = certificate;
  const names =
    subjectAltName === undefined
      ? [certificate.toLegacyObject().subject?.CN ?? []].flat()
      : [...subjectAltName.matchAll(DNS_NAME)].map(([, name = '']) => name);
  return names.map((name) => name.toLowerCase().replace(/^\*(?=\.)/, ''));
}

export class CertificateChoice {
  readonly #all: readonly Shown[];
  /** Of each name, the first certificate with a key of each type. */
  readonly #byName = new Map<string, Map<string, Shown>>();
  readonly #suites: ReadonlySet<number>;
  readonly #options: ChoiceOptions;

  constructor(certificates: readonly X509Certificate[], options: ChoiceOptions) {
    this.#options = options;
    const configured = options.ciphers.split(':').flatMap((name) => ECDSA_SUITES[name] ?? []);
    this.#suites = new Set(configured);
    this.#all = certificates.map((certificate, index) => {
      const { asymmetricKeyType: keyType = '', asymmetricKeyDetails: details } = certificate.publicKey;
      const curve = keyType === 'ec' ? (CURVES[details?.namedCurve ?? ''] ?? []) : undefined;
      const shown = { index, keyType, curve };
      for (const name of patternsOf(certificate)) {
        const ofName = this.#byName.get(name) ?? new Map<string, Shown>();
        if (!ofName.has(keyType)) ofName.set(keyType, shown);
        this.#byName.set(name, ofName);
      }
      return shown;
    });
  }

  /** The index of the one to show. */
  choose(offer: ClientOffer): number {
    const curves = this.#curvesOf(offer);
    const { serverName } = offer;
    if (serverName !== '') {
      const named = this.#best(this.#byName.get(serverName)?.values(), curves) ?? this.#wildcard(serverName, curves);
      if (named) return named.index;
      if (!this.#options.scansAll) return 0;
    }
    return this.#best(this.#all, curves)?.index ?? 0;
  }

  #wildcard(serverName: string, curves: readonly number[]): Shown | undefined {
    const dot = serverName.indexOf('.', 1);
    if (dot === -1 || dot === serverName.length - 1) return undefined;
    return this.#best(this.#byName.get(serverName.slice(dot))?.values(), curves);
  }

  /** One with a curve that the client knows, else the first of another kind. */
  #best(of: Iterable<Shown> | undefined, curves: readonly number[]): Shown | undefined {
    let other: Shown | undefined;
    for (const shown of of ?? []) {
      if (shown.curve?.some((number) => curves.includes(number))) return shown;
      if (!shown.curve) other ??= shown;
    }
    return other;
  }

  /** What the client says of curves that it can verify signatures over; none where it can verify none. */
  #curvesOf({ version, saysVersions, signatureAlgorithms, groups, cipherSuites }: ClientOffer): readonly number[] {
    if (saysVersions && version === TLS12 && this.#options.speaksTls13) return signatureAlgorithms;
    return cipherSuites.some((suite) => this.#suites.has(suite)) ? groups : [];
  }
}
