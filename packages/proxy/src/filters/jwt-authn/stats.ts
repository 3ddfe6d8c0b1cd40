/** What the JWT filter counts, under Envoy's names. */
import { type StatsRegistry, statName } from '../../stats/registry.ts';

/** `http.<stat prefix>.jwt_authn.` */
export class JwtStats {
  allowed = 0;
  cors_preflight_bypassed = 0;
  denied = 0;
  jwks_fetch_failed = 0;
  jwks_fetch_success = 0;
  jwt_cache_hit = 0;
  jwt_cache_miss = 0;
}

/** Those of a filter; `ownPrefix` is its `stat_prefix`. */
export function jwtStats(registry: StatsRegistry, statPrefix: string, ownPrefix: string): JwtStats {
  const own = statName(ownPrefix).replace(/([^.])$/, '$1.');
  const prefix = `http.${statPrefix}.jwt_authn.${own}`;
  const metricPrefix = `http_jwt_authn_${own.replaceAll('.', '_')}`;
  return registry.share(prefix, metricPrefix, { envoy_http_conn_manager_prefix: statPrefix }, () => new JwtStats());
}
