/** Whether the peer of a handshake is one to talk to. Called before a byte of it is used. */
import { createHash, X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { toWeftError } from '@weft/contracts/error';
import { type Certificate, parseCertificate, peerChain, verifyAnySvid } from '@weft/identity';
import type { SanMatcher } from '../config/tls.ts';
import { certificateKey, chainKey, presentedChain, validUntilMs } from './recent.ts';
import type { Validation } from './validation.ts';

export interface Refusal {
  readonly type: 'no-certificate' | 'chain' | 'name' | 'hash';
  /** A sentence. */
  readonly reason: string;
}

/** The rules of X.509-SVID, and that the roots of the trust domain which the leaf names vouch for it, and they alone. */
function checkSpiffe(chain: readonly Uint8Array[], validation: Validation, nowMs: number): Refusal | undefined {
  const { spiffeRoots: rootsOf } = validation;
  if (!rootsOf) return undefined;
  try {
    verifyAnySvid(chain, { rootsOf, nowMs });
    return undefined;
  } catch (error) {
    return { type: 'name', reason: toWeftError(error).message };
  }
}

function ipText(octets: Buffer): string {
  if (octets.length === 4) return octets.join('.');
  return (octets.toString('hex').match(/.{4}/g) ?? []).join(':');
}

function matchesName(certificate: Certificate, matchers: readonly SanMatcher[]): boolean {
  const names = (certificate.extensions.names ?? []).flatMap((name) => {
    if (name.type === 'other') return [];
    return name.type === 'ip'
      ? [{ type: 'IP_ADDRESS', text: ipText(name.octets) }]
      : [{ type: name.type.toUpperCase(), text: name.text }];
  });
  return matchers.some((matcher) =>
    names.some(({ type, text }) => type === matcher.type && (matcher.matches(text) || matchesWildcard(matcher, text))),
  );
}

/** A DNS name of a certificate may have a star for its first label (RFC 6125, 6.4.3); only exact matchers see that. */
function matchesWildcard(matcher: SanMatcher, text: string): boolean {
  if (matcher.type !== 'DNS' || !text.startsWith('*.') || matcher.exact === undefined) return false;
  const dot = matcher.exact.indexOf('.');
  return dot > 0 && matcher.exact.slice(dot).toLowerCase() === text.slice(1).toLowerCase();
}

function checkNames(leaf: Uint8Array, { sanMatchers }: Validation): Refusal | undefined {
  if (sanMatchers.length === 0) return undefined;
  try {
    if (matchesName(parseCertificate(leaf), sanMatchers)) return undefined;
  } catch (error) {
    return { type: 'name', reason: toWeftError(error).message };
  }
  return { type: 'name', reason: 'no name of the certificate is one that is accepted here' };
}

function checkHashes(leaf: Uint8Array, { certificateHashes, keyHashes }: Validation): Refusal | undefined {
  if (certificateHashes.length + keyHashes.length === 0) return undefined;
  const certificate = createHash('sha256').update(leaf).digest('hex');
  const spki = new X509Certificate(leaf).publicKey.export({ type: 'spki', format: 'der' });
  const key = createHash('sha256').update(spki).digest('base64');
  if (certificateHashes.includes(certificate) || keyHashes.includes(key)) return undefined;
  return { type: 'hash', reason: 'the certificate is none of those that are pinned' };
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
    return { type: 'chain', reason: 'names are to be checked, and there is nobody to trust that they are true' };
  }
  if (!trustsNobody && chainError !== undefined) {
    return { type: 'chain', reason: `CERTIFICATE_VERIFY_FAILED: ${chainError}` };
  }
  return socket.isSessionReused()
    ? verifyResumed(socket, certificate, validation, nowMs)
    : verifyPresented(socket, certificate, validation, nowMs);
}

function check(socket: TLSSocket, leaf: X509Certificate, validation: Validation, nowMs: number): Refusal | undefined {
  const chain = peerChain(socket.getPeerCertificate(true));
  return checkSpiffe(chain, validation, nowMs) ?? checkNames(leaf.raw, validation) ?? checkHashes(leaf.raw, validation);
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
    validation.resumable.set(certificateKey(leaf), true, untilMs);
  }
  return refusal;
}

/**
 * A session holds the leaf and what OpenSSL thought of its chain, and was made under this very validation: another one
 * has another key for tickets. That the chain was accepted here too is remembered; where it is not, the leaf has to do.
 */
function verifyResumed(
  socket: TLSSocket,
  leaf: X509Certificate,
  validation: Validation,
  nowMs: number,
): Refusal | undefined {
  if (leaf.validToDate.getTime() <= nowMs) {
    return { type: 'chain', reason: 'CERTIFICATE_VERIFY_FAILED: the certificate of the resumed session has expired' };
  }
  if (validation.resumable.get(certificateKey(leaf), nowMs)) return undefined;
  return check(socket, leaf, validation, nowMs);
}
