/**
 * The routes of a virtual host, found without looking at each: by their paths and prefixes. The first that is for a
 * request still wins, as if all were tried in their order.
 */
import type { RequestHead } from '../http/message.ts';
import type { Steps } from '../slices.ts';
import type { RouteQuery } from './route-match.ts';
import type { Route } from './route-table.ts';

/** A route with its place in the order. */
interface Placed {
  readonly route: Route;
  readonly place: number;
}

/** Below that many a walk through them is as fast. */
const WORTH_AN_INDEX = 12;

function isFor(route: Route, head: RequestHead, path: string, isConnect: boolean, info: RouteQuery): boolean {
  if (route.isConnect ? !isConnect : isConnect || !route.path.test(path)) return false;
  return !route.conditions || route.conditions(head, info);
}

/** The first of some routes, in their order, that is for the request and stands before `before`. */
function first(
  placed: readonly Placed[],
  head: RequestHead,
  path: string,
  isConnect: boolean,
  info: RouteQuery,
  before: Placed | undefined,
): Placed | undefined {
  for (const candidate of placed) {
    if (before && candidate.place > before.place) return before;
    if (isFor(candidate.route, head, path, isConnect, info)) return candidate;
  }
  return before;
}

function add(lists: Map<string, Placed[]>, key: string, placed: Placed): void {
  const list = lists.get(key);
  if (list) list.push(placed);
  else lists.set(key, [placed]);
}

class IndexedRoutes {
  readonly #exact = new Map<string, Placed[]>();
  /** Routes by prefix, for each length that a prefix has, the shortest first. */
  readonly #prefixes: { readonly length: number; readonly lists: Map<string, Placed[]> }[] = [];
  /** Those whose path says nothing that could be looked up. */
  readonly #others: Placed[] = [];

  static *inSteps(routes: readonly Route[]): Steps<IndexedRoutes> {
    const index = new IndexedRoutes();
    for (const [place, route] of routes.entries()) {
      index.#add({ route, place });
      yield;
    }
    index.#prefixes.sort((a, b) => a.length - b.length);
    return index;
  }

  #add(placed: Placed): void {
    const { path, isConnect } = placed.route;
    if (isConnect || !path.key) this.#others.push(placed);
    else if (path.key.type === 'exact') add(this.#exact, path.key.text, placed);
    else add(this.#prefixesOf(path.key.text.length), path.key.text, placed);
  }

  #prefixesOf(length: number): Map<string, Placed[]> {
    const known = this.#prefixes.find((entry) => entry.length === length);
    if (known) return known.lists;
    const lists = new Map<string, Placed[]>();
    this.#prefixes.push({ length, lists });
    return lists;
  }

  match(head: RequestHead, path: string, isConnect: boolean, info: RouteQuery): Route | undefined {
    let found: Placed | undefined;
    const exact = this.#exact.get(path);
    if (exact) found = first(exact, head, path, isConnect, info, found);
    for (const { length, lists } of this.#prefixes) {
      if (length > path.length) break;
      const list = lists.get(path.slice(0, length));
      if (list) found = first(list, head, path, isConnect, info, found);
    }
    return first(this.#others, head, path, isConnect, info, found)?.route;
  }
}

/** Routes in the order in which they are to be tried. */
export class OrderedRoutes {
  readonly #routes: readonly Route[];
  readonly #index: IndexedRoutes | undefined;

  private constructor(routes: readonly Route[], index: IndexedRoutes | undefined) {
    this.#routes = routes;
    this.#index = index;
  }

  static *inSteps(routes: readonly Route[]): Steps<OrderedRoutes> {
    return new OrderedRoutes(routes, routes.length < WORTH_AN_INDEX ? undefined : yield* IndexedRoutes.inSteps(routes));
  }

  /** The first that is for the request; `path` is without the query. */
  match(head: RequestHead, path: string, info?: RouteQuery): Route | undefined {
    const isConnect = head.method === 'CONNECT';
    if (this.#index) return this.#index.match(head, path, isConnect, info);
    for (const route of this.#routes) if (isFor(route, head, path, isConnect, info)) return route;
    return undefined;
  }
}
