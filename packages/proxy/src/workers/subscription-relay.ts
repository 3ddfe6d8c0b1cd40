/** The main thread's side of what a worker watches. */
import type { Subscriptions, Unwatch } from '../xds/subscriptions.ts';
import type { FromWorker, ToWorker } from './messages.ts';

type WatchMessage = Extract<FromWorker, { type: 'watch' | 'watch-all' | 'unwatch' }>;

export class SubscriptionRelay {
  readonly #subscriptions: Subscriptions;
  readonly #send: (message: ToWorker) => void;
  readonly #watched = new Map<number, Unwatch>();

  constructor(subscriptions: Subscriptions, send: (message: ToWorker) => void) {
    this.#subscriptions = subscriptions;
    this.#send = send;
  }

  take(message: WatchMessage): void {
    const { id } = message;
    switch (message.type) {
      case 'watch': {
        const unwatch = this.#subscriptions.watch(message.source, message.of, message.name, {
          onResource: (resource, version) => {
            this.#send({ type: 'resource', id, resource, version });
            return [];
          },
          onRemoved: () => this.#send({ type: 'removed', id }),
        });
        this.#watched.set(id, unwatch);
        return;
      }
      case 'watch-all': {
        const unwatch = this.#subscriptions.watchAll(message.source, message.of, {
          onUpdate: (update) => {
            this.#send({ type: 'update', id, update });
            return [];
          },
        });
        this.#watched.set(id, unwatch);
        return;
      }
      case 'unwatch':
        this.#watched.get(id)?.();
        this.#watched.delete(id);
    }
  }

  close(): void {
    for (const unwatch of this.#watched.values()) unwatch();
    this.#watched.clear();
  }
}
