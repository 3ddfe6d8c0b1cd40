/**
 * Hosts that are where connections were going before they were redirected here, made when they are first asked for
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/load_balancing/original_dst).
 */
import { isIP } from 'node:net';
import { addressText, type NetworkAddress } from '../../config/core.ts';
import type { Balancer } from '../balancer.ts';
import type { Host } from '../host.ts';
import { NO_CONTEXT, type PickContext } from '../pick-context.ts';
import type { BalancerStats } from './stats.ts';

export interface OriginalDestinationConfig {
  /** The field of a request, in lower case, that may name the address; undefined: none may. */
  readonly header: string | undefined;
  /** In place of the port that the connection was going to. */
  readonly port: number | undefined;
}

/** The hosts of the cluster, which come and go with what is asked for. */
export interface HostKeeper {
  find(key: string): Host | undefined;
  add(address: NetworkAddress): Host;
  remove(hosts: readonly Host[]): void;
}

/** `10.0.0.1:80` or `[::1]:80`; undefined for anything else. */
export function parseAddress(text: string): Extract<NetworkAddress, { type: 'tcp' }> | undefined {
  const found = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = found?.[1] ?? found?.[2] ?? '';
  const port = Number(found?.[3]);
  if (!found || isIP(host) !== (found[1] === undefined ? 4 : 6) || port > 65_535) return undefined;
  return { type: 'tcp', host, port };
}

export class OriginalDestination implements Balancer {
  readonly #config: OriginalDestinationConfig;
  readonly #keeper: HostKeeper;
  readonly #stats: BalancerStats;
  /** Hosts that were asked for since the last {@link sweep}. */
  #used = new Set<Host>();

  constructor(config: OriginalDestinationConfig, keeper: HostKeeper, stats: BalancerStats) {
    this.#config = config;
    this.#keeper = keeper;
    this.#stats = stats;
  }

  update(): void {
    // Its hosts come from requests alone.
  }

  pick(context: PickContext = NO_CONTEXT): Host | undefined {
    const address = this.#fromField(context) ?? parseAddress(context.originalDestination ?? '');
    if (!address) return undefined;
    const wanted: NetworkAddress = { ...address, port: this.#config.port ?? address.port };
    const host = this.#keeper.find(addressText(wanted)) ?? this.#keeper.add(wanted);
    this.#used.add(host);
    return host;
  }

  #fromField(context: PickContext): ReturnType<typeof parseAddress> {
    const { header } = this.#config;
    const given = header === undefined ? undefined : context.requestField(header);
    if (given === undefined) return undefined;
    const address = parseAddress(given);
    if (!address) this.#stats.original_dst_host_invalid++;
    return address;
  }

  /** Lets go of hosts that nobody asked for since the last time, and that have no connections. */
  sweep(hosts: readonly Host[]): void {
    const used = this.#used;
    this.#used = new Set();
    const stale = hosts.filter((host) => !used.has(host) && host.connectionsActive === 0);
    if (stale.length > 0) this.#keeper.remove(stale);
  }
}
