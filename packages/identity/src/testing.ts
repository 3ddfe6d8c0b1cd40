/**
 * For tests alone: a mesh's root that issues what is asked for, and the certificates that forgers come with. Nothing
 * here is used by a running mesh.
 */
import { type KeyObject, sign } from 'node:crypto';
import { type Certificate, parseCertificate } from './certificate.ts';
import { encode, encodeSequence, TAG } from './der.ts';
import {
  encodeAlgorithm,
  encodeBitString,
  encodeOid,
  encodeSmallInteger,
  encodeTime,
  encodeUnsigned,
} from './der-types.ts';
import {
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  keyId,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from './extensions.ts';
import { createRoot, type Issuer, issueCertificate, signCertificate } from './issue.ts';
import { generateKey, keyToPem, spkiOf } from './key.ts';
import { distinguishedName, dnsName, uriName } from './names.ts';
import { OID } from './oids.ts';
import { chainToPem, derToPem } from './pem.ts';
import { formatSpiffeId, type SpiffeId } from './spiffe.ts';
import { createSvid, type Svid } from './svid.ts';

const DAY_MS = 86_400_000;

/** A chain with its key, true or forged. */
export interface Credential {
  /** DER, the leaf first. */
  readonly chain: readonly Buffer[];
  readonly chainPem: string;
  readonly keyPem: string;
}

export interface TestMesh {
  readonly trustDomain: string;
  readonly root: Issuer;
  readonly rootPem: string;
  /** A good SVID of this mesh; default life: a day. */
  issue(namespace: string, serviceAccount: string, lifeMs?: number): Svid;
}

export function createTestMesh(trustDomain = 'weft.local', nowMs = Date.now()): TestMesh {
  const privateKey = generateKey();
  const certificate = createRoot({ trustDomain, privateKey, nowMs, lifeMs: 30 * DAY_MS });
  const root = { certificate, privateKey };
  return {
    trustDomain,
    root,
    rootPem: derToPem(certificate.der),
    issue(namespace, serviceAccount, lifeMs = DAY_MS) {
      const key = generateKey();
      const id = { trustDomain, namespace, serviceAccount };
      return createSvid([issueCertificate({ issuer: root, id, spki: spkiOf(key), nowMs, lifeMs })], keyToPem(key));
    },
  };
}

/** What can be said of a certificate; what is left out is as in a good SVID. */
export interface LeafOptions {
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ca?: boolean;
  readonly pathLength?: number;
  readonly usage?: 'digitalSignature' | 'keyAgreement' | 'certSign' | 'none';
  readonly extendedUsages?: readonly string[];
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly extra?: readonly Buffer[];
  readonly subject?: string;
  /** Its key; default: a new one, of ECDSA with P-256. */
  readonly privateKey?: KeyObject;
}

const EMPTY_NAME = encodeSequence();

/** Signs any certificate at all with the key of `issuer`, or with its own when that is left out. */
export function makeCertificate(id: string, options: LeafOptions, issuer?: Issuer): Issuer {
  const { privateKey = generateKey() } = options;
  const spki = spkiOf(privateKey);
  const { uris = [id], dnsNames = [], ca = false, pathLength, extendedUsages, extra = [] } = options;
  const { usage = ca ? 'certSign' : 'digitalSignature', notBeforeMs = Date.now() - 60_000 } = options;
  const subject = options.subject === undefined ? EMPTY_NAME : distinguishedName([[OID.commonName, options.subject]]);
  const names = [...uris.map(uriName), ...dnsNames.map(dnsName)];
  const issuerId = issuer
    ? (issuer.certificate.extensions.subjectKeyId ?? keyId(issuer.certificate.spki))
    : keyId(spki);
  const der = signCertificate(
    {
      issuer: issuer?.certificate.subject ?? subject,
      subject,
      notBeforeMs,
      // Not whole days: how many are left is the same however soon it is asked for.
      notAfterMs: options.notAfterMs ?? Date.now() + 1.5 * DAY_MS,
      spki,
      extensions: [
        basicConstraints(ca ? { pathLength } : undefined),
        ...(usage === 'none' ? [] : [keyUsage(usage)]),
        ...(ca ? [] : [extendedKeyUsage(...(extendedUsages ?? [OID.serverAuth, OID.clientAuth]))]),
        ...(names.length === 0 ? [] : [subjectAltName(names, options.subject === undefined)]),
        subjectKeyIdentifier(keyId(spki)),
        authorityKeyIdentifier(issuerId),
        ...extra,
      ],
    },
    issuer?.privateKey ?? privateKey,
  );
  return { certificate: parseCertificate(der), privateKey };
}

/** A root without name constraint and path length, for chains with intermediates. */
export function makeLooseRoot(): Issuer {
  return makeCertificate('', { uris: [], ca: true, subject: 'loose root' });
}

/** A revocation list of an issuer (RFC 5280, 5.1), in PEM: those certificates of it are no longer to be believed. */
export function makeRevocationList(
  { certificate, privateKey }: Issuer,
  revoked: readonly Certificate[],
  nextUpdateMs = Date.now() + DAY_MS,
): string {
  const algorithm = encodeAlgorithm(OID.ecdsaWithSha256);
  const sinceMs = Date.now() - 60_000;
  const entries = revoked.map(({ serial }) => encodeSequence(encodeUnsigned(serial), encodeTime(sinceMs)));
  const tbs = encodeSequence(
    encodeSmallInteger(1),
    algorithm,
    certificate.subject,
    encodeTime(sinceMs),
    encodeTime(nextUpdateMs),
    ...(entries.length > 0 ? [encodeSequence(...entries)] : []),
  );
  const signature = sign('sha256', tbs, { key: privateKey, dsaEncoding: 'der' });
  return derToPem(encodeSequence(tbs, algorithm, encodeBitString(signature)), 'X509 CRL');
}

/** The extension that no reader knows, marked as critical. */
export const UNKNOWN_CRITICAL: Buffer = encodeSequence(
  encodeOid('1.3.6.1.4.1.99999.1'),
  encode(TAG.boolean, Buffer.from([0xff])),
  encode(TAG.octetString, Buffer.from([5, 0])),
);

function credential(key: KeyObject, ...chain: readonly Certificate[]): Credential {
  const ders = chain.map((certificate) => certificate.der);
  return { chain: ders, chainPem: chainToPem(ders), keyPem: keyToPem(key) };
}

function tampered(der: Buffer): Buffer {
  const copy = Buffer.from(der);
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? 0) ^ 0xff;
  return copy;
}

