/** From a leaf to a root: RFC 5280 6.1, for paths as meshes have them. */
import type { Certificate } from './certificate.ts';
import { constraintViolation } from './name-constraints.ts';
import { OID } from './oids.ts';
import { isSignedBy } from './signature.ts';

export type Path =
  /** The issuers of the leaf, the nearest first, the root last. */
  | { readonly type: 'found'; readonly issuers: readonly Certificate[] }
  | { readonly type: 'refused'; readonly reason: string };

function refused(reason: string): Path {
  return { type: 'refused', reason };
}

/** Whether `issuer` is named as the issuer of `certificate`: by subject, and by key identifier where both have one. */
function isNamedIssuer(certificate: Certificate, issuer: Certificate): boolean {
  const wanted = certificate.extensions.authorityKeyId;
  const offered = issuer.extensions.subjectKeyId;
  return certificate.issuer.equals(issuer.subject) && (!wanted || !offered || wanted.equals(offered));
}

/**
 * Follows the chain in the order in which it was presented (the leaf first) up to one of the roots. Certificates after
 * that are passed over, as servers may send the root too.
 */
export function findPath(chain: readonly Certificate[], roots: readonly Certificate[]): Path {
  const issuers: Certificate[] = [];
  let current = chain[0];
  for (let index = 1; current; index += 1) {
    const certificate: Certificate = current;
    const root = roots.find((candidate) => isNamedIssuer(certificate, candidate) && isSignedBy(certificate, candidate));
    if (root) return { type: 'found', issuers: [...issuers, root] };
    const next = chain[index];
    if (!next || !isNamedIssuer(certificate, next)) return refused('it is not signed by a root of the mesh');
    if (!isSignedBy(certificate, next)) return refused('a signature in its chain does not hold');
    issuers.push(next);
    current = next;
  }
  return refused('there is no certificate');
}

/** Why an issuer `depth` certificates above the leaf (0: it signed the leaf) must not be one; undefined when it may. */
export function issuerTrouble(issuer: Certificate, depth: number): string | undefined {
  const { basicConstraints, keyUsage, extendedKeyUsage } = issuer.extensions;
  if (!basicConstraints?.ca) return 'a certificate in its chain signs others without being a CA';
  if (!keyUsage?.has('keyCertSign')) return 'a CA in its chain must not sign certificates, by its key usage';
  const { pathLength } = basicConstraints;
  if (pathLength !== undefined && depth > pathLength) return 'its chain is longer than a CA in it allows';
  const usable = extendedKeyUsage?.has(OID.serverAuth) && extendedKeyUsage.has(OID.clientAuth);
  if (extendedKeyUsage && !usable && !extendedKeyUsage.has(OID.anyExtendedKeyUsage)) {
    return 'a CA in its chain is not for servers and clients, by its extended key usage';
  }
  return undefined;
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}

function clockText(nowMs: number): string {
  return `the clock here says ${instant(nowMs)}; where that is wrong, set the clock, for instance by NTP`;
}

/** Why a certificate must not be used now, whatever it is for; undefined when it may. */
export function generalTrouble(certificate: Certificate, nowMs: number, name: string): string | undefined {
  const [critical] = certificate.extensions.unknownCritical;
  if (critical !== undefined) return `${name} has the unknown critical extension ${critical}`;
  if (nowMs < certificate.notBeforeMs) {
    return `${name} is not yet valid: it counts from ${instant(certificate.notBeforeMs)}, and ${clockText(nowMs)}`;
  }
  if (nowMs > certificate.notAfterMs) {
    return `${name} expired at ${instant(certificate.notAfterMs)}, and ${clockText(nowMs)}`;
  }
  return undefined;
}

/** Why a path that hangs together must still not be trusted; undefined when it may. */
export function pathTrouble(leaf: Certificate, issuers: readonly Certificate[], nowMs: number): string | undefined {
  const below: Certificate[] = [leaf];
  for (const [depth, issuer] of issuers.entries()) {
    const name = depth === issuers.length - 1 ? 'the root' : 'a CA in its chain';
    const trouble = generalTrouble(issuer, nowMs, name) ?? issuerTrouble(issuer, depth);
    if (trouble !== undefined) return trouble;
    const { nameConstraints } = issuer.extensions;
    const names = below.flatMap((certificate) => certificate.extensions.names ?? []);
    const violation = nameConstraints && constraintViolation(names, nameConstraints);
    if (violation !== undefined) return violation;
    below.push(issuer);
  }
  return undefined;
}
