/** What chooses the host for a request, out of all hosts of a cluster. */
import type { HostSet } from './balancing/host-sets.ts';
import type { Host } from './host.ts';
import type { PickContext } from './pick-context.ts';

export interface Balancer {
  /** The host for the next request; undefined where there is none that may take it. */
  pick(context?: PickContext): Host | undefined;
  /**
   * Takes these hosts from now on, by priority. `local`: the proxies of the mesh that balance as this one does (the local
   * cluster), where they are known.
   */
  update(sets: readonly HostSet[], local: HostSet | undefined): void;
}

/** What the runtime says under a name; `otherwise` where it says nothing that is a number. */
export type ReadRuntime = (key: string, otherwise: number) => number;

/** A number from 0 up to, but not including, 1. */
export type Random = () => number;
