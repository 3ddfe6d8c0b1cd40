/** Allows or denies requests by policies (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/rbac_filter). */
import type { LocalReply } from '../../stack/local-reply.ts';
import type { FilterContext, FilteredRequest, FilterVerdict, HttpFilter } from '../filter.ts';
import type { Rules, Verdict } from './rules.ts';
import type { RbacConfig } from './schema.ts';
import { httpPlace, VerdictStats } from './stats.ts';

/** Under which other filters and logs find what this one found out. */
const METADATA = 'envoy.filters.http.rbac';
/** Where access loggers look for what is to be logged. */
const COMMON_METADATA = 'envoy.common';

/** What one verdict does to a request. */
interface Consequence {
  readonly verdict: Verdict;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly common: Readonly<Record<string, unknown>> | undefined;
  readonly reply: LocalReply;
}

interface Enforcement {
  readonly rules: Rules;
  readonly consequences: readonly Consequence[];
}

/** What one level of the configuration asks for. */
interface Level {
  readonly enforced: Enforcement | undefined;
  readonly shadow: Enforcement | undefined;
  readonly countsPolicies: boolean;
}

/** `keyPrefix` stands before the keys of metadata: `shadow_`, with a prefix of the configuration. */
function enforcement(rules: Rules | undefined, keyPrefix: string): Enforcement | undefined {
  if (!rules) return undefined;
  const consequences = rules.verdicts.map((verdict): Consequence => {
    const { policy, isAllowed, isLogged, details } = verdict;
    return {
      verdict,
      metadata: {
        ...(policy === undefined ? {} : { [`${keyPrefix}effective_policy_id`]: policy }),
        [`${keyPrefix}engine_result`]: isAllowed ? 'allowed' : 'denied',
      },
      common: isLogged === undefined ? undefined : { access_log_hint: isLogged },
      reply: { status: 403, body: 'RBAC: access denied', flags: 0, details },
    };
  });
  return { rules, consequences };
}

function level(config: RbacConfig): Level {
  return {
    enforced: enforcement(config.rules, `${config.rules_stat_prefix}enforced_`),
    shadow: enforcement(config.shadow_rules, `${config.shadow_rules_stat_prefix}shadow_`),
    countsPolicies: config.track_per_rule_stats,
  };
}

class Rbac implements HttpFilter {
  readonly #own: Level;
  readonly #ofRoutes = new WeakMap<RbacConfig, Level>();
  readonly #stats: VerdictStats<'allowed' | 'denied'>;
  readonly #shadowStats: VerdictStats<'shadow_allowed' | 'shadow_denied'>;

  constructor(config: RbacConfig, { stats, statPrefix }: FilterContext) {
    this.#own = level(config);
    const place = (prefix: string) => httpPlace(statPrefix, prefix);
    this.#stats = new VerdictStats(stats, place(config.rules_stat_prefix), 'allowed', 'denied');
    const shadowPlace = place(config.shadow_rules_stat_prefix);
    this.#shadowStats = new VerdictStats(stats, shadowPlace, 'shadow_allowed', 'shadow_denied');
  }

  onRequest(request: FilteredRequest, levels: Parameters<HttpFilter['onRequest']>[1]): FilterVerdict {
    const mostSpecific = levels.at(-1);
    if (mostSpecific?.type !== 'rbac') return this.#apply(request, this.#own);
    const { rbac } = mostSpecific.value;
    return rbac ? this.#apply(request, this.#ofRoute(rbac)) : 'pass';
  }

  #ofRoute(config: RbacConfig): Level {
    let known = this.#ofRoutes.get(config);
    if (!known) {
      known = level(config);
      this.#ofRoutes.set(config, known);
    }
    return known;
  }

  #apply(request: FilteredRequest, { enforced, shadow, countsPolicies }: Level): FilterVerdict {
    if (shadow) {
      const { verdict, metadata } = decide(shadow, request);
      const { policy, isAllowed } = verdict;
      this.#shadowStats.count(isAllowed);
      if (countsPolicies && policy !== undefined) this.#shadowStats.countPolicy(policy, isAllowed);
      request.info.addMetadata(METADATA, metadata);
    }
    if (!enforced) return 'pass';
    const { verdict, metadata, common, reply } = decide(enforced, request);
    const { policy, isAllowed } = verdict;
    this.#stats.count(isAllowed);
    if (countsPolicies && policy !== undefined) this.#stats.countPolicy(policy, isAllowed);
    request.info.addMetadata(METADATA, metadata);
    if (common) request.info.addMetadata(COMMON_METADATA, common);
    if (isAllowed) return 'pass';
    request.answer(reply);
    return 'stop';
  }
}

function decide({ rules, consequences }: Enforcement, request: FilteredRequest): Consequence {
  return consequences[rules.decide(request)] as Consequence;
}

/** A filter that answers 403 to what its policies deny. */
export function makeRbac(config: RbacConfig, context: FilterContext): HttpFilter {
  return new Rbac(config, context);
}
