/** Getting a certificate: with a join token at first, with the certificate itself from then on. */
import type { KeyObject } from 'node:crypto';
import { splitAddress } from '@weft/contracts/address';
import { WeftError } from '@weft/contracts/error';
import { Identity, type JoinResponse, type MeshInfo } from '@weft/contracts/node';
import {
  createCsr,
  createSvid,
  formatSpiffeId,
  generateKey,
  keyToPem,
  parseJoinToken,
  parseTrust,
  SYSTEM_NAMESPACE,
  verifySvid,
} from '@weft/identity';
import { type Channel, connect, fixedTls } from '@weft/rpc';
import { localAddressTowards } from './address.ts';
import type { AgentIdentity, MeshAddresses } from './identity.ts';
import type { Link } from './link.ts';
import { fetchRoot } from './root.ts';

export interface Wanted {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly now: () => number;
}

export interface JoinOptions extends Wanted {
  /** `host:port`. */
  readonly address: string;
  readonly token: string;
  readonly signal: AbortSignal;
}

/** An address that says no more than "here" is on the machine that was joined at. */
function reachable(address: string, join: string): string {
  const { host, port } = splitAddress(address);
  if (host !== '0.0.0.0' && host !== '::') return address;
  return `${join.slice(0, join.lastIndexOf(':'))}:${port}`;
}

/** The addresses that the mesh tells; of a service without any those that were known. */
export function addressesOf(mesh: MeshInfo, before: MeshAddresses, join: string): MeshAddresses {
  const or = (told: readonly string[], known: readonly string[]) =>
    told.length > 0 ? told.map((address) => reachable(address, join)) : known;
  return {
    ca: or(mesh.caAddresses, before.ca),
    discovery: or(mesh.discoveryAddresses, before.discovery),
    xds: or(mesh.xdsAddresses, before.xds),
    telemetry: or(mesh.telemetryAddresses, before.telemetry),
  };
}

/** Checks what the CA sent as strictly as any peer will, so that a fault shows here. */
function accept(
  response: JoinResponse,
  key: KeyObject,
  wanted: Wanted,
  before: MeshAddresses,
  join: string,
): AgentIdentity {
  const { mesh } = response;
  const nowMs = wanted.now();
  if (!mesh) throw new WeftError('INTERNAL', 'the CA answered without the mesh', { source: 'control-plane' });
  checkClock(response, nowMs);
  const svid = createSvid(response.chain, keyToPem(key));
  const id = verifySvid(svid.chain, { roots: parseTrust(mesh.roots), trustDomain: mesh.trustDomain, nowMs });
  const expected = { ...wanted, trustDomain: mesh.trustDomain };
  if (formatSpiffeId(id) !== formatSpiffeId(expected)) {
    throw new WeftError(
      'INTERNAL',
      `the CA issued a certificate of ${formatSpiffeId(id)} where ${formatSpiffeId(expected)} was asked for`,
      { source: 'control-plane' },
    );
  }
  return {
    trustDomain: mesh.trustDomain,
    namespace: wanted.namespace,
    serviceAccount: wanted.serviceAccount,
    chainPem: svid.chainPem,
    keyPem: svid.keyPem,
    rootsPem: mesh.roots,
    issuedAtMs: nowMs,
    notAfterMs: svid.notAfterMs,
    addresses: addressesOf(mesh, before, join),
    ownAddress: undefined,
  };
}

function checkClock({ notBeforeMs, notAfterMs, nowMs: itsNowMs }: JoinResponse, nowMs: number): void {
  if (nowMs >= notBeforeMs && nowMs < notAfterMs) return;
  const seconds = Math.round(Math.abs(nowMs - itsNowMs) / 1000);
  const direction = nowMs < itsNowMs ? 'behind' : 'ahead of';
  throw new WeftError(
    'FAILED_PRECONDITION',
    `this machine's clock is ${seconds} s ${direction} that of the control plane, and no certificate would be valid here: ` +
      'set the clock, for instance by NTP',
  );
}

/** Exchanges a join token for a certificate. */
export async function joinMesh(options: JoinOptions): Promise<AgentIdentity> {
  const { address, token, namespace, serviceAccount, now, signal } = options;
  const rootPem = await fetchRoot(address, parseJoinToken(token).rootHash);
  const key = generateKey();
  const channel: Channel = connect({
    addresses: [address],
    tls: {
      source: fixedTls({ chainPem: '', keyPem: '', rootsPem: [rootPem] }),
      expect: (server) => server.namespace === SYSTEM_NAMESPACE,
    },
  });
  try {
    const request = { token, namespace, serviceAccount, csr: createCsr(key), nowMs: now() };
    const response = await channel.client(Identity).join(request, { signal });
    const here = [address];
    const before: MeshAddresses = { ca: here, discovery: here, xds: here, telemetry: here };
    return { ...accept(response, key, options, before, address), ownAddress: await localAddressTowards(address) };
  } finally {
    channel.close();
  }
}

/** Exchanges the certificate that `ca` presents for a newer one, of a new key. */
export async function renewIdentity(
  ca: Link,
  current: AgentIdentity,
  join: string,
  now: () => number,
  signal: AbortSignal,
): Promise<AgentIdentity> {
  const key = generateKey();
  const response = await ca.client(Identity).renew({ csr: createCsr(key), nowMs: now() }, { signal });
  return { ...accept(response, key, { ...current, now }, current.addresses, join), ownAddress: current.ownAddress };
}
