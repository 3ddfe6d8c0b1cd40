/** Policies with what follows from fitting one: made when configuration arrives, so that a request only picks. */
import type { AskedRequest, Condition } from './condition.ts';
import { PolicyEngine } from './engine.ts';

export type Action = 'ALLOW' | 'DENY' | 'LOG';

/** What policies say of one request or connection. */
export interface Verdict {
  readonly isAllowed: boolean;
  /** The first policy that fits; undefined where none does. */
  readonly policy: string | undefined;
  /** `rbac_access_denied_matched_policy[name]`, with `none` where no policy fits; without white space. */
  readonly details: string;
  /** Whether it is to be logged; undefined where that is not what was asked. */
  readonly isLogged: boolean | undefined;
}

function verdict(action: Action, policy: string | undefined): Verdict {
  const isMatched = policy !== undefined;
  return {
    isAllowed: action === 'LOG' || isMatched === (action === 'ALLOW'),
    policy,
    details: `rbac_access_denied_matched_policy[${(policy ?? 'none').replaceAll(/\s/g, '_')}]`,
    isLogged: action === 'LOG' ? isMatched : undefined,
  };
}

export class Rules {
  /** Every verdict that there can be: that of no policy first, then those of the policies in their order. */
  readonly verdicts: readonly Verdict[];
  readonly #engine: PolicyEngine;

  constructor(action: Action, policies: ReadonlyMap<string, Condition>) {
    this.#engine = new PolicyEngine(policies);
    this.verdicts = [undefined, ...this.#engine.names].map((policy) => verdict(action, policy));
  }

  /** The place of the verdict in {@link Rules.verdicts}. */
  decide(request: AskedRequest): number {
    return this.#engine.match(request) + 1;
  }
}
