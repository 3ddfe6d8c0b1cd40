/**
 * All listeners, by name: made, warmed, bound, replaced and removed. A listener that changes keeps its socket, and the
 * filter chains that did not change keep their connections
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/lds).
 */
import { toWeftError } from '@weft/contracts/error';
import { addressText, type NetworkAddress } from '../config/core.ts';
import {
  type FilterChainConfig,
  type ListenerConfig,
  listenerFiltersOf,
  listener as listenerSchema,
} from '../config/listener.ts';
import { checkListenerClusters, type KnowsCluster } from '../config/route-clusters.ts';
import { type ConfigIssue, Place } from '../config/schema.ts';
import { checkSecrets } from '../config/secret-references.ts';
import type { Log } from '../log.ts';
import { ListenerManagerStats, ListenerStats } from '../stats/groups.ts';
import { statName } from '../stats/registry.ts';
import { Warming } from '../warming.ts';
import type { Acceptor } from './acceptor.ts';
import { addressesOf, boundText, fixedAddresses, resourceName } from './addresses.ts';
import { Chain, type ChainContext, type TrafficDirection } from './chain.ts';
import { makePipeline } from './filters/pipeline.ts';
import { FoundPorts } from './found-ports.ts';
import type { ListeningSocket } from './inherited.ts';
import { type ConnectionBudget, Listener } from './listener.ts';
import { type BindOptions, bindAll, closeNew, newSlot, type Slot } from './slot.ts';

export interface ListenerManagerOptions extends ChainContext, Omit<BindOptions, 'ports'> {
  readonly budget: ConnectionBudget;
  readonly log: Log;
  /** How long connections of a listener that is gone may go on. */
  readonly drainMs: number;
  /** Which clusters there are, also such as do not serve yet; undefined: routes may name any. */
  readonly knowsCluster?: KnowsCluster;
  /** Told when nothing is warming or waiting for its address. */
  readonly onSettled: () => void;
  /** Told when the address of one of the bootstrap's listeners cannot be had; it is tried again all the same. */
  readonly onStaticTrouble: (message: string) => void;
}

/** How often an address that something else has is tried again. */
const BIND_RETRY_MS = 1000;

/** A listener as it stands, for those who show it. */
export interface ListenerView {
  readonly name: string;
  /** Undefined where it is not bound. */
  readonly address: NetworkAddress | undefined;
  readonly listener: Listener;
  readonly state: 'active' | 'warming' | 'draining';
  readonly trouble: string | undefined;
}

export class ListenerManager {
  readonly #options: ListenerManagerOptions;
  readonly #slots = new Map<string, Slot>();
  /** Removed in this turn of the event loop: what comes with the same address in the same update goes on from there. */
  readonly #leaving: { readonly name: string; readonly slot: Slot }[] = [];
  readonly #ports: FoundPorts;
  readonly #draining = new Set<{ readonly name: string; readonly listener: Listener }>();
  readonly stats: ListenerManagerStats;
  /** Whether another process listens at the same paths: they stay when this one closes. */
  keepsPaths = false;
  #isClosed = false;

