/** Whether the peer of a handshake is one to talk to. Called before a byte of it is used. */
import { createHash, X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { toWeftError } from '@weft/contracts/error';
import { type Certificate, parseCertificate, peerChain, spiffeIdOfLeaf, verifyAnySvid } from '@weft/identity';
import type { SanMatcher } from '../config/tls-validation.ts';
import { ipText } from '../net/address-text.ts';
import type { TlsStats } from '../stats/groups.ts';
import { splitPem } from './context-options.ts';
import { certificateKey, chainKey, presentedChain, validUntilMs } from './recent.ts';
import type { Validation } from './validation.ts';

export interface Refusal {
  readonly type: 'no-certificate' | 'chain' | 'name' | 'hash';
  /** A sentence. */
  readonly reason: string;
}

export const NOBODY_TO_TRUST = 'names are to be checked, and there is nobody to trust that they are true';
export const SESSION_EXPIRED = 'the certificate of the resumed session has expired';

/** A refusal in the words of BoringSSL, with what was wrong behind them. */
export function failed(type: Exclude<Refusal['type'], 'no-certificate'>, what: string): Refusal {
  return { type, reason: `CERTIFICATE_VERIFY_FAILED: ${what}` };
}

/** Counts a refusal as Envoy does; gives its reason. */
export function countRefusal(stats: TlsStats, { type, reason }: Refusal): string {
  if (type === 'name') stats.fail_verify_san++;
  else if (type === 'hash') stats.fail_verify_cert_hash++;
  else stats.fail_verify_error++;
  return reason;
}

/**
 * With the SPIFFE validator, the rules of X.509-SVID, and that the roots of the trust domain which the leaf names vouch for
 * it, and they alone. Where SPIFFE IDs are but names to look for, that the leaf has one, and is of a workload: what else
 * X.509-SVID asks for, CAs that make such certificates need not know.
 */
function checkSpiffe(
  socket: TLSSocket,
  leaf: X509Certificate,
  { spiffeRoots: rootsOf, asksForSpiffe }: Validation,
  nowMs: number,
): Refusal | undefined {
  try {
    if (rootsOf) verifyAnySvid(peerChain(socket.getPeerCertificate(true)), { rootsOf, nowMs });
    else if (asksForSpiffe) spiffeIdOfLeaf(leaf.raw);
    return undefined;
  } catch (error) {
    return failed('name', toWeftError(error).message);
  }
}

function matchesName(certificate: Certificate, matchers: readonly SanMatcher[]): boolean {
  const names = (certificate.extensions.names ?? []).flatMap((name) => {
    if (name.type === 'other') return [];
    return name.type === 'ip'
      ? [{ type: 'IP_ADDRESS', text: ipText(name.octets) ?? name.octets.toString('hex') }]
      : [{ type: name.type.toUpperCase(), text: name.text }];
  });
  return matchers.some((matcher) =>
    names.some(({ type, text }) => type === matcher.type && (matcher.matches(text) || matchesHost(matcher, text))),
  );
}

/**
 * DNS names have no case, and one of a certificate may have a star for its first label (RFC 6125, 6.4); only exact matchers
 * see that.
 */
function matchesHost({ type, exact }: SanMatcher, text: string): boolean {
  if (type !== 'DNS' || exact === undefined) return false;
  const [wanted, name] = [exact.toLowerCase(), text.toLowerCase()];
  if (!name.startsWith('*.')) return wanted === name;
  const dot = wanted.indexOf('.');
  return dot > 0 && wanted.slice(dot) === name.slice(1);
}

function checkNames(leaf: Uint8Array, { sanMatchers }: Validation): Refusal | undefined {
  if (sanMatchers.length === 0) return undefined;
  try {
    if (matchesName(parseCertificate(leaf), sanMatchers)) return undefined;
  } catch (error) {
    return failed('name', toWeftError(error).message);
  }
  return failed('name', 'no name of the certificate is one that is accepted here');
}

/**
 * A key that signs in handshakes must be one that may: in TLS 1.3 all are, before that those that are not of RSA
 * (RFC 8446, 4.4.2.2; RFC 8422, 5.3). OpenSSL takes keys that may only agree on others, or encipher them, too.
 */
function checkKeyUsage(socket: TLSSocket, leaf: X509Certificate): Refusal | undefined {
  if (socket.getProtocol() !== 'TLSv1.3' && leaf.publicKey.asymmetricKeyType === 'rsa') return undefined;
  try {
    const { keyUsage } = parseCertificate(leaf.raw).extensions;
    if (!keyUsage || keyUsage.has('digitalSignature')) return undefined;
  } catch {
    // What only a lenient reader reads says nothing of its key here; where names are asked for it is refused for that.
    return undefined;
  }
  return failed('chain', 'its key usage does not allow digital signatures');
}

function checkHashes(leaf: Uint8Array, { certificateHashes, keyHashes }: Validation): Refusal | undefined {
  if (certificateHashes.length + keyHashes.length === 0) return undefined;
  const certificate = createHash('sha256').update(leaf).digest('hex');
  const spki = new X509Certificate(leaf).publicKey.export({ type: 'spki', format: 'der' });
  const key = createHash('sha256').update(spki).digest('base64');
  if (certificateHashes.includes(certificate) || keyHashes.includes(key)) return undefined;
  return failed('hash', 'the certificate is none of those that are pinned');
}

/**
 * How long an accepted chain stays accepted without a look at its names and signatures, as long as it is valid: OpenSSL
 * checks both the chain and that the peer has its key in every full handshake, and other roots or names to accept make
 * another {@link Validation}.
 */
const ACCEPTED_MS = 60_000;

/**
 * `certificate`: what the peer presented, as `getPeerX509Certificate` gives it: it is asked for once, since each time
 * makes a copy. `chainError`: why OpenSSL does not hold the chain for good; undefined where it does.
 */
export function verifyPeer(
  socket: TLSSocket,
  certificate: X509Certificate | undefined,
  validation: Validation,
  chainError: string | undefined,
  nowMs: number,
): Refusal | undefined {
  if (!certificate) return { type: 'no-certificate', reason: 'the peer presented no certificate' };
  const trustsNobody = validation.rootsPem.length === 0;
  if (trustsNobody && validation.sanMatchers.length > 0) {
    return failed('chain', NOBODY_TO_TRUST);
  }
  if (!trustsNobody && chainError !== undefined) return failed('chain', chainError);
  return socket.isSessionReused()
    ? verifyResumed(socket, certificate, validation, nowMs)
    : verifyPresented(socket, certificate, validation, nowMs);
}

/** How many CAs stand above a leaf, the first that is trusted among them; undefined where none of those is found. */
function depthOf(presented: readonly X509Certificate[], roots: readonly X509Certificate[]): number | undefined {
  const [leaf, ...rest] = presented;
  const left = new Set(rest);
  let current = leaf;
  for (let depth = 1; current; depth++) {
    const below: X509Certificate = current;
    const isIssuer = (issuer: X509Certificate) => below.checkIssued(issuer) && below.verify(issuer.publicKey);
    if (roots.some((root) => root.raw.equals(below.raw))) return depth - 1;
    if (roots.some(isIssuer)) return depth;
    current = [...left].find(isIssuer);
    if (current) left.delete(current);
  }
  return undefined;
}

/** As BoringSSL counted once: a depth of 0 is one of 1. */
function checkDepth(leaf: X509Certificate, { maxDepth, rootsPem }: Validation): Refusal | undefined {
  if (maxDepth === undefined) return undefined;
  const depth = depthOf(
    presentedChain(leaf),
    rootsPem.flatMap(splitPem).map((pem) => new X509Certificate(pem)),
  );
  if (depth !== undefined && depth <= Math.max(1, maxDepth)) return undefined;
  return failed('chain', `more than ${maxDepth} certificates of CAs stand above it`);
}

function check(socket: TLSSocket, leaf: X509Certificate, validation: Validation, nowMs: number): Refusal | undefined {
  return (
    checkKeyUsage(socket, leaf) ??
    checkDepth(leaf, validation) ??
    checkSpiffe(socket, leaf, validation, nowMs) ??
    checkNames(leaf.raw, validation) ??
    checkHashes(leaf.raw, validation)
  );
}

/** What a session says too little of: others than the leaf and roots. */
function hasIntermediates(presented: readonly X509Certificate[]): boolean {
  return presented.filter(({ subject, issuer }) => subject !== issuer).length > 1;
}

/** Remembers that a chain was accepted, for sessions that its peer comes back with, to this thread or to another one. */
function keepResumable(
  validation: Validation,
  presented: readonly X509Certificate[],
  leaf: X509Certificate,
  untilMs: number,
): void {
  const key = certificateKey(leaf);
  const elsewhere =
    validation.needsChain && hasIntermediates(presented) ? validation.resumableElsewhere?.(key) : undefined;
  elsewhere?.replace(elsewhere.get(), untilMs);
  validation.resumable.set(key, elsewhere ?? true, untilMs);
}

function verifyPresented(
  socket: TLSSocket,
  leaf: X509Certificate,
  validation: Validation,
  nowMs: number,
): Refusal | undefined {
  const presented = presentedChain(leaf);
  const key = chainKey(presented);
  if (key !== undefined && validation.accepted.get(key, nowMs)) return undefined;
  const refusal = check(socket, leaf, validation, nowMs);
  if (key !== undefined && !refusal) {
    const untilMs = validUntilMs(leaf);
    validation.accepted.set(key, true, Math.min(nowMs + ACCEPTED_MS, untilMs));
    keepResumable(validation, presented, leaf, untilMs);
  }
  return refusal;
}

/**
 * A session holds the leaf and what OpenSSL thought of its chain, and was made under this very validation: another one
 * has another key for tickets. That the chain was accepted here too, in whichever thread, is remembered; where it is not,
 * the leaf has to do.
 */
function verifyResumed(
  socket: TLSSocket,
  leaf: X509Certificate,
  validation: Validation,
  nowMs: number,
): Refusal | undefined {
  if (leaf.validToDate.getTime() <= nowMs) return failed('chain', SESSION_EXPIRED);
  const leafKey = certificateKey(leaf);
  if (validation.resumable.get(leafKey, nowMs)) return undefined;
  if (validation.needsChain && (validation.resumableElsewhere?.(leafKey)?.get() ?? 0) > nowMs) return undefined;
  return check(socket, leaf, validation, nowMs);
}
