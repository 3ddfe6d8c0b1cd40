/** Whether the fields of a message are what a matcher asks for. */
import type { HeaderMatch } from '../config/header-match.ts';
import type { HeaderList } from '../http/header-list.ts';

/**
 * Each field of the name is looked at by itself: one that fits is enough, and where a match is inverted one that fits is
 * too much. Values that a client joined with commas in one field are one value.
 */
export function fieldMatches(match: HeaderMatch, headers: HeaderList): boolean {
  const { name, isInverted } = match;
  const { flat } = headers;
  let isThere = false;
  for (let i = 0; i < flat.length; i += 2) {
    if (flat[i] !== name) continue;
    isThere = true;
    if (match.matches(flat[i + 1]) !== isInverted) return !isInverted;
  }
  return isThere ? isInverted : match.matches(undefined);
}
