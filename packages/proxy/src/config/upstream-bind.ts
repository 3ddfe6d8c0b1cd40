/**
 * Schema of where connections to hosts come from
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/address.proto#config-core-v3-bindconfig).
 */
import { isIP } from 'node:net';
import { type NetworkAddress, socketAddress } from './core.ts';
import { built, list, message, only, optional, required } from './schema.ts';

/** One source of connections: an address of this machine, and a port; 0: any that is free. */
export interface SourceAddress {
  readonly host: string;
  readonly port: number;
  readonly family: 4 | 6;
}

const source = built(socketAddress, ({ address: host, port_value: port = 0 }, place): readonly SourceAddress[] => {
  const family = isIP(host);
  if (family === 4 || family === 6) return [{ host, port, family }];
  place.within('address', () => place.refuse(`${JSON.stringify(host)} is no IP address`));
  return [];
});

const extraSource = message('envoy.config.core.v3.ExtraSourceAddress', { address: required(source) });

/**
 * `envoy.config.core.v3.BindConfig`: the addresses that connections come from, of which one of the host's own family is
 * taken, or else the first. None: the system chooses.
 */
export const upstreamBind = built(
  message(
    'envoy.config.core.v3.BindConfig',
    {
      source_address: optional(source),
      extra_source_addresses: list(extraSource, { max: 1 }),
      freebind: only((given) => given === false, 'false'),
    },
    ({ source_address: first, extra_source_addresses: extra }, place) => {
      if (extra.length === 0) return;
      place.within('extra_source_addresses', () => {
        if (!first?.[0]) place.refuse('needs a source_address beside it');
        else if (extra[0]?.address[0]?.family === first[0].family) {
          place.refuse('must be of the family that the source_address is not');
        }
      });
    },
  ),
  ({ source_address: first, extra_source_addresses: extra }): readonly SourceAddress[] => [
    ...(first ?? []),
    ...extra.flatMap(({ address: more }) => more ?? []),
  ],
);

/** Where a connection to an address comes from; undefined: the system chooses. */
export function sourceFor(sources: readonly SourceAddress[], target: NetworkAddress): SourceAddress | undefined {
  if (sources.length === 0 || target.type === 'unix') return undefined;
  const family = target.host.includes(':') ? 6 : 4;
  return sources.find((one) => one.family === family) ?? sources[0];
}
