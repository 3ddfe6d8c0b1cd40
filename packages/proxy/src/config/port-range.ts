/** Ranges of ports. */
import { message, number } from './schema.ts';

export const MAX_PORT = 65_535;

/** `end` is not part of it. */
export const portRange = message(
  'envoy.type.v3.Int32Range',
  { start: number(0, { max: MAX_PORT + 1 }), end: number(0, { max: MAX_PORT + 1 }) },
  ({ start, end }, place) => {
    if (start >= end) place.refuse(`start, ${start}, must be less than end, ${end}`);
  },
);
