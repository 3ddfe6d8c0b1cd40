/** Schema of the health check filter. */
import { headerMatcher } from '../../config/header-match.ts';
import {
  built,
  durationMs,
  flag,
  list,
  map,
  message,
  number,
  optional,
  type Parsed,
  required,
} from '../../config/schema.ts';

/** An integer: what stands behind the point is of no account. */
const percent = built(message('envoy.type.v3.Percent', { value: number(0, { max: 100 }) }), ({ value }) =>
  Math.trunc(value),
);

export const healthCheckFilter = message(
  'envoy.extensions.filters.http.health_check.v3.HealthCheck',
  {
    pass_through_mode: required(flag()),
    cache_time: optional(durationMs()),
    cluster_min_healthy_percentages: map(percent),
    headers: list(headerMatcher),
  },
  (config, place) => {
    if (config.cache_time !== undefined && !config.pass_through_mode) {
      place.within('cache_time', () => place.refuse('has a meaning in pass_through_mode alone'));
    }
    if (config.pass_through_mode && config.cluster_min_healthy_percentages.size > 0) {
      place.within('cluster_min_healthy_percentages', () =>
        place.refuse('has no meaning in pass_through_mode, where the upstream answers'),
      );
    }
  },
);

export type HealthCheckConfig = Parsed<typeof healthCheckFilter>;
