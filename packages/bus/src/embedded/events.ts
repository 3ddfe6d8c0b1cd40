/** Events inside one process, each listener with values of its own, on a later turn of the event loop, in order. */
import type { EventContract } from '@weft/contracts/bus';
import { checkSize } from '../checks.ts';
import type { BusLog } from '../log-sink.ts';
import { onAbort } from '../wakeup.ts';
import { LIMIT_BYTES } from './limit.ts';

export class Events {
  readonly #listeners = new Map<string, Set<(bytes: Uint8Array) => void>>();
  readonly #log: BusLog;
  #isClosed = false;

  constructor(log: BusLog) {
    this.#log = log;
  }

  publish<T>(contract: EventContract<T>, value: T): void {
    const bytes = contract.value.encode(value);
    checkSize(`the event ${contract.name}`, bytes.length, LIMIT_BYTES, 'the embedded bus');
    const listeners = this.#listeners.get(contract.name);
    if (!listeners || this.#isClosed) return;
    setImmediate(() => {
      for (const listener of listeners) listener(bytes);
    });
  }

  subscribe<T>(contract: EventContract<T>, listener: (value: T) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    const raw = (bytes: Uint8Array): void => {
      try {
        listener(contract.value.decode(bytes));
      } catch (error) {
        this.#log.warn({ err: error, event: contract.name }, `a listener to the event ${contract.name} failed`);
      }
    };
    const listeners = this.#listeners.get(contract.name) ?? new Set();
    this.#listeners.set(contract.name, listeners.add(raw));
    onAbort(signal, () => listeners.delete(raw));
  }

  close(): void {
    this.#isClosed = true;
    for (const listeners of this.#listeners.values()) listeners.clear();
  }
}