const BAD_IDS: Readonly<Record<string, (good: string) => string>> = {
  'SPIFFE ID with a query': (good) => `${good}?a=b`,
  'SPIFFE ID with a fragment': (good) => `${good}#a`,
  'SPIFFE ID with a port': (good) => good.replace('/ns/', ':443/ns/'),
  'SPIFFE ID with user info': (good) => good.replace('spiffe://', 'spiffe://me@'),
  'SPIFFE ID with percent encoding': (good) => `${good.slice(0, -1)}%61`,
  'SPIFFE ID in upper case': (good) => good.replace(/spiffe:\/\/[^/]+/, (part) => part.toUpperCase()),
  'SPIFFE ID with an upper-case trust domain': (good) => good.replace(/\/\/[^/]+/, (part) => part.toUpperCase()),
  'SPIFFE ID with an empty segment': (good) => good.replace('/sa/', '//sa/'),
  'SPIFFE ID with a dot segment': (good) => good.replace('/sa/', '/./sa/'),
  'SPIFFE ID with a double-dot segment': (good) => good.replace('/sa/', '/../sa/'),
  'SPIFFE ID with a slash at its end': (good) => `${good}/`,
  'SPIFFE ID without a path': (good) => good.replace(/\/ns\/.*$/, ''),
  'not a SPIFFE ID': () => 'https://weft.local/ns/shop/sa/cart',
};

/**
 * Certificates that nobody may accept as `id` of the mesh, by what is wrong with them. Those of which the root itself
 * signed something odd show what a stolen or careless CA could do, beside what a stranger can.
 */
export function forgedCredentials(mesh: TestMesh, id: SpiffeId): Readonly<Record<string, Credential>> {
  const uri = formatSpiffeId(id);
  const now = Date.now();
  const leaf = (options: LeafOptions, issuer: Issuer | undefined = mesh.root): Credential => {
    const { certificate, privateKey } = makeCertificate(uri, options, issuer);
    return credential(privateKey, certificate);
  };
  const stranger = createTestMesh(mesh.trustDomain);
  const good = makeCertificate(uri, {}, mesh.root);
  const middle = makeCertificate(uri, {}, mesh.root);
  const below = makeCertificate(uri, {}, middle);
  const own = makeCertificate(uri, {});
  const badIds = Object.entries(BAD_IDS).map(([name, change]) => [name, leaf({ uris: [change(uri)] })] as const);
  return {
    'self-signed with the same URI': credential(own.privateKey, own.certificate),
    'signed by another root of the same name': leaf({}, stranger.root),
    'another trust domain by the same root': leaf({ uris: ['spiffe://evil.example/ns/shop/sa/cart'] }),
    'two URIs': leaf({ uris: [uri, uri.replace(/[^/]+$/, 'other')] }),
    'no URI': leaf({ uris: [], dnsNames: ['cart.mesh'] }),
    expired: leaf({ notBeforeMs: now - 2 * DAY_MS, notAfterMs: now - DAY_MS }),
    'not yet valid': leaf({ notBeforeMs: now + DAY_MS, notAfterMs: now + 2 * DAY_MS }),
    'issued by a leaf': credential(below.privateKey, below.certificate, middle.certificate),
    'leaf with the CA bit': leaf({ ca: true }),
    'key usage of a CA': leaf({ usage: 'certSign' }),
    'no key usage': leaf({ usage: 'none' }),
    'for clients alone': leaf({ extendedUsages: [OID.clientAuth] }),
    'unknown critical extension': leaf({ extra: [UNKNOWN_CRITICAL] }),
    'tampered signature': {
      chain: [tampered(good.certificate.der)],
      chainPem: derToPem(tampered(good.certificate.der)),
      keyPem: keyToPem(good.privateKey),
    },
    ...Object.fromEntries(badIds),
  };
}
