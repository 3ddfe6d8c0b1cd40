/** What balancers may ask about a connection that the TCP proxy picks a host for. */
import type { Hash64 } from '../cluster/balancing/hash64.ts';
import type { MetadataMatch } from '../cluster/balancing/metadata-match.ts';
import type { PriorityLoad } from '../cluster/balancing/priority-load.ts';
import type { Host } from '../cluster/host.ts';
import type { PickContext } from '../cluster/pick-context.ts';
import { hashOfAddress } from '../stack/hash-policy.ts';
import type { StreamInfo } from '../stack/stream-info.ts';

/** How often another host is looked for in place of one that could not be connected to. */
const HOST_ATTEMPTS = 16;

/** What the configuration says of which hosts connections are for. */
export interface ConnectionPolicy {
  readonly hashesAddress: boolean;
  readonly metadataMatch: MetadataMatch | undefined;
}

export class ConnectionPick implements PickContext {
  readonly #info: StreamInfo;
  readonly #policy: ConnectionPolicy;
  /** Hosts that could not be connected to. */
  readonly tried: Host[] = [];

  constructor(info: StreamInfo, policy: ConnectionPolicy) {
    this.#info = info;
    this.#policy = policy;
  }

  get hash(): Hash64 | undefined {
    return this.#policy.hashesAddress ? hashOfAddress(this.#info.remoteHost) : undefined;
  }

  get metadataMatch(): MetadataMatch | undefined {
    return this.#policy.metadataMatch;
  }

  get originalDestination(): string | undefined {
    return this.#info.downstream.originalDestination;
  }

  requestField(): undefined {
    return undefined;
  }

  get hostAttempts(): number {
    return this.tried.length === 0 ? 0 : HOST_ATTEMPTS;
  }

  passesOver(host: Host): boolean {
    return this.tried.includes(host);
  }

  priorityLoad(load: PriorityLoad): PriorityLoad {
    return load;
  }
}
