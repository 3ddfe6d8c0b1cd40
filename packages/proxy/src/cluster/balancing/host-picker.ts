/** What picks one of a list of hosts that are all as good as another. */
import type { Host } from '../host.ts';

export interface HostPicker {
  /** The list that was given last. */
  readonly hosts: readonly Host[];
  /** The next host; undefined where the list is empty. */
  pick(): Host | undefined;
  /** Takes these hosts from now on. */
  update(hosts: readonly Host[]): void;
}

export const NO_HOSTS: readonly Host[] = [];

/** Whether no host is to get more than another one. */
export function haveOneWeight(hosts: readonly Host[]): boolean {
  const weight = hosts[0]?.endpoint.weight;
  for (const { endpoint } of hosts) if (endpoint.weight !== weight) return false;
  return true;
}
