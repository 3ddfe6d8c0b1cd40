/** Chooses the priority, its healthy, degraded or all hosts, the locality among them, and has a picker take one. */
import type { Balancer, Random } from '../balancer.ts';
import type { Host } from '../host.ts';
import { NO_CONTEXT, type PickContext } from '../pick-context.ts';
import type { HostPicker } from './host-picker.ts';
import type { HostSet, LocalityHosts } from './host-sets.ts';
import { localitySchedule, type WeightedLocality } from './locality-schedule.ts';
import { choosePriority, isInPanic, type PriorityLoad, priorityLoad } from './priority-load.ts';
import type { Schedule } from './schedule.ts';
import type { BalancerStats } from './stats.ts';
import {
  chooseLocality,
  NO_ZONE_ROUTING,
  type ZoneAwareConfig,
  type ZoneRouting,
  zoneRouting,
} from './zone-routing.ts';

export interface PriorityBalancerOptions {
  readonly makePicker: () => HostPicker;
  /** A priority with a smaller share of healthy hosts may be in panic. */
  readonly panicPercent: () => number;
  /** Whether localities have shares by their weights; else requests are routed by zone, where that is possible. */
  readonly weighsLocalities: boolean;
  readonly zoneAware: () => ZoneAwareConfig;
  readonly stats: BalancerStats;
  readonly random: Random;
}

type Kind = 'healthy' | 'degraded';

/** The pickers of one priority: they stay while hosts come and go, so that turns go on. Made when first used. */
class PriorityPickers {
  readonly #makePicker: () => HostPicker;
  readonly #pickers = new Map<string, HostPicker>();
  readonly #random: Random;
  #set: HostSet;
  #localitySchedules: Partial<Record<Kind, Schedule<WeightedLocality> | undefined>> = {};
  /** Of localities, by their place in the set. */
  #ofLocalities: Record<Kind, (HostPicker | undefined)[]> = { healthy: [], degraded: [] };

  constructor(set: HostSet, makePicker: () => HostPicker, random: Random) {
    this.#set = set;
    this.#makePicker = makePicker;
    this.#random = random;
  }

  get set(): HostSet {
    return this.#set;
  }

  update(set: HostSet): void {
    this.#set = set;
    this.#localitySchedules = {};
    this.#ofLocalities = { healthy: [], degraded: [] };
    const kept = new Set(set.localities.map(({ key }) => key));
    for (const name of this.#pickers.keys()) {
      if (name.includes('|') && !kept.has(name.slice(name.indexOf('|') + 1))) this.#pickers.delete(name);
    }
  }

  pick(name: 'hosts' | Kind): Host | undefined {
    return pickFrom(this.#picker(name), this.#set[name]);
  }

  pickIn(kind: Kind, index: number): Host | undefined {
    const locality = this.#set.localities[index] as LocalityHosts;
    const pickers = this.#ofLocalities[kind];
    pickers[index] ??= this.#picker(`${kind}|${locality.key}`);
    return pickFrom(pickers[index], locality[kind]);
  }

  #picker(name: string): HostPicker {
    const known = this.#pickers.get(name);
    if (known) return known;
    const made = this.#makePicker();
    this.#pickers.set(name, made);
    return made;
  }

  /** The place of the locality whose turn it is by weight; undefined where there is none with a weight. */
  nextLocality(kind: Kind): number | undefined {
    if (!(kind in this.#localitySchedules)) {
      this.#localitySchedules[kind] = localitySchedule(this.#set, kind, this.#random);
    }
    return this.#localitySchedules[kind]?.next()?.index;
  }
}

function pickFrom(picker: HostPicker, hosts: readonly Host[]): Host | undefined {
  if (picker.hosts !== hosts) picker.update(hosts);
  return picker.pick();
}

export class PriorityBalancer implements Balancer {
  readonly #options: PriorityBalancerOptions;
  readonly #pickers: PriorityPickers[] = [];
  #sets: readonly HostSet[] = [];
  #load: PriorityLoad = { healthy: [100], degraded: [0], panic: [false] };
  /** Where all of the load goes to healthy hosts of one priority: that one; else -1. */
  #only = -1;
  #routing: ZoneRouting = NO_ZONE_ROUTING;
  #isLocalInPanic = false;
  #zoneAware: ZoneAwareConfig;

  constructor(options: PriorityBalancerOptions) {
    this.#options = options;
    this.#zoneAware = options.zoneAware();
  }

  update(sets: readonly HostSet[], local: HostSet | undefined): void {
    const { makePicker, random, stats } = this.#options;
    const panicPercent = this.#options.panicPercent();
    this.#zoneAware = this.#options.zoneAware();
    this.#sets = sets;
    for (const [priority, set] of sets.entries()) {
      const known = this.#pickers[priority];
      if (known) known.update(set);
      else this.#pickers.push(new PriorityPickers(set, makePicker, random));
    }
    this.#pickers.length = sets.length;
    this.#load = priorityLoad(sets, panicPercent);
    this.#only = this.#load.healthy.indexOf(100);
    const [first] = sets;
    this.#routing = local && first ? zoneRouting(first, local, this.#zoneAware, stats) : NO_ZONE_ROUTING;
    this.#isLocalInPanic = local !== undefined && isInPanic(local, panicPercent);
  }

  pick(context: PickContext = NO_CONTEXT): Host | undefined {
    let host = this.#pickOnce(context);
    for (let i = context.hostAttempts; i > 0 && host && context.passesOver(host); i--) host = this.#pickOnce(context);
    return host;
  }

  #pickOnce(context: PickContext): Host | undefined {
    const load = context.priorityLoad(this.#load, this.#sets);
    const isOne = load === this.#load && this.#only !== -1;
    const chosen = isOne ? this.#only : choosePriority(load, this.#options.random() * 100);
    const priority = chosen < 0 ? -1 - chosen : chosen;
    const kind: Kind = chosen < 0 ? 'degraded' : 'healthy';
    const pickers = this.#pickers[priority];
    if (!pickers) return undefined;
    if (this.#load.panic[priority]) {
      this.#options.stats.lb_healthy_panic++;
      return this.#zoneAware.failsOnPanic ? undefined : pickers.pick('hosts');
    }
    return this.#pickByLocality(pickers, kind, priority);
  }

  #pickByLocality(pickers: PriorityPickers, kind: Kind, priority: number): Host | undefined {
    const { weighsLocalities, random, stats } = this.#options;
    const zoneAware = this.#zoneAware;
    if (weighsLocalities) {
      const index = pickers.nextLocality(kind);
      if (index !== undefined) return pickers.pickIn(kind, index);
    }
    const routing = this.#routing;
    if (routing.type === 'off' || priority !== 0) return pickers.pick(kind);
    if (zoneAware.enabledPercent < 100 && random() * 100 >= zoneAware.enabledPercent) return pickers.pick(kind);
    if (this.#isLocalInPanic) {
      stats.lb_local_cluster_not_ok++;
      return zoneAware.failsOnPanic ? undefined : pickers.pick(kind);
    }
    return pickers.pickIn(kind, chooseLocality(routing, random, stats));
  }
}
