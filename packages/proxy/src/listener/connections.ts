/** Numbers connections, and limits how many there are over all listeners. */
import type { BootstrapConfig } from '../config/bootstrap.ts';
import { type Cells, OWN_COUNTS } from '../counts/cells.ts';
import type { ConnectionBudget } from './listener.ts';

const ACTIVE = 0;
const NUMBER = 1;

export class Connections implements ConnectionBudget {
  readonly #limit: number;
  readonly #cells: Cells;

  /** The limit is that of the overload manager's monitor; without one there is none. It holds for all threads together. */
  constructor({ overload_manager: overload }: BootstrapConfig, counts = OWN_COUNTS) {
    this.#cells = counts.cells('connections');
    const limits = (overload?.resource_monitors ?? []).map(
      ({ typed_config }) => typed_config.value.max_active_downstream_connections,
    );
    this.#limit = Math.min(Number.POSITIVE_INFINITY, ...limits);
  }

  get active(): number {
    return this.#cells.get(ACTIVE);
  }

  take(ignoresLimit = false): number | undefined {
    const active = this.#cells.add(ACTIVE, 1);
    // The numbers of connections begin again once they have reached what 32 bits hold.
    if (ignoresLimit || active <= this.#limit) return this.#cells.add(NUMBER, 1) >>> 0;
    this.release();
    return undefined;
  }

  release(): void {
    this.#cells.add(ACTIVE, -1);
  }
}
