/** Events over NATS: published on `weft.event.<name>`, to whoever listens. */
import type { EventContract } from '@weft/contracts/bus';
import { checkSize } from '../checks.ts';
import type { BusLog } from '../log-sink.ts';
import { onAbort } from '../wakeup.ts';
import { RequestFailure } from './failure.ts';
import type { Link } from './link.ts';

const FLUSH_MS = 10_000;

export class Events {
  readonly #link: Link;
  readonly #log: BusLog;

  constructor(link: Link, log: BusLog) {
    this.#link = link;
    this.#log = log;
  }

  publish<T>(contract: EventContract<T>, value: T): void {
    const data = contract.value.encode(value);
    checkSize(`the event ${contract.name}`, data.length, this.#link.maxPayloadBytes, 'the NATS server');
    // An event that nobody can be told of now is lost, and no reason to fail.
    if (this.#link.trouble() === undefined) this.#link.connection.publish(`weft.event.${contract.name}`, data);
  }

  async subscribe<T>(contract: EventContract<T>, listener: (value: T) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const subscription = this.#link.connection.subscribe(`weft.event.${contract.name}`, {
      callback: (error, message) => {
        if (error || signal.aborted) return;
        try {
          listener(contract.value.decode(message.data));
        } catch (thrown) {
          this.#log.warn({ err: thrown, event: contract.name }, `a listener to the event ${contract.name} failed`);
        }
      },
    });
    onAbort(signal, () => {
      if (!this.#link.connection.isClosed()) subscription.unsubscribe();
    });
    await this.#link.flush(FLUSH_MS).catch((thrown: unknown) => {
      // Without a connection it listens as soon as there is one.
      if (!(thrown instanceof RequestFailure) || thrown.kind === 'closed') throw thrown;
    });
  }
}
