/** The instances of the control plane's services: each tells that it is there, all see who is. */
import type { Bus } from '@weft/bus';
import { type Instance, states } from '@weft/contracts/bus';
import { type Clock, SERVICE_NAMES, type ServiceName } from './types.ts';

/** An instance that was not heard of for this long is gone. */
export const INSTANCE_GONE_MS = 15_000;
/** How often an instance tells that it is there. */
export const INSTANCE_REFRESH_MS = 5000;

interface Seen {
  readonly instance: Instance;
  /** By the clock of this process, so that clocks of other machines do not matter. */
  readonly atMs: number;
}

/** A live view of the instances. */
export interface InstanceDirectory {
  /** Those that were heard of lately, in order of service and id. */
  all(): readonly Instance[];
  /** Whether all that stood on the bus has been read. */
  isSynced(): boolean;
  /** The addresses of the ready ones of a service; of none ready, of all. */
  addresses(service: ServiceName): readonly string[];
  /** Calls `listener` after each change of an address or of readiness, and once all is read, until `signal` aborts. */
  onChange(listener: () => void, signal: AbortSignal): void;
  /** Follows the bus until `signal` aborts; throws what the watch throws. */
  follow(signal: AbortSignal): Promise<void>;
}

function isSameToReaders(some: Instance, other: Instance): boolean {
  return some.address === other.address && some.notReadyBecause === other.notReadyBecause;
}

/** An {@link InstanceDirectory} over `states.instances`; empty until `follow` has run. */
export function instanceDirectory(bus: Bus, clock: Clock): InstanceDirectory {
  const seen = new Map<string, Seen>();
  const listeners = new Set<() => void>();
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  let synced = false;
  const all = (): readonly Instance[] =>
    [...seen.values()]
      .filter(({ atMs }) => clock.now() - atMs < INSTANCE_GONE_MS)
      .map(({ instance }) => instance)
      .sort((a, b) => order(a) - order(b) || a.id.localeCompare(b.id));
  const take = (key: string, instance: Instance | undefined): void => {
    const before = seen.get(key)?.instance;
    // Of what stood there already only the writer's clock tells how old it is.
    const nowMs = clock.now();
    if (instance) seen.set(key, { instance, atMs: synced ? nowMs : Math.min(nowMs, instance.seenAtMs) });
    else seen.delete(key);
    if (!before || !instance || !isSameToReaders(before, instance)) tell();
  };
  return {
    all,
    isSynced: () => synced,
    addresses(service) {
      const alive = all().filter((instance) => instance.service === service && instance.address !== '');
      const ready = alive.filter(({ notReadyBecause }) => notReadyBecause === '');
      return [...new Set((ready.length > 0 ? ready : alive).map(({ address }) => address))];
    },
    onChange(listener, signal) {
      listeners.add(listener);
      signal.addEventListener('abort', () => listeners.delete(listener), { once: true });
    },
    async follow(signal) {
      for await (const event of bus.state(states.instances).watch(signal)) {
        if (event.type === 'put') take(event.key, event.value);
        else if (event.type === 'delete') take(event.key, undefined);
        else {
          synced = true;
          tell();
        }
      }
    },
  };
}

function order(instance: Instance): number {
  const names: readonly string[] = SERVICE_NAMES;
  return names.indexOf(instance.service);
}

export function instanceKey(service: ServiceName, instanceId: string): string {
  return `${service}/${instanceId}`;
}
