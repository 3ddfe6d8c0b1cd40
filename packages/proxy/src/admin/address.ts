/** Addresses as the Envoy API writes them. */
import type { Address } from '@weft/envoy-api';
import type { NetworkAddress } from '../config/core.ts';
import { hostOf, portOf } from '../net/address-text.ts';

export function addressMessage(address: NetworkAddress): Address {
  if (address.type === 'unix') return { pipe: { path: address.path } };
  return { socket_address: { address: address.host, port_value: address.port } };
}

/** Of a text as logs and `/listeners` show it: `127.0.0.1:80`, `[::1]:80`, or the path of a socket. */
export function parseAddressText(text: string): NetworkAddress {
  const port = portOf(text);
  return port === undefined ? { type: 'unix', path: text } : { type: 'tcp', host: hostOf(text), port };
}
