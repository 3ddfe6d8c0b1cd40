/** `/listeners`: what is listened on. */
import { addressMessage, parseAddressText } from './address.ts';
import type { AdminListener } from './context.ts';

function active(listeners: Iterable<AdminListener>): readonly AdminListener[] {
  return [...listeners].filter(({ state }) => state === 'active');
}

/** `name::address` lines. */
export function listenersText(listeners: Iterable<AdminListener>): string {
  return active(listeners)
    .map(({ name, address }) => `${name}::${address}\n`)
    .join('');
}

/** `envoy.admin.v3.Listeners`. */
export function listenersJson(listeners: Iterable<AdminListener>): object {
  return {
    listener_statuses: active(listeners).map(({ name, address }) => ({
      name,
      local_address: addressMessage(parseAddressText(address)),
    })),
  };
}
