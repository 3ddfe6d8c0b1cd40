/** `cluster.<name>.health_check.` */
export class HealthStats {
  attempt = 0;
  degraded = 0;
  failure = 0;
  healthy = 0;
  network_failure = 0;
  passive_failure = 0;
  success = 0;
  verify_cluster = 0;
}
