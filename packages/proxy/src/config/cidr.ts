/** Schema of ranges of addresses. */
import { type IpRange, ipRange, NO_ADDRESSES } from '../net/cidr.ts';
import { built, message, name, number, type Schema } from './schema.ts';

/** `prefix_len` is 0, all addresses of the family, where it is not given: as Envoy has it. */
export const cidrRange: Schema<IpRange> = built(
  message('envoy.config.core.v3.CidrRange', { address_prefix: name(), prefix_len: number(0, { max: 128 }) }),
  ({ address_prefix, prefix_len }, place) => {
    const range = ipRange(address_prefix, prefix_len);
    if (range) return range;
    if (address_prefix !== '') {
      place.within('address_prefix', () => place.refuse(`${address_prefix} is not an IP address`));
    }
    return NO_ADDRESSES;
  },
);
