/** What both ends of a connection check certificates against. */
import { type Certificate, parseCertificate, parseTrust, pemToDer } from '@weft/identity';
import type { TlsMaterial } from './types.ts';

export interface Trust {
  readonly roots: readonly Certificate[];
  /** Of the own certificate; undefined without one. */
  readonly trustDomain: string | undefined;
}

/** The trust domain that a certificate names; undefined when it names none, or cannot be read. */
export function trustDomainOf(der: Uint8Array | undefined): string | undefined {
  if (!der) return undefined;
  const uri = parseCertificate(der).extensions.names?.find((name) => name.type === 'uri');
  return uri?.type === 'uri' ? /^spiffe:\/\/([^/]+)/.exec(uri.text)?.[1] : undefined;
}

/** Parses TLS material for checks; throws `WeftError` INVALID_ARGUMENT when it holds what is no certificate. */
export function trustOf({ chainPem, rootsPem }: TlsMaterial): Trust {
  const [leaf] = chainPem === '' ? [] : pemToDer(chainPem);
  return { roots: parseTrust(rootsPem), trustDomain: trustDomainOf(leaf) };
}
