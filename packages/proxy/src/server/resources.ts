/**
 * What a proxy serves, in the order in which it comes into use: the clusters of the bootstrap, those of the control plane,
 * then listeners (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/operations/init).
 */
import type { AdminListener } from '../admin/context.ts';
import { type CheckedBootstrap, issuesText, requireNoIssues } from '../config/check.ts';
import type { ResourceSource } from '../config/config-source.ts';
import { runtimeResource } from '../config/runtime.ts';
import { type ConfigIssue, Place } from '../config/schema.ts';
import { XdsClient } from '../xds/client.ts';
import { countTimeout } from '../xds/statistics.ts';
import type { CollectionUpdate, ResourceIssue } from '../xds/subscriptions.ts';
import type { Parts } from './parts.ts';

type ResourceParts = Pick<Parts, 'clock' | 'life' | 'log' | 'stats' | 'xds' | 'runtime' | 'clusters' | 'listeners'>;

export class Resources {
  readonly #parts: ResourceParts;
  readonly #checked: CheckedBootstrap;
  readonly #onListening: () => void;
  readonly #refused = new Map<string, AdminListener>();

  /** `onListening`: told once every listener that is known at first was taken. */
  constructor(parts: ResourceParts, checked: CheckedBootstrap, onListening: () => void) {
    this.#parts = parts;
    this.#checked = checked;
    this.#onListening = onListening;
  }

  /** Listeners whose last version cannot be used, by name. */
  get refused(): ReadonlyMap<string, AdminListener> {
    return this.#refused;
  }

  /** Throws `WeftError` INVALID_ARGUMENT with what is wrong with a cluster of the bootstrap. */
  start(): void {
    const { clusters } = this.#parts;
    for (const cluster of this.#checked.clusters) requireNoIssues(clusters.apply(cluster, '', true));
    this.#parts.life.state = 'INITIALIZING';
    const cds = this.#checked.config.dynamic_resources?.cds_config;
    // The control plane may be one of those whose names are still being resolved.
    clusters.whenSettled(() =>
      this.#watchRuntime(() => (cds ? this.#watchClusters(cds) : clusters.whenSettled(() => this.#startListeners()))),
    );
  }

  /** Values that a control plane has, before anything that asks for them is made. */
  #watchRuntime(begin: () => void): void {
    const { runtime, xds } = this.#parts;
    const layers = this.#checked.config.layered_runtime?.layers ?? [];
    const waiting = new Set<string>();
    const arrived = (layer: string) => {
      if (waiting.delete(layer) && waiting.size === 0) begin();
    };
    for (const { name, rtds_layer: rtds } of layers) if (rtds) waiting.add(name);
    if (waiting.size === 0) begin();
    for (const { name, rtds_layer: rtds } of layers) {
      if (!rtds) continue;
      this.#giveUpAfter(rtds.rtds_config.initialFetchTimeoutMs, `values of the runtime layer ${name}`, () =>
        arrived(name),
      );
      xds.watch(rtds.rtds_config, 'runtime', rtds.name, {
        onResource(resource) {
          const place = new Place();
          const { layer = {} } = runtimeResource.parse(resource, place);
          if (place.issues.length > 0) return place.issues;
          runtime.setLayer(name, layer);
          arrived(name);
          return [];
        },
        onRemoved() {
          runtime.setLayer(name, {});
          arrived(name);
        },
      });
    }
  }

  #watchClusters(cds: ResourceSource): void {
    const { clusters, xds } = this.#parts;
    const begin = once(() => clusters.whenSettled(() => this.#startListeners()));
    let isAnswered = false;
    this.#giveUpAfter(cds.initialFetchTimeoutMs, 'clusters', () => {
      if (!isAnswered) this.#countTimeout('cluster');
      begin();
    });
    xds.watchAll(cds, 'cluster', {
      onUpdate: (update) => {
        const issues = takeEach(update, (resource, version) => clusters.apply(resource, version, false));
        for (const name of update.removed) clusters.remove(name);
        isAnswered = true;
        if (!update.isPartial) begin();
        return issues;
      },
    });
  }

  /** Of a thread that gets its resources from another, that one counts. */
  #countTimeout(type: 'cluster' | 'listener'): void {
    const { stats, xds } = this.#parts;
    if (xds instanceof XdsClient) countTimeout(stats, type);
  }

  #giveUpAfter(timeoutMs: number, what: string, giveUp: () => void): void {
    const { clock, life, log } = this.#parts;
    if (timeoutMs <= 0) return;
    clock.after(timeoutMs, () => {
      if (life.state !== 'LIVE') log.warn({}, `no ${what} came within ${timeoutMs} ms; going on without`);
      giveUp();
    });
  }

  #startListeners(): void {
    const { static_resources: own, dynamic_resources: dynamic } = this.#checked.config;
    for (const listener of own?.listeners ?? []) requireNoIssues(this.#parts.listeners.apply(listener, '', true));
    const lds = dynamic?.lds_config;
    if (lds) this.#watchListeners(lds);
    else this.#onListening();
  }

  #watchListeners(lds: ResourceSource): void {
    const begin = once(this.#onListening);
    let isAnswered = false;
    this.#giveUpAfter(lds.initialFetchTimeoutMs, 'listeners', () => {
      if (!isAnswered) this.#countTimeout('listener');
      begin();
    });
    this.#parts.xds.watchAll(lds, 'listener', {
      onUpdate: (update) => {
        isAnswered = true;
        for (const name of update.removed) {
          this.#parts.listeners.remove(name);
          this.#refused.delete(name);
        }
        const issues = takeEach(update, (resource, version, name) => this.#applyListener(resource, version, name));
        begin();
        return issues;
      },
    });
  }

  #applyListener(resource: unknown, version: string, name: string): readonly ConfigIssue[] {
    const { listeners, clock } = this.#parts;
    const issues = listeners.apply(resource, version, false);
    if (issues.length === 0) this.#refused.delete(name);
    else {
      const entry = { name, address: '', resource, version, isStatic: false, updatedMs: clock.wallMs() };
      this.#refused.set(name, { ...entry, state: 'refused', issues: issuesText(issues) });
    }
    return issues;
  }
}

/** Takes every resource of an update that is right; gives what is wrong with the others, by name. */
function takeEach(
  { changed }: CollectionUpdate,
  apply: (resource: unknown, version: string, name: string) => readonly ConfigIssue[],
): readonly ResourceIssue[] {
  return changed.flatMap(({ name, version, resource }) =>
    apply(resource, version, name).map((issue) => ({ name, ...issue })),
  );
}

function once(run: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    run();
  };
}