  constructor(options: ListenerManagerOptions) {
    this.#options = options;
    this.#ports = new FoundPorts(options.counts, options.clock);
    this.stats = options.stats.share('listener_manager.', 'listener_manager_', {}, () => new ListenerManagerStats());
    options.stats.onRead(() => {
      const slots = [...this.#slots.values()];
      this.stats.total_listeners_active = slots.filter(({ active }) => active).length;
      this.stats.total_listeners_warming = slots.filter(({ warming }) => warming).length;
      this.stats.total_listeners_draining = this.#draining.size;
    });
  }

  /** Takes a listener, in place of one of the same name once it is warm. Gives what is wrong with it. */
  apply(resource: unknown, version: string, isStatic: boolean): readonly ConfigIssue[] {
    const place = new Place('', `listener ${resourceName(resource)}`);
    const config = listenerSchema.parse(resource, place);
    checkSecrets(resource, (name) => this.#options.secrets.isStatic(name), place);
    const name = config.name === '' ? addressText(config.address) : config.name;
    const slot = this.#slots.get(name);
    const known = slot?.warming ?? slot?.active;
    if (known?.isStatic && !isStatic) place.refuse(`the listener ${name} is one of the bootstrap's own`);
    if (place.issues.length === 0) this.#checkAddress(name, config, place);
    const { knowsCluster } = this.#options;
    if (knowsCluster && place.issues.length === 0) checkListenerClusters(config, knowsCluster, place);
    if (place.issues.length > 0) return place.issues;
    if (known && JSON.stringify(known.resource) === JSON.stringify(resource)) return [];
    if (known) this.stats.listener_modified++;
    else this.stats.listener_added++;
    this.#begin(name, config, { resource, version, isStatic });
    return [];
  }

  /** Two listeners cannot have one address. */
  #checkAddress(name: string, config: ListenerConfig, place: Place): void {
    const wanted = new Set(fixedAddresses(config));
    for (const [other, slot] of this.#slots) {
      const known = (slot.warming ?? slot.active)?.config;
      if (other === name || !known) continue;
      for (const text of fixedAddresses(known)) {
        if (!wanted.has(text)) continue;
        place.within('address', () => place.refuse(`${text} is that of the listener ${other} already`));
      }
    }
  }

  /** The listener of an address; where there is none, that of the same port of all addresses. */
  #findListener(host: string, port: number): Listener | undefined {
    let wide: Listener | undefined;
    for (const { active } of this.#slots.values()) {
      if (!active) continue;
      for (const address of addressesOf(active.config)) {
        if (address.type !== 'tcp' || address.port !== port) continue;
        if (address.host === host) return active;
        if (address.host === (host.includes(':') ? '::' : '0.0.0.0')) wide ??= active;
      }
    }
    return wide;
  }

