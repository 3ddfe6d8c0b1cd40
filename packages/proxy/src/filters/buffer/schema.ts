/** Schemas of the buffer filter. */
import { flag, message, number, optional, type Parsed, required } from '../../config/schema.ts';

const MAX_BYTES = 0xffff_ffff;

export const bufferFilter = message('envoy.extensions.filters.http.buffer.v3.Buffer', {
  max_request_bytes: required(number(0, { min: 1, max: MAX_BYTES })),
});

export const bufferPerRoute = message(
  'envoy.extensions.filters.http.buffer.v3.BufferPerRoute',
  { disabled: optional(flag()), buffer: optional(bufferFilter) },
  (value, place) => {
    if (!value.disabled && !value.buffer) place.refuse('needs disabled or buffer');
  },
);

export type BufferConfig = Parsed<typeof bufferFilter>;
