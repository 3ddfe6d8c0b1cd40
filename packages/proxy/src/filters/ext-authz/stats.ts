/** What the external authorization filter counts, under Envoy's names. */
import { type StatsRegistry, statName } from '../../stats/registry.ts';

/** `http.<stat prefix>.ext_authz.` */
export class ExtAuthzStats {
  denied = 0;
  disabled = 0;
  error = 0;
  failure_mode_allowed = 0;
  invalid = 0;
  ok = 0;
}

/** `cluster.<the route's cluster>.ext_authz.` */
export class ExtAuthzClusterStats {
  denied = 0;
  error = 0;
  failure_mode_allowed = 0;
  ok = 0;
}

function below(own: string): { readonly name: string; readonly metric: string } {
  const prefix = own === '' ? '' : `${statName(own)}.`;
  return { name: `ext_authz.${prefix}`, metric: `ext_authz_${prefix.replaceAll('.', '_')}` };
}

/** `own`: the filter's own `stat_prefix`. */
export function extAuthzStats(registry: StatsRegistry, statPrefix: string, own: string): ExtAuthzStats {
  const { name, metric } = below(own);
  const labels = { envoy_http_conn_manager_prefix: statPrefix };
  return registry.share(`http.${statPrefix}.${name}`, `http_${metric}`, labels, () => new ExtAuthzStats());
}

export function extAuthzClusterStats(registry: StatsRegistry, cluster: string, own: string): ExtAuthzClusterStats {
  const { name, metric } = below(own);
  const prefix = `cluster.${statName(cluster)}.${name}`;
  const labels = { envoy_cluster_name: cluster };
  return registry.share(prefix, `cluster_${metric}`, labels, () => new ExtAuthzClusterStats());
}
