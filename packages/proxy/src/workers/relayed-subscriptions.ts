/** A worker's view of the resources that the main thread is sent. */
import type { ResourceType } from '@weft/envoy-api';
import type { ResourceSource } from '../config/config-source.ts';
import { inSlices } from '../slices.ts';
import { readLargeRoutes } from '../xds/large-routes.ts';
import type { CollectionListener, ResourceListener, Subscriptions, Unwatch } from '../xds/subscriptions.ts';
import type { FromWorker, ToWorker } from './messages.ts';

type OfOne = Extract<ToWorker, { type: 'resource' | 'large-resource' | 'removed' }>;

/**
 * Watches through the main thread. What a listener finds wrong goes no further: the main thread looks at the same
 * resource with the same eyes, and tells the control plane.
 */
export class RelayedSubscriptions implements Subscriptions {
  readonly #send: (message: FromWorker) => void;
  readonly #resources = new Map<number, ResourceListener>();
  readonly #collections = new Map<number, CollectionListener>();
  /** What came of a resource while a large one is read, in its order, by the watch. */
  readonly #waiting = new Map<number, OfOne[]>();
  #lastId = 0;

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  watch(source: ResourceSource, of: ResourceType, name: string, listener: ResourceListener): Unwatch {
    const id = ++this.#lastId;
    this.#resources.set(id, listener);
    this.#send({ type: 'watch', id, source, of, name });
    return () => {
      if (this.#resources.delete(id)) this.#send({ type: 'unwatch', id });
    };
  }

  watchAll(source: ResourceSource, of: ResourceType, listener: CollectionListener): Unwatch {
    const id = ++this.#lastId;
    this.#collections.set(id, listener);
    this.#send({ type: 'watch-all', id, source, of });
    return () => {
      if (this.#collections.delete(id)) this.#send({ type: 'unwatch', id });
    };
  }

  /** Takes a message of the main thread that is about resources. */
  take(message: Extract<ToWorker, { type: 'resource' | 'large-resource' | 'removed' | 'update' }>): void {
    if (message.type === 'update') this.#collections.get(message.id)?.onUpdate(message.update);
    else {
      const waiting = this.#waiting.get(message.id);
      if (waiting) waiting.push(message);
      else this.#takeOne(message);
    }
  }

  #takeOne(message: OfOne): void {
    switch (message.type) {
      case 'resource':
        this.#resources.get(message.id)?.onResource(message.resource, message.version);
        return;
      case 'large-resource':
        void this.#takeLarge(message);
        return;
      case 'removed':
        this.#resources.get(message.id)?.onRemoved();
    }
  }

  /** Reads a large resource a part at a time; what comes of it meanwhile waits. */
  async #takeLarge({ id, encoded, version }: Extract<OfOne, { type: 'large-resource' }>): Promise<void> {
    const waiting: OfOne[] = [];
    this.#waiting.set(id, waiting);
    const resource = (await inSlices(readLargeRoutes(encoded)))?.resource;
    const prepare = this.#resources.get(id)?.prepare?.(resource, encoded);
    if (prepare) await inSlices(prepare);
    this.#waiting.delete(id);
    this.#resources.get(id)?.onResource(resource, version);
    for (const message of waiting) this.take(message);
  }

  close(): void {
    this.#resources.clear();
    this.#collections.clear();
  }
}
