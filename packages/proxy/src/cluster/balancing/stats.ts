/** What balancers count, of the group `cluster.<name>.`. */
import type { ClusterStats } from '../../stats/groups.ts';

export type BalancerStats = Pick<
  ClusterStats,
  | 'lb_healthy_panic'
  | 'lb_local_cluster_not_ok'
  | 'lb_recalculate_zone_structures'
  | 'lb_subsets_active'
  | 'lb_subsets_created'
  | 'lb_subsets_fallback'
  | 'lb_subsets_fallback_panic'
  | 'lb_subsets_removed'
  | 'lb_subsets_selected'
  | 'lb_zone_cluster_too_small'
  | 'lb_zone_no_capacity_left'
  | 'lb_zone_routing_all_directly'
  | 'lb_zone_routing_cross_zone'
  | 'lb_zone_routing_sampled'
  | 'original_dst_host_invalid'
  | 'upstream_rq_active'
>;
