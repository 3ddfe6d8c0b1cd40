/** The addresses of listeners. */
import { addressText, type NetworkAddress } from '../config/core.ts';
import type { ListenerConfig } from '../config/listener.ts';
import { socketOptionsOf } from './socket-options.ts';

/** The addresses of a listener, its own first. */
export function addressesOf({ address, additional_addresses: more }: ListenerConfig): readonly NetworkAddress[] {
  return [address, ...more.map((one) => one.address)];
}

/** Those that are not of whatever port is free; listeners that are bound and others do not get into each other's way. */
export function fixedAddresses(config: ListenerConfig): readonly string[] {
  const fixed = addressesOf(config).filter((address) => address?.type === 'unix' || address?.port !== 0);
  return fixed.map((address) => `${config.bind_to_port ? '' : 'virtual '}${addressText(address)}`);
}

/** What a listener is bound to, and what its sockets are told. */
export function boundText(config: ListenerConfig): string {
  if (!config.bind_to_port) return '';
  return addressesOf(config)
    .map((address) => `${addressText(address)} ${JSON.stringify(socketOptionsOf(config, address))}`)
    .join();
}

/** Of a listener: its name, or its address where it has none. */
export function resourceName(resource: unknown): string {
  const { name, address } = resource as { readonly name?: unknown; readonly address?: unknown };
  return typeof name === 'string' && name !== '' ? name : JSON.stringify(address);
}
