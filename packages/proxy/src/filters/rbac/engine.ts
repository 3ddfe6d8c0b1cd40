/** Finds the policy that a request, or a connection, fits. */
import type { DownstreamInfo } from '../../stack/stream-info.ts';
import type { AskedRequest, Condition, RequestTest } from './condition.ts';
import { NOBODY, peerNames } from './condition.ts';

/** What is left to ask on one connection: policies that it cannot fit are not among these. */
interface Candidates {
  /** Places of policies, in order. */
  readonly indices: readonly number[];
  /** In the same order; true: fits every request of the connection. */
  readonly tests: readonly (RequestTest | true)[];
}

export class PolicyEngine {
  /** In the order in which they are tried: that of their names, byte by byte, as Envoy tries them. */
  readonly names: readonly string[];
  readonly #conditions: readonly Condition[];
  /** Places of the policies that only peers with that name in their certificate can fit. */
  readonly #byPeer = new Map<string, number[]>();
  /** Places of the others. */
  readonly #others: number[] = [];
  readonly #known = new WeakMap<DownstreamInfo, Candidates>();
  /** Where no policy asks about the connection. */
  readonly #everywhere: Candidates | undefined;

  constructor(policies: ReadonlyMap<string, Condition>) {
    const sorted = [...policies].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    this.names = sorted.map(([name]) => name);
    this.#conditions = sorted.map(([, condition]) => condition);
    for (const [index, { names }] of this.#conditions.entries()) {
      if (!names) this.#others.push(index);
      for (const name of names ?? []) {
        const indices = this.#byPeer.get(name);
        if (indices) indices.push(index);
        else this.#byPeer.set(name, [index]);
      }
    }
    if (this.#conditions.every(({ isOfRequest }) => isOfRequest)) this.#everywhere = this.#candidates(undefined);
  }

  /** The place in {@link PolicyEngine.names} of the first policy that the request fits; -1 where it fits none. */
  match(request: AskedRequest): number {
    const { indices, tests } = this.#everywhere ?? this.#candidatesOf(request.info.downstream);
    for (let at = 0; at < tests.length; at++) {
      const test = tests[at] as RequestTest | true;
      if (test === true || test(request)) return indices[at] as number;
    }
    return -1;
  }

  #candidatesOf(connection: DownstreamInfo): Candidates {
    let known = this.#known.get(connection);
    if (!known) {
      known = this.#candidates(connection);
      this.#known.set(connection, known);
    }
    return known;
  }

  /** Places of the policies that a connection may fit, in order. */
  #possible({ tls }: DownstreamInfo): readonly number[] {
    if (!tls || this.#byPeer.size === 0) return this.#others;
    const named = new Set(peerNames(tls).flatMap((name) => this.#byPeer.get(name) ?? []));
    return named.size === 0 ? this.#others : [...new Set([...this.#others, ...named])].sort((a, b) => a - b);
  }

  #candidates(connection: DownstreamInfo | undefined): Candidates {
    const indices: number[] = [];
    const tests: (RequestTest | true)[] = [];
    for (const index of connection ? this.#possible(connection) : this.#conditions.keys()) {
      const left = (this.#conditions[index] as Condition).on(connection ?? NOBODY);
      if (left === false) continue;
      indices.push(index);
      tests.push(left);
      // Nothing after it is ever reached.
      if (left === true) break;
    }
    return { indices, tests };
  }
}
