/** Configurations of TLS with everything at its default. */
import type { CertificateConfig, DownstreamTlsConfig, TlsConfig, UpstreamTlsConfig } from '../../config/tls.ts';
import type { ValidationConfig } from '../../config/tls-validation.ts';

const COMMON: TlsConfig = {
  certificates: [],
  certificateSecrets: [],
  validation: undefined,
  validationSecret: undefined,
  alpn: [],
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: undefined,
  curves: undefined,
  signatureAlgorithms: undefined,
};

export function certificateConfig(chain: string, key: string): CertificateConfig {
  return { chain, key, passphrase: undefined, statName: 'some' };
}

export function validationConfig(fields: Partial<ValidationConfig>): ValidationConfig {
  return {
    trustedCa: undefined,
    certificateHashes: [],
    keyHashes: [],
    sanMatchers: [],
    spiffeBundles: undefined,
    crl: undefined,
    maxDepth: undefined,
    statName: 'some_ca',
    ...fields,
  };
}

export function downstreamConfig(fields: Partial<DownstreamTlsConfig>): DownstreamTlsConfig {
  return {
    ...COMMON,
    requiresClientCertificate: false,
    givesTickets: true,
    ticketKeys: [],
    ticketKeysSecret: undefined,
    sessionSeconds: undefined,
    scansAllCertificates: false,
    prefersClientCiphers: false,
    ...fields,
  };
}

export function upstreamConfig(fields: Partial<UpstreamTlsConfig>): UpstreamTlsConfig {
  return { ...COMMON, sni: '', maxSessions: 1, ...fields };
}
