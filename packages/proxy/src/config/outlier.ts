/** Schema of outlier detection (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/cluster/v3/outlier_detection.proto). */
import { durationMs, flag, message, number, optional, type Parsed } from './schema.ts';

/** From 0 to 100. */
const percent = (defaultPercent: number) => number(defaultPercent, { max: 100 });

const DEFAULT_MAX_EJECTION_MS = 300_000;

export const outlierDetection = message(
  'envoy.config.cluster.v3.OutlierDetection',
  {
    consecutive_5xx: number(5),
    consecutive_gateway_failure: number(5),
    consecutive_local_origin_failure: number(5),
    interval: durationMs(10_000, { min: 0.000001 }),
    base_ejection_time: durationMs(30_000, { min: 0.000001 }),
    max_ejection_time: optional(durationMs(0, { min: 0.000001 })),
    max_ejection_time_jitter: durationMs(),
    max_ejection_percent: percent(10),
    always_eject_one_host: flag(),
    successful_active_health_check_uneject_host: flag(true),
    split_external_local_origin_errors: flag(),
    success_rate_minimum_hosts: number(5),
    success_rate_request_volume: number(100),
    success_rate_stdev_factor: number(1900),
    failure_percentage_threshold: percent(85),
    failure_percentage_minimum_hosts: number(5),
    failure_percentage_request_volume: number(50),
    enforcing_consecutive_5xx: percent(100),
    enforcing_consecutive_gateway_failure: percent(0),
    enforcing_consecutive_local_origin_failure: percent(100),
    enforcing_success_rate: percent(100),
    enforcing_local_origin_success_rate: percent(100),
    enforcing_failure_percentage: percent(0),
    enforcing_failure_percentage_local_origin: percent(0),
  },
  (config, place) => {
    if (maxEjectionMs(config) < config.base_ejection_time) {
      place.within('max_ejection_time', () => place.refuse('must not be less than base_ejection_time'));
    }
  },
);

export type OutlierConfig = Parsed<typeof outlierDetection>;

/** Where it is not said, 300 s, or the shortest ejection where that is longer. */
export function maxEjectionMs(config: {
  readonly max_ejection_time: number | undefined;
  readonly base_ejection_time: number;
}): number {
  return config.max_ejection_time ?? Math.max(DEFAULT_MAX_EJECTION_MS, config.base_ejection_time);
}
