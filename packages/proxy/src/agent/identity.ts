/** Who the workload is: its certificate and key, whom it trusts, and where the control plane is. Kept between runs. */
import { createSvid } from '@weft/identity';
import type { AgentFolder } from './folder.ts';

/** Where instances of each service are reached, `host:port`. */
export interface MeshAddresses {
  readonly ca: readonly string[];
  readonly discovery: readonly string[];
  readonly xds: readonly string[];
  readonly telemetry: readonly string[];
}

export interface AgentIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** PEM, the leaf first. */
  readonly chainPem: string;
  readonly keyPem: string;
  /** PEM, the newest first. */
  readonly rootsPem: readonly string[];
  /** By this machine's clock. */
  readonly issuedAtMs: number;
  readonly notAfterMs: number;
  readonly addresses: MeshAddresses;
  /** The address of this machine that reached the control plane last. */
  readonly ownAddress: string | undefined;
}

const FILE = 'identity.json';

interface Kept extends AgentIdentity {
  readonly format: number;
}

const FORMAT = 1;

function parse(content: Buffer): Kept | undefined {
  try {
    const kept = JSON.parse(content.toString()) as Kept;
    // Throws when the certificate is damaged, or the key is another's.
    createSvid(kept.chainPem, kept.keyPem);
    return kept.format === FORMAT ? kept : undefined;
  } catch {
    // Nothing to go on from: the agent joins again.
    return undefined;
  }
}

/** What was kept of that workload; undefined when there is nothing that can be used. It may have expired. */
export function readIdentity(
  folder: AgentFolder,
  expected: Pick<AgentIdentity, 'namespace' | 'serviceAccount'>,
): AgentIdentity | undefined {
  const content = folder.read(FILE);
  const kept = content && parse(content);
  if (kept?.namespace !== expected.namespace || kept.serviceAccount !== expected.serviceAccount) return undefined;
  return kept;
}

export function writeIdentity(folder: AgentFolder, identity: AgentIdentity): void {
  folder.write(FILE, `${JSON.stringify({ format: FORMAT, ...identity }, undefined, 2)}\n`);
}
