/**
 * One spelling of a path, so that what routes and policies match is what the upstream serves (RFC 3986, 6.2.2):
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/faq/best_practices/edge and the fields of the connection manager.
 */

export interface PathOptions {
  readonly normalizes: boolean;
  readonly mergesSlashes: boolean;
  readonly escapedSlashes: 'keep' | 'reject' | 'redirect' | 'unescape';
}

export type NormalizedPath =
  | { readonly type: 'path'; readonly path: string }
  | { readonly type: 'redirect'; readonly path: string }
  | { readonly type: 'rejected' };

const ESCAPED_SLASH = /%2f|%5c/i;
const UNRESERVED = /^[A-Za-z0-9._~-]$/;

/** Characters that a target may hold but a URI may not (RFC 3986, 2), which are escaped. */
const NOT_IN_URI = /["<>^`{|}]/g;

/** A percent sign that begins no escape. NUL, which no target holds, stands for it while escapes are taken back. */
const STRAY_PERCENT = /%(?![0-9a-f]{2})/gi;

/**
 * Escapes of characters that need none are taken back; what should have been escaped is. What was no escape does not
 * become one by that: `%%32f` is `%252f`, since whoever unescapes it once more would find a slash in `%2f`.
 */
function canonicalEscapes(path: string): string {
  return path
    .replace(STRAY_PERCENT, '\0')
    .replace(/%([0-9a-f]{2})/gi, (escaped, digits: string) => {
      const character = String.fromCharCode(Number.parseInt(digits, 16));
      return UNRESERVED.test(character) ? character : escaped;
    })
    .replace(/\0(?=[0-9a-f]{2})/gi, '%25')
    .replaceAll('\0', '%')
    .replace(NOT_IN_URI, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** `.` and `..` with parameters (`..;x`), as some servers take them, are the same. */
function dotSegment(part: string): '.' | '..' | undefined {
  const [name] = part.split(';', 1);
  return name === '.' || name === '..' ? name : undefined;
}

/** Without `.` and `..` (RFC 3986, 5.2.4). What climbs above the root stays at the root. */
function withoutDotSegments(path: string): string {
  const segments: string[] = [];
  const parts = path.split('/').slice(1);
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    const dots = dotSegment(part);
    if (dots === '..') segments.pop();
    else if (dots === undefined) segments.push(part);
    if (isLast && dots !== undefined) segments.push('');
  }
  return `/${segments.join('/')}`;
}

function unescapeSlashes(path: string): string {
  return path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
}

/** Normalises the path of a request; its query stays as it is. */
export function normalizePath(target: string, options: PathOptions): NormalizedPath {
  const query = target.indexOf('?');
  let path = query === -1 ? target : target.slice(0, query);
  let redirects = false;
  if (options.escapedSlashes !== 'keep' && ESCAPED_SLASH.test(path)) {
    if (options.escapedSlashes === 'reject') return { type: 'rejected' };
    redirects = options.escapedSlashes === 'redirect';
    path = unescapeSlashes(path);
  }
  if (options.normalizes) {
    if (/%00/.test(path)) return { type: 'rejected' };
    if (/[%\\"<>^`{|}]|\/\.|^[^/]/.test(path)) path = withoutDotSegments(canonicalEscapes(path.replaceAll('\\', '/')));
  }
  if (options.mergesSlashes && path.includes('//')) path = path.replace(/\/{2,}/g, '/');
  const whole = query === -1 ? path : path + target.slice(query);
  return { type: redirects ? 'redirect' : 'path', path: whole };
}
