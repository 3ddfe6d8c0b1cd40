/** What the external authorization filter counts, under Envoy's names. */
import { type StatsRegistry, statName } from '../../stats/registry.ts';
import type { Labels } from '../../stats/sample.ts';

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

/** `ext_authz.` or, with the filter's own prefix, `ext_authz.shop.`; for Prometheus that one is a label. */
function below(own: string): { readonly name: string; readonly labels: Labels } {
  if (own === '') return { name: 'ext_authz.', labels: {} };
  return { name: `ext_authz.${statName(own)}.`, labels: { envoy_ext_authz_prefix: own } };
}

/** `own`: the filter's own `stat_prefix`. */
export function extAuthzStats(registry: StatsRegistry, statPrefix: string, own: string): ExtAuthzStats {
  const { name, labels } = below(own);
  const all = { ...labels, envoy_http_conn_manager_prefix: statPrefix };
  return registry.share(`http.${statPrefix}.${name}`, 'http_ext_authz_', all, () => new ExtAuthzStats());
}

export function extAuthzClusterStats(registry: StatsRegistry, cluster: string, own: string): ExtAuthzClusterStats {
  const { name, labels } = below(own);
  const all = { envoy_cluster_name: cluster, ...labels };
  const prefix = `cluster.${statName(cluster)}.${name}`;
  return registry.share(prefix, 'cluster_ext_authz_', all, () => new ExtAuthzClusterStats());
}
