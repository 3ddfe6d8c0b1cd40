/** Fields after the content of a message (RFC 9110, 6.5; RFC 9113, 8.1). */
import type { HeaderList } from './header-list.ts';

/** Fields that a trailer section may not hold (RFC 9110, 6.5.1): they would change what was acted on already. */
const NOT_IN_TRAILERS = new Set([
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'keep-alive',
  'max-forwards',
  'proxy-authorization',
  'proxy-connection',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const isForbidden = (name: string): boolean => NOT_IN_TRAILERS.has(name);

/**
 * The trailers that are passed on, in whichever version of HTTP; undefined: none are left. What frames, routes,
 * authorizes or changes a message has no place there, and is left out: a recipient may well merge it into the head that
 * the proxy judged the message by. Envoy passes such fields on; in HTTP/2, where those of a connection make a message
 * malformed, what comes of them is a request that its upstream refuses.
 */
export function sendableTrailers(trailers: HeaderList | undefined): HeaderList | undefined {
  if (!trailers || trailers.size === 0) return undefined;
  trailers.removeWhere(isForbidden);
  return trailers.size === 0 ? undefined : trailers;
}
