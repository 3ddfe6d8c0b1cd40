/**
 * Allows or denies connections by policies
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/listeners/network_filters/rbac_filter). Envoy decides when
 * the first bytes of the client come, so that a client that sends none is served until then: what the upstream says first
 * reaches it. Here a connection is decided on as soon as it is ready, which is after the TLS handshake: nobody waits for
 * anything, and who is denied gets nothing.
 */
import type { NetworkFilter, NetworkFilterContext } from '../../listener/network-filters.ts';
import type { StreamInfo } from '../../stack/stream-info.ts';
import { NOBODY_ASKS } from './condition.ts';
import type { NetworkRbacConfig } from './network-schema.ts';
import type { Rules, Verdict } from './rules.ts';
import { networkPlace, VerdictStats } from './stats.ts';

const METADATA = 'envoy.filters.network.rbac';
const COMMON_METADATA = 'envoy.common';

/** Policies of connections ask nothing of requests. */
function decide(rules: Rules, info: StreamInfo): Verdict {
  return rules.verdicts[rules.decide({ head: NOBODY_ASKS, info, route: undefined })] as Verdict;
}

/** A filter that closes connections that its policies deny. */
export function makeNetworkRbac(config: NetworkRbacConfig, { stats }: NetworkFilterContext): NetworkFilter {
  const { rules, shadow_rules: shadow, shadow_rules_stat_prefix: shadowPrefix, stat_prefix: prefix } = config;
  const enforcedStats = new VerdictStats(stats, networkPlace(prefix, ''), 'allowed', 'denied');
  const shadowStats = new VerdictStats(stats, networkPlace(prefix, shadowPrefix), 'shadow_allowed', 'shadow_denied');
  return {
    onConnection({ info, refuse }) {
      if (shadow) {
        const { isAllowed, policy } = decide(shadow, info);
        shadowStats.count(isAllowed);
        info.addMetadata(METADATA, {
          ...(policy === undefined ? {} : { [`${shadowPrefix}shadow_effective_policy_id`]: policy }),
          [`${shadowPrefix}shadow_engine_result`]: isAllowed ? 'allowed' : 'denied',
        });
      }
      if (!rules) return 'pass';
      const { isAllowed, isLogged, details } = decide(rules, info);
      enforcedStats.count(isAllowed);
      if (isLogged !== undefined) info.addMetadata(COMMON_METADATA, { access_log_hint: isLogged });
      if (isAllowed) return 'pass';
      refuse({ details, delayMs: config.delay_deny });
      return 'stop';
    },
  };
}
