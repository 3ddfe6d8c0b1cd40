/** Serves the last known good configuration to a data plane that starts while no xds-server can be reached. */
import { DeltaRequest, DeltaResponse, ResourceHead, Subscription } from './delta.ts';
import type { Resources } from './last-good.ts';

/** The delta protocol over resources that never change: each is sent once, when it is subscribed to. */
export class LastGoodServer {
  readonly #resources: Resources;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #sent = new Map<string, Set<string>>();
  #nonce = 0;

  constructor(resources: Resources) {
    this.#resources = resources;
  }

  /** The encoded response to an encoded request, where there is one to give. */
  answer(bytes: Uint8Array): Buffer | undefined {
    const request = DeltaRequest.decode(bytes);
    const { typeUrl } = request;
    const isFirst = !this.#subscriptions.has(typeUrl);
    const subscription = this.#subscriptions.get(typeUrl) ?? new Subscription();
    this.#subscriptions.set(typeUrl, subscription);
    const added = subscription.update(request);
    if (!isFirst && added.length === 0) return undefined;
    const sent = this.#sent.get(typeUrl) ?? new Set<string>();
    this.#sent.set(typeUrl, sent);
    // What is subscribed to again is sent again.
    for (const name of added) sent.delete(name);
    const known = this.#resources.get(typeUrl) ?? new Map<string, Uint8Array>();
    const resources: Uint8Array[] = [];
    for (const [name, resource] of known) {
      if (!subscription.wants(name) || sent.has(name)) continue;
      sent.add(name);
      if (request.initialResourceVersions[name] !== ResourceHead.decode(resource).version) resources.push(resource);
    }
    return DeltaResponse.encode({
      systemVersionInfo: 'last-known-good',
      resources,
      typeUrl,
      nonce: `last-known-good-${++this.#nonce}`,
      removedResources: added.filter((name) => name !== '*' && !known.has(name)),
    });
  }
}
