/** Validates X.509-SVIDs: https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md, section 5. */
import { toWeftError, WeftError } from '@weft/contracts/error';
import { type Certificate, parseCertificate, parsePemCertificates } from './certificate.ts';
import { publicKeyOf } from './key.ts';
import { OID } from './oids.ts';
import { findPath, generalTrouble, pathTrouble } from './path.ts';
import { isStrongKey } from './signature.ts';
import { parseAnySpiffeId, parseSpiffeId, type SpiffeId } from './spiffe.ts';

const MAX_CHAIN = 8;

export interface VerifyOptions {
  /** What to trust, as `parseTrust` gives it. */
  readonly roots: readonly Certificate[];
  /** The one trust domain whose identities are accepted. */
  readonly trustDomain: string;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

function refuse(reason: string, cause?: unknown): WeftError {
  const why = cause === undefined ? {} : { cause };
  return new WeftError('UNAUTHENTICATED', `the certificate is refused: ${reason}`, { retryable: false, ...why });
}

/** The one URI in a certificate; throws a reason in words when there is not exactly one. */
function uriOf(leaf: Certificate): string {
  const uris = (leaf.extensions.names ?? []).flatMap((name) => (name.type === 'uri' ? [name.text] : []));
  const [uri] = uris;
  if (uri === undefined || uris.length !== 1) {
    throw refuse(`it names ${uris.length === 0 ? 'no' : uris.length} URIs, and an identity is exactly one`);
  }
  return uri;
}

/** The one SPIFFE ID of Weft's form in a certificate. */
function identityOf(leaf: Certificate): SpiffeId {
  const uri = uriOf(leaf);
  try {
    return parseSpiffeId(uri);
  } catch (error) {
    throw refuse(toWeftError(error).message, error);
  }
}

/** Why a certificate is not one of a workload; undefined when it may be. A key usage that is not there allows everything. */
function workloadTrouble({ extensions }: Certificate): string | undefined {
  const { basicConstraints, keyUsage } = extensions;
  if (basicConstraints?.ca) return 'it is of a CA, and a workload is none';
  if (!keyUsage) return undefined;
  if (!keyUsage.has('digitalSignature')) return 'its key usage does not allow digital signatures';
  return keyUsage.has('keyCertSign') || keyUsage.has('cRLSign') ? 'its key usage is that of a CA' : undefined;
}

/** Why a certificate must not be a leaf; undefined when it may. */
function leafTrouble(leaf: Certificate): string | undefined {
  const { keyUsage, keyUsageCritical, extendedKeyUsage } = leaf.extensions;
  const trouble = workloadTrouble(leaf);
  if (trouble !== undefined) return trouble;
  if (!keyUsage) return 'its key usage does not allow digital signatures';
  if (!keyUsageCritical) return 'its key usage is not marked as critical';
  if (extendedKeyUsage && !(extendedKeyUsage.has(OID.serverAuth) && extendedKeyUsage.has(OID.clientAuth))) {
    return 'its extended key usage is not both for servers and for clients';
  }
  return isStrongKey(publicKeyOf(leaf.spki)) ? undefined : 'its key is weak, or of an unknown kind';
}

function parseChain(chain: readonly Uint8Array[]): readonly [Certificate, ...Certificate[]] {
  if (chain.length > MAX_CHAIN) throw refuse(`its chain of ${chain.length} certificates is longer than ${MAX_CHAIN}`);
  let certificates: readonly Certificate[];
  try {
    certificates = chain.map(parseCertificate);
  } catch (error) {
    throw refuse(toWeftError(error).message, error);
  }
  const [leaf, ...issuers] = certificates;
  if (!leaf) throw refuse('none was presented');
  return [leaf, ...issuers];
}

/** Throws where the leaf is not one, or does not hang from one of the roots. */
function checkChain(
  chain: readonly [Certificate, ...Certificate[]],
  roots: readonly Certificate[],
  nowMs: number,
): void {
  const [leaf] = chain;
  let trouble: string | undefined;
  try {
    trouble = generalTrouble(leaf, nowMs, 'it') ?? leafTrouble(leaf);
    const path = trouble === undefined ? findPath(chain, roots) : undefined;
    if (path?.type === 'refused') trouble = path.reason;
    if (path?.type === 'found') trouble = pathTrouble(leaf, path.issuers, nowMs);
  } catch (error) {
    throw refuse(toWeftError(error).message, error);
  }
  if (trouble !== undefined) throw refuse(trouble);
}

/**
 * Gives the identity that a chain proves (DER, the leaf first; a root at its end does no harm), or throws `WeftError`
 * UNAUTHENTICATED with the reason. Everything is checked here, signatures and validity too, so that it does not matter
 * what a TLS library checked before; that the peer has the key is the TLS handshake's to prove.
 */
export function verifySvid(chain: readonly Uint8Array[], { roots, trustDomain, nowMs }: VerifyOptions): SpiffeId {
  const certificates = parseChain(chain);
  const id = identityOf(certificates[0]);
  if (id.trustDomain !== trustDomain) {
    throw refuse(
      `it is of the trust domain ${JSON.stringify(id.trustDomain)}, and this mesh is ${JSON.stringify(trustDomain)}`,
    );
  }
  checkChain(certificates, roots, nowMs);
  return id;
}

export interface AnyVerifyOptions {
  /** What to trust for identities of a trust domain, and for no others; undefined: they are not trusted. */
  readonly rootsOf: (trustDomain: string) => readonly Certificate[] | undefined;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/**
 * As {@link verifySvid} for SPIFFE IDs of any form and of several trust domains: the roots of the domain that the leaf
 * names have to vouch for it, those of others cannot. Gives the ID.
 */
export function verifyAnySvid(chain: readonly Uint8Array[], { rootsOf, nowMs }: AnyVerifyOptions): string {
  const certificates = parseChain(chain);
  const uri = uriOf(certificates[0]);
  const { trustDomain } = workloadId(uri);
  const roots = rootsOf(trustDomain);
  if (!roots) throw refuse(`nothing is known of the trust domain ${JSON.stringify(trustDomain)}`);
  checkChain(certificates, roots, nowMs);
  return uri;
}

/** The SPIFFE ID of a workload in a URI; throws where it is none. */
function workloadId(uri: string): { readonly trustDomain: string } {
  const id = parseAnySpiffeId(uri);
  if (!id) throw refuse(`${JSON.stringify(uri)} is not a SPIFFE ID`);
  if (!id.hasPath) throw refuse(`${JSON.stringify(uri)} names a trust domain, not a workload`);
  return id;
}

/**
 * Gives the one SPIFFE ID that a leaf names, or throws `WeftError` UNAUTHENTICATED: for peers whose chain, validity and
 * extended key usage a TLS library has checked (RFC 5280), and whose certificates were made by a CA that knows nothing of
 * SPIFFE. Such ones may lack a key usage, or have one that is not critical.
 */
export function spiffeIdOfLeaf(der: Uint8Array): string {
  const [leaf] = parseChain([der]);
  const uri = uriOf(leaf);
  workloadId(uri);
  const trouble = workloadTrouble(leaf);
  if (trouble !== undefined) throw refuse(trouble);
  return uri;
}

/**
 * Parses what to trust: PEM texts of one or more root certificates each. Throws `WeftError` INVALID_ARGUMENT when one
 * cannot be read.
 */
export function parseTrust(rootsPem: readonly string[]): readonly Certificate[] {
  return rootsPem.flatMap(parsePemCertificates);
}

/** What `tls.TLSSocket.getPeerCertificate(true)` gives, as far as it matters. */
export interface PeerCertificate {
  readonly raw?: Uint8Array;
  readonly issuerCertificate?: PeerCertificate;
}

/** The chain of a TLS peer for {@link verifySvid}: empty when the peer presented none. */
export function peerChain(peer: PeerCertificate | undefined): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  for (let next = peer; next?.raw && chain.length <= MAX_CHAIN; next = next.issuerCertificate) {
    chain.push(next.raw);
    // Node ends the chain with a root that is its own issuer.
    if (next.issuerCertificate === next) break;
  }
  return chain;
}
