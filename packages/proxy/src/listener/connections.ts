/** Numbers connections, and limits how many there are over all listeners. */
import type { BootstrapConfig } from '../config/bootstrap.ts';
import type { ConnectionBudget } from './listener.ts';

export class Connections implements ConnectionBudget {
  readonly #limit: number;
  #total = 0;
  active = 0;

  /** The limit is that of the overload manager's monitor; without one there is none. */
  constructor({ overload_manager: overload }: BootstrapConfig) {
    const limits = (overload?.resource_monitors ?? []).map(
      ({ typed_config }) => typed_config.value.max_active_downstream_connections,
    );
    this.#limit = Math.min(Number.POSITIVE_INFINITY, ...limits);
  }

  take(): number | undefined {
    if (this.active >= this.#limit) return undefined;
    this.active++;
    return ++this.#total;
  }

  release(): void {
    this.active--;
  }
}
