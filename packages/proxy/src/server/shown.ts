/** Listeners and routes as the admin interface shows them. */
import type { AdminListener, AdminRoutes } from '../admin/context.ts';
import { addressText } from '../config/core.ts';
import type { ListenerManager } from '../listener/manager.ts';
import type { RouteStore } from '../listener/routes.ts';

/** Every listener in each of its states; `refused`: what the control plane sent last and cannot be used, by name. */
export function* shownListeners(
  listeners: ListenerManager,
  refused: ReadonlyMap<string, AdminListener>,
): Generator<AdminListener> {
  const known = new Set<string>();
  for (const { name, address, listener, state, trouble } of listeners.views()) {
    known.add(name);
    const { resource, version, isStatic, updatedMs, warming } = listener;
    const issues = trouble ?? refused.get(name)?.issues;
    yield {
      name,
      address: address === undefined ? '' : addressText(address),
      resource,
      version,
      isStatic,
      updatedMs,
      state,
      missing: warming.missing,
      ...(issues === undefined ? {} : { issues }),
    };
  }
  for (const entry of refused.values()) if (!known.has(entry.name)) yield entry;
}

/** Every route configuration that is in use: those that were sent, and those that stand in a listener itself. */
export function* shownRoutes(routes: RouteStore, listeners: ListenerManager): Generator<AdminRoutes> {
  for (const entry of routes.all()) yield { ...entry, isStatic: false };
  for (const { listener } of listeners.views()) {
    for (const { resource, name } of inlineRoutes(listener.resource)) {
      yield { name, resource, version: '', updatedMs: listener.updatedMs, isStatic: true };
    }
  }
}

function* inlineRoutes(listener: unknown): Generator<{ readonly name: string; readonly resource: unknown }> {
  const { filter_chains = [] } = listener as {
    readonly filter_chains?: readonly {
      readonly filters?: readonly { readonly typed_config?: { readonly route_config?: { readonly name?: string } } }[];
    }[];
  };
  for (const { filters = [] } of filter_chains) {
    for (const { typed_config } of filters) {
      const routes = typed_config?.route_config;
      if (routes) yield { name: routes.name ?? '', resource: routes };
    }
  }
}
