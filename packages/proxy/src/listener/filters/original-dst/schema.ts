import { message } from '../../../config/schema.ts';

/** https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/filters/listener/original_dst/v3/original_dst.proto */
export const originalDst = message(
  'envoy.extensions.filters.listener.original_dst.v3.OriginalDst',
  {},
  (_value, place) => {
    if (process.platform !== 'linux') place.refuse(`needs Linux, and this is ${process.platform}`);
  },
);
