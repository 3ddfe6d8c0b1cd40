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
        let large: { readonly resource: unknown; readonly encoded: Uint8Array } | undefined;
        const unwatch = this.#subscriptions.watch(message.source, message.of, message.name, {
          prepare: (resource, encoded) => {
            // Of a view all that is below it would be sent.
            large = { resource, encoded: Uint8Array.from(encoded) };
            return undefined;
          },
          onResource: (resource, version) => {
            const encoded = large?.resource === resource ? large?.encoded : undefined;
            large = undefined;
            if (encoded) this.#send({ type: 'large-resource', id, encoded, version });
            else this.#send({ type: 'resource', id, resource, version });
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
