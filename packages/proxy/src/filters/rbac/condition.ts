/**
 * What policies ask, in two steps: what depends on the connection alone is answered once for each connection, and what
 * is left is asked of each request. A policy that names a peer costs the requests of that peer nothing.
 */
import { HeaderList } from '../../http/header-list.ts';
import { RequestHead } from '../../http/message.ts';
import type { DownstreamInfo, TlsInfo } from '../../stack/stream-info.ts';
import type { FilteredRequest } from '../filter.ts';

/** What conditions see of a request. */
export type AskedRequest = Pick<FilteredRequest, 'head' | 'info' | 'route'>;

export type RequestTest = (request: AskedRequest) => boolean;

/** What is left of a condition when the connection is known: the answer, or what to ask of each request. */
export type Left = boolean | RequestTest;

export interface Condition {
  on(connection: DownstreamInfo): Left;
  /** Where peers must have one of some names in their certificates: those names. Undefined: nothing is known. */
  readonly names: ReadonlySet<string> | undefined;
  /** Whether {@link Condition.on} gives the same for every connection. */
  readonly isOfRequest: boolean;
}

/** The same for every connection. */
export function ofRequest(left: Left): Condition {
  return { on: () => left, names: undefined, isOfRequest: true };
}

/** Answered by the connection. */
export function ofConnection(
  test: (connection: DownstreamInfo) => Left,
  names: ReadonlySet<string> | undefined = undefined,
): Condition {
  return { on: test, names, isOfRequest: false };
}

export const ALWAYS = ofRequest(true);
export const NEVER = ofRequest(false);

/** `all`: every one must hold; otherwise one is enough. What decides alone ends the list. */
function joined(lefts: readonly Left[], isAll: boolean): Left {
  const tests: RequestTest[] = [];
  for (const left of lefts) {
    if (left === !isAll) return !isAll;
    if (typeof left === 'function') tests.push(left);
  }
  const [first, second, ...more] = tests;
  if (!first) return isAll;
  if (!second) return first;
  if (more.length === 0) {
    return isAll ? (request) => first(request) && second(request) : (request) => first(request) || second(request);
  }
  return (request) => {
    for (const test of tests) if (test(request) !== isAll) return !isAll;
    return isAll;
  };
}

/** The fewest names that one of the conditions asks for. */
function fewestNames(conditions: readonly Condition[]): ReadonlySet<string> | undefined {
  return conditions
    .flatMap(({ names }) => names ?? [])
    .reduce<ReadonlySet<string> | undefined>(
      (best, names) => (best && best.size <= names.size ? best : names),
      undefined,
    );
}

function allNames(conditions: readonly Condition[]): ReadonlySet<string> | undefined {
  const names = new Set<string>();
  for (const condition of conditions) {
    if (!condition.names) return undefined;
    for (const name of condition.names) names.add(name);
  }
  return names;
}

/** Every condition holds, or (`isAll` false) one of them. */
function join(conditions: readonly Condition[], isAll: boolean): Condition {
  const [only] = conditions;
  if (only && conditions.length === 1) return only;
  const names = isAll ? fewestNames(conditions) : allNames(conditions);
  const fixed = joined(
    conditions.flatMap((condition) => (condition.isOfRequest ? [condition.on(NOBODY)] : [])),
    isAll,
  );
  const open = conditions.filter(({ isOfRequest }) => !isOfRequest);
  if (open.length === 0 || fixed === !isAll) return { ...ofRequest(fixed), names };
  return ofConnection(
    (connection) => joined([...open.map((condition) => condition.on(connection)), fixed], isAll),
    names,
  );
}

export function allOf(conditions: readonly Condition[]): Condition {
  return join(conditions, true);
}

export function oneOf(conditions: readonly Condition[]): Condition {
  return join(conditions, false);
}

function inverted(left: Left): Left {
  return typeof left === 'function' ? (request) => !left(request) : !left;
}

export function not(condition: Condition): Condition {
  if (condition.isOfRequest) return ofRequest(inverted(condition.on(NOBODY)));
  return ofConnection((connection) => inverted(condition.on(connection)));
}

/** Conditions of connections do not look at it. */
export const NOBODY_ASKS = new RequestHead('', '', '', '', new HeaderList());

/** What conditions that are of requests are given in place of a connection. */
export const NOBODY: DownstreamInfo = {
  id: 0,
  remoteHost: '',
  remotePort: 0,
  localHost: '',
  localPort: 0,
  tls: undefined,
};

const NO_NAMES: readonly string[] = [''];

/**
 * Everything that a peer may be known by: URIs, then DNS names, then the subject, each of which fits a principal's name
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/rbac/v3/rbac.proto). A peer without a certificate has an
 * empty subject.
 */
export function peerNames(tls: TlsInfo): readonly string[] {
  const { peer } = tls;
  return peer ? [...peer.uris, ...peer.dnsNames, peer.subject] : NO_NAMES;
}