  #begin(
    name: string,
    config: ListenerConfig,
    origin: { readonly resource: unknown; readonly version: string; readonly isStatic: boolean },
  ): void {
    const { clock, budget, stats, logs } = this.#options;
    const slot = this.#slots.get(name) ?? newSlot();
    if (!this.#slots.has(name)) this.#succeed(slot, config);
    this.#slots.set(name, slot);
    const warming = new Warming(clock, () => this.#warmed(name, slot, listener));
    const statPrefix = statName(config.stat_prefix === '' ? addressText(config.address) : config.stat_prefix);
    const { chains, defaultChain } = this.#chains(config, origin.resource, statPrefix, slot.active, warming);
    const listener: Listener = new Listener({
      ...origin,
      config,
      chains,
      defaultChain,
      pipeline: makePipeline(listenerFiltersOf(config), { stats, warming }),
      findListener: (host, port) => this.#findListener(host, port),
      stats: stats.share(
        `listener.${statPrefix}.`,
        'listener_',
        { envoy_listener_address: statPrefix },
        () => new ListenerStats(),
      ),
      budget,
      logs: logs.connections(config.access_log),
      warming,
      clock,
    });
    slot.warming?.release(0, () => undefined);
    slot.warming = listener;
    warming.start();
  }

  /**
   * Has a new listener take the place of one that is removed in the same update, where they have an address in common: the
   * one before serves until the new one is warm, and nobody is refused in between.
   */
  #succeed(slot: Slot, config: ListenerConfig): void {
    const wanted = new Set(config.bind_to_port ? fixedAddresses(config) : []);
    for (const { slot: before } of this.#leaving) {
      const { active, acceptors, isBinding } = before;
      if (!active || isBinding || acceptors.length === 0) continue;
      if (!fixedAddresses(active.config).some((text) => wanted.has(text))) continue;
      slot.active = active;
      slot.acceptors = acceptors;
      before.active = undefined;
      before.acceptors = [];
      return;
    }
  }

  /** The chains of a listener; those that the one before has already are taken from it, with their connections. */
  #chains(
    config: ListenerConfig,
    resource: unknown,
    statPrefix: string,
    before: Listener | undefined,
    warming: Warming,
  ): { readonly chains: ReadonlyMap<string, Chain>; readonly defaultChain: Chain | undefined } {
    const given = resource as { readonly filter_chains?: readonly unknown[]; readonly default_filter_chain?: unknown };
    const { traffic_direction, per_connection_buffer_limit_bytes, address, drain_type } = config;
    const shared = [traffic_direction, per_connection_buffer_limit_bytes, address, statPrefix, drain_type];
    const chains = new Map<string, Chain>();
    const make = (chainConfig: FilterChainConfig, source: unknown): Chain => {
      const key = JSON.stringify([source, shared]);
      const kept = before?.chains.get(key)?.retain();
      const chain = kept ?? new Chain(chainConfig, { listener: config, statPrefix }, warming, this.#options);
      chains.set(chains.has(key) ? `${key} ${chains.size}` : key, chain);
      return chain;
    };
    for (const [index, chain] of config.filter_chains.entries()) make(chain, given.filter_chains?.[index]);
    const fallback = config.default_filter_chain;
    return { chains, defaultChain: fallback && make(fallback, ['default', given.default_filter_chain]) };
  }

  #warmed(name: string, slot: Slot, listener: Listener): void {
    if (slot.warming !== listener || this.#isClosed) return;
    const { active, acceptors } = slot;
    const isSameAddress = active && boundText(active.config) === boundText(listener.config);
    if (!listener.config.bind_to_port || (acceptors.length > 0 && isSameAddress)) {
      this.#activate(name, slot, listener, listener.config.bind_to_port ? acceptors : []);
      return;
    }
    void this.#bind(name, slot);
  }

  /** Binds the address of whatever is warm in a slot; tries again while something else has it. */
  async #bind(name: string, slot: Slot): Promise<void> {
    if (slot.isBinding) return;
    const listener = slot.warming;
    if (!listener) return;
    slot.isBinding = true;
    slot.cancelRetry();
    const acceptors = await this.#tryBind(name, slot, listener.config);
    slot.isBinding = false;
    const isWanted = !this.#isClosed && !slot.isRemoved;
    if (acceptors && isWanted && slot.warming === listener) this.#activate(name, slot, listener, acceptors);
    else {
      closeNew(slot, acceptors ?? []);
      // Meanwhile another version came, or the address was not to be had.
      if (isWanted && slot.warming?.warming.isWarm) this.#bindLater(name, slot, acceptors ? 0 : BIND_RETRY_MS);
    }
  }

  /** Binds every address of a listener; undefined where one cannot be had, and then none of them is kept. */
  async #tryBind(name: string, slot: Slot, config: ListenerConfig): Promise<readonly Acceptor[] | undefined> {
    try {
      const acceptors = await bindAll(name, slot, config, { ...this.#options, ports: this.#ports });
      this.stats.listener_create_success++;
      return acceptors;
    } catch (thrown) {
      this.stats.listener_create_failure++;
      const { message } = toWeftError(thrown);
      if (slot.trouble !== message) this.#options.log.error({ listener: name }, `${message}; it is tried again`);
      slot.trouble = message;
      if (slot.warming?.isStatic) this.#options.onStaticTrouble(message);
      return undefined;
    }
  }

  #bindLater(name: string, slot: Slot, delayMs: number): void {
    slot.cancelRetry = this.#options.clock.after(delayMs, () => void this.#bind(name, slot));
  }

  #activate(name: string, slot: Slot, listener: Listener, acceptors: readonly Acceptor[]): void {
    const { active, acceptors: acceptorsBefore } = slot;
    for (const acceptor of acceptors) acceptor.serve((socket) => listener.accept(socket));
    slot.acceptors = acceptors;
    slot.active = listener;
    slot.warming = undefined;
    slot.trouble = undefined;
    for (const acceptor of acceptorsBefore) if (!acceptors.includes(acceptor)) acceptor.close(this.keepsPaths);
    if (active) this.#retire(name, active);
    this.#checkSettled();
  }

  #retire(name: string, listener: Listener): void {
    const entry = { name, listener };
    this.#draining.add(entry);
    listener.release(this.#options.drainMs, () => this.#draining.delete(entry));
  }

  /** Lets go of a listener: its address is free after this turn, what runs on it ends by itself. Those of the bootstrap stay. */
  remove(name: string): void {
    const slot = this.#slots.get(name);
    if (!slot || (slot.active ?? slot.warming)?.isStatic) return;
    this.#slots.delete(name);
    this.#ports.forget(name);
    this.stats.listener_removed++;
    slot.isRemoved = true;
    slot.cancelRetry();
    slot.warming?.release(0, () => undefined);
    slot.warming = undefined;
    if (this.#leaving.push({ name, slot }) === 1) queueMicrotask(() => this.#letGo());
    this.#checkSettled();
  }

  #letGo(): void {
    for (const { name, slot } of this.#leaving.splice(0)) {
      this.#closeAll(slot);
      if (slot.active) this.#retire(name, slot.active);
    }
  }

  #checkSettled(): void {
    if (this.isSettled) this.#options.onSettled();
  }

  /** Whether every listener is warm and bound. */
  get isSettled(): boolean {
    for (const { warming } of this.#slots.values()) if (warming) return false;
    return true;
  }

  /** Why a listener is not there, in a sentence each. */
  get troubles(): readonly string[] {
    return [...this.#slots.values()].flatMap(({ trouble }) => trouble ?? []);
  }

  #closeAll(slot: Slot): void {
    for (const acceptor of slot.acceptors) acceptor.close(this.keepsPaths);
    slot.acceptors = [];
  }

  /** The sockets that listen, for a process that takes over. */
  sockets(): readonly ListeningSocket[] {
    // Of what was found for port 0 the first thread's socket is enough: others are bound to where it is.
    const isOthers = (address: NetworkAddress) =>
      this.#options.share === 'other' && address.type === 'tcp' && address.port === 0;
    return [...this.#slots.values()].flatMap(({ active, acceptors }) => {
      const addresses = active ? addressesOf(active.config) : [];
      return acceptors.flatMap(({ descriptors }, index) => {
        const address = addresses[index];
        return address && !isOthers(address)
          ? descriptors.map((descriptor) => ({ address: addressText(address), descriptor }))
          : [];
      });
    });
  }

  *views(): Generator<ListenerView> {
    for (const [name, { active, warming, acceptors, trouble }] of this.#slots) {
      if (active) yield { name, address: acceptors[0]?.address, listener: active, state: 'active', trouble };
      if (warming) yield { name, address: undefined, listener: warming, state: 'warming', trouble };
    }
    for (const { name, listener } of this.#draining) {
      yield { name, address: undefined, listener, state: 'draining', trouble: undefined };
    }
  }

  *#chainsOf(applies: (direction: TrafficDirection) => boolean): Generator<Chain> {
    for (const { listener } of this.views()) {
      for (const chain of listener.chains.values()) if (applies(chain.direction)) yield chain;
    }
  }

  /** Requests and TCP connections that are being served, by chains of some direction. */
  active(applies: (direction: TrafficDirection) => boolean = () => true): number {
    return [...new Set(this.#chainsOf(applies))].reduce((total, chain) => total + chain.active, 0);
  }

  /** Requests and TCP connections that were ever begun. */
  served(applies: (direction: TrafficDirection) => boolean = () => true): number {
    return [...new Set(this.#chainsOf(applies))].reduce((total, chain) => total + chain.total, 0);
  }

  connections(applies: (direction: TrafficDirection) => boolean = () => true): number {
    return [...new Set(this.#chainsOf(applies))].reduce((total, chain) => total + chain.connections, 0);
  }

  /** Connections that still shake hands, or whose chain is not known. */
  opening(applies: (direction: TrafficDirection) => boolean = () => true): number {
    let total = 0;
    for (const { listener } of this.views()) if (applies(listener.config.traffic_direction)) total += listener.opening;
    return total;
  }

  /** Closes idle connections now, those that still shake hands among them, and the others after what they serve. */
  drain(applies: (direction: TrafficDirection) => boolean = () => true): void {
    for (const { listener } of this.views()) {
      if (applies(listener.config.traffic_direction)) listener.dropOpening();
    }
    for (const chain of this.#chainsOf(applies)) chain.drain();
  }

  /** Takes no more connections on listeners of some direction. */
  async stopListening(applies: (direction: TrafficDirection) => boolean = () => true): Promise<void> {
    const closing: Promise<void>[] = [];
    for (const slot of this.#slots.values()) {
      if (!slot.active || !applies(slot.active.config.traffic_direction)) continue;
      for (const acceptor of slot.acceptors) closing.push(acceptor.closeOnceEmpty(() => this.keepsPaths));
      slot.acceptors = [];
      this.stats.listener_stopped++;
    }
    await Promise.all(closing);
  }

  /** Ends everything now. */
  close(): void {
    this.#isClosed = true;
    this.#letGo();
    for (const slot of this.#slots.values()) {
      slot.cancelRetry();
      this.#closeAll(slot);
      slot.active?.destroy();
      slot.warming?.destroy();
    }
    for (const { listener } of this.#draining) listener.destroy();
    this.#slots.clear();
    this.#draining.clear();
  }
}
