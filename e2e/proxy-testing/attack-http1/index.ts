/** Bytes of HTTP/1.1 with which one request is made to look like another, or like two (RFC 9112, 2 to 7 and 11). */
import { CHUNK_LINES } from './chunks.ts';
import { FRAMING } from './framing.ts';
import { LIMITS, LINES, NOMINATED } from './lines.ts';
import type { Refused } from './requests.ts';
import { HOSTS, START_LINES } from './targets.ts';

export { SERVED, type Served } from './served.ts';

/** All of these are refused with a 4xx, 501 or 505 and a closed connection, and nothing of them reaches an upstream. */
export const REFUSED: readonly Refused[] = [
  ...FRAMING,
  ...CHUNK_LINES,
  ...START_LINES,
  ...HOSTS,
  ...LINES,
  ...NOMINATED,
  ...LIMITS,
];
