/** Where in a request tokens are, by what providers say of themselves. */
import type { RequestHead } from '../../http/message.ts';
import { percentDecoded } from '../../http/percent.ts';
import type { ProviderConfig } from './schema.ts';

type Kind = 'header' | 'parameter' | 'cookie';

/** One place, of all providers that name it. */
interface Location {
  readonly kind: Kind;
  /** Of a header in lower case. */
  readonly name: string;
  /** Of a header: what stands before the token; '' where nothing does. */
  readonly prefix: string;
  /** Of the providers that name the place; '': any. */
  readonly issuers: ReadonlySet<string>;
}

/** A text that should be a token. */
export interface FoundToken {
  readonly text: string;
  readonly location: Location;
}

/** Whether the place is one for tokens of that issuer. */
export function isIssuerOf({ location: { issuers } }: FoundToken, issuer: string): boolean {
  return issuers.has('') || issuers.has(issuer);
}

function placesOf(provider: ProviderConfig): readonly Omit<Location, 'issuers'>[] {
  const { from_headers: headers, from_params: parameters, from_cookies: cookies } = provider;
  if (headers.length + parameters.length + cookies.length === 0) {
    return [
      { kind: 'header', name: 'authorization', prefix: 'Bearer ' },
      { kind: 'parameter', name: 'access_token', prefix: '' },
    ];
  }
  return [
    ...headers.map(({ name, value_prefix: prefix }) => ({ kind: 'header', name: name.toLowerCase(), prefix }) as const),
    ...parameters.map((name) => ({ kind: 'parameter', name, prefix: '' }) as const),
    ...cookies.map((name) => ({ kind: 'cookie', name, prefix: '' }) as const),
  ];
}

const ORDER: Readonly<Record<Kind, number>> = { header: 0, parameter: 1, cookie: 2 };

const sortKey = ({ name, prefix }: Location): string => name + prefix;

/** The places of some providers: headers, then parameters, then cookies; by name among them. */
export function locationsOf(providers: Iterable<ProviderConfig>): readonly Location[] {
  const found = new Map<string, Location & { readonly issuers: Set<string> }>();
  for (const provider of providers) {
    for (const place of placesOf(provider)) {
      const key = JSON.stringify([place.kind, place.name, place.prefix]);
      const known = found.get(key);
      if (known) known.issuers.add(provider.issuer);
      else found.set(key, { ...place, issuers: new Set([provider.issuer]) });
    }
  }
  return [...found.values()].sort(
    (a, b) => ORDER[a.kind] - ORDER[b.kind] || (sortKey(a) < sortKey(b) ? -1 : Number(sortKey(a) > sortKey(b))),
  );
}

const TOKEN_CHARACTER = /[A-Za-z0-9._-]/;

/** The token behind a prefix, wherever in the value that is; undefined where it is nowhere. */
function withoutPrefix(value: string, prefix: string): string | undefined {
  if (prefix === '') return value;
  const at = value.indexOf(prefix);
  if (at === -1) return undefined;
  const rest = value.slice(at + prefix.length);
  const start = rest.search(TOKEN_CHARACTER);
  return start === -1 ? value : rest.slice(start);
}

/** Pairs of the query with their names as they are meant. */
function pairsOf(path: string): readonly { readonly name: string; readonly value: string; readonly text: string }[] {
  const query = path.indexOf('?');
  if (query === -1) return [];
  return path
    .slice(query + 1)
    .split('&')
    .map((text) => {
      const equals = text.indexOf('=');
      const name = equals === -1 ? text : text.slice(0, equals);
      return { name: percentDecoded(name), value: equals === -1 ? '' : percentDecoded(text.slice(equals + 1)), text };
    });
}

function* cookiesOf(head: RequestHead): Generator<readonly [name: string, value: string]> {
  const { flat } = head.headers;
  for (let i = 0; i < flat.length; i += 2) {
    if (flat[i] !== 'cookie') continue;
    for (const pair of (flat[i + 1] as string).split(';')) {
      const equals = pair.indexOf('=');
      if (equals !== -1)
        yield [
          pair.slice(0, equals).trim(),
          pair
            .slice(equals + 1)
            .trim()
            .replace(/^"(.*)"$/, '$1'),
        ];
    }
  }
}

/** Of `authorization` there can be only one (RFC 9110, 11.6.2): several are one value, which is no token. */
function* valuesOf({ headers }: RequestHead, name: string): Generator<string> {
  if (name === 'authorization') {
    const value = headers.joined(name);
    if (value !== undefined) yield value;
    return;
  }
  const { flat } = headers;
  for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) yield flat[i + 1] as string;
}

function* textsAt({ kind, name, prefix }: Location, head: RequestHead): Generator<string> {
  if (kind === 'header') {
    for (const value of valuesOf(head, name)) {
      const token = withoutPrefix(value.trim(), prefix);
      if (token !== undefined) yield token;
    }
  } else if (kind === 'parameter') {
    for (const pair of pairsOf(head.path)) if (pair.name === name) yield pair.value;
  } else for (const [key, value] of cookiesOf(head)) if (key === name) yield value;
}

/**
 * Every token of a request. Envoy looks at the first of several parameters or cookies of one name; here all of them are
 * looked at, since which one an application takes is not known.
 */
export function findTokens(locations: readonly Location[], head: RequestHead): readonly FoundToken[] {
  const found: FoundToken[] = [];
  for (const location of locations) for (const text of textsAt(location, head)) found.push({ text, location });
  return found;
}

/** Takes a token out of the request; cookies stay, as in Envoy. What else the query says stays as it was written. */
export function removeToken({ location: { kind, name } }: FoundToken, head: RequestHead): void {
  if (kind === 'header') head.headers.remove(name);
  if (kind !== 'parameter') return;
  const kept = pairsOf(head.path).filter((pair) => pair.name !== name);
  const path = head.path.slice(0, head.path.indexOf('?') === -1 ? undefined : head.path.indexOf('?'));
  head.path = kept.length === 0 ? path : `${path}?${kept.map(({ text }) => text).join('&')}`;
}
