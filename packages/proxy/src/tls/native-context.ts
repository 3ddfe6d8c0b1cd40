/** What Node can do to the context of a TLS server and offers under no public name. */
import type { Server } from 'node:tls';

/** The context of a server; undefined where this version of Node keeps it elsewhere. */
export function nativeContext(server: Server): object | undefined {
  const credentials: unknown = Reflect.get(server, '_sharedCreds');
  const context: unknown =
    typeof credentials === 'object' && credentials !== null ? Reflect.get(credentials, 'context') : undefined;
  return typeof context === 'object' && context !== null ? context : undefined;
}

/** Calls a method of a context; false: there is none of that name. */
export function callNative(context: object | undefined, method: string): boolean {
  const found: unknown = context && Reflect.get(context, method);
  if (typeof found !== 'function') return false;
  Reflect.apply(found, context, []);
  return true;
}

/**
 * Has a certificate that a server trusts end chains even if another one has signed it. Node does so for clients by an
 * option that servers do not read; without it such chains are refused.
 */
export function trustIntermediates(server: Server): void {
  callNative(nativeContext(server), 'setAllowPartialTrustChain');
}
