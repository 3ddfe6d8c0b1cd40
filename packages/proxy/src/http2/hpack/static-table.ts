/** The static table of HPACK (RFC 7541, appendix A). */
import { type Kind, kindOf } from '../field-kind.ts';

/** An entry of a table. */
export interface Field {
  readonly name: string;
  readonly value: string;
  readonly kind: Kind;
  /** Whether the value is one that a field may have. */
  readonly isValid: boolean;
}

const ENTRIES = `:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`;

function entry(line: string): Field {
  const space = line.indexOf(' ');
  const name = space === -1 ? line : line.slice(0, space);
  return { name, value: space === -1 ? '' : line.slice(space + 1), kind: kindOf(name), isValid: true };
}

/** Entry 1 stands at 0. */
export const STATIC_TABLE: readonly Field[] = ENTRIES.split('\n').map(entry);

/** What the static table has of one name. */
export interface StaticName {
  /** Of its first entry. */
  readonly index: number;
  /** By value, the index of its entry. */
  readonly values: ReadonlyMap<string, number>;
}

function byName(): ReadonlyMap<string, StaticName> {
  const names = new Map<string, { readonly index: number; readonly values: Map<string, number> }>();
  for (const [at, { name, value }] of STATIC_TABLE.entries()) {
    const known = names.get(name) ?? { index: at + 1, values: new Map<string, number>() };
    known.values.set(value, at + 1);
    names.set(name, known);
  }
  return names;
}

export const STATIC_NAMES = byName();
