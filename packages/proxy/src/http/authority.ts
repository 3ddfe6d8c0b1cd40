/** The host and port that a request is for (RFC 9110, 7.2). */

/** Where the colon before the port stands; -1: there is no port. */
export function portStart(authority: string): number {
  const colon = authority.lastIndexOf(':');
  // The colons of an IPv6 address stand in brackets.
  return colon !== -1 && authority.indexOf(']', colon) === -1 ? colon : -1;
}

/** `host:8080` without its port; an IPv6 address keeps its brackets. */
export function withoutPort(authority: string): string {
  const colon = portStart(authority);
  return colon === -1 ? authority : authority.slice(0, colon);
}

/** `host.:8080` and `host.` without the dot, which says that the name is whole (RFC 3986, 3.2.2). */
export function withoutTrailingDot(authority: string): string {
  const dot = authority.lastIndexOf('.');
  if (dot === -1 || (dot !== authority.length - 1 && authority[dot + 1] !== ':')) return authority;
  return authority.slice(0, dot) + authority.slice(dot + 1);
}
