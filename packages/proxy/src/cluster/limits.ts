/**
 * Circuit breakers of a cluster: how much of everything may be under way at once
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/circuit_breaking).
 */
import type { ThresholdsConfig } from '../config/cluster.ts';

const DEFAULT_BUDGET_PERCENT = 20;

export class ClusterLimits {
  readonly maxConnections: number;
  readonly maxPending: number;
  readonly maxRequests: number;
  readonly #maxRetries: number;
  readonly #budget: { readonly share: number; readonly minRetries: number } | undefined;
  connections = 0;
  pending = 0;
  requests = 0;
  retries = 0;

  constructor(thresholds: ThresholdsConfig | undefined) {
    this.maxConnections = thresholds?.max_connections ?? 1024;
    this.maxPending = thresholds?.max_pending_requests ?? 1024;
    this.maxRequests = thresholds?.max_requests ?? 1024;
    this.#maxRetries = thresholds?.max_retries ?? 3;
    const budget = thresholds?.retry_budget;
    this.#budget = budget && {
      share: (budget.budget_percent?.value ?? DEFAULT_BUDGET_PERCENT) / 100,
      minRetries: budget.min_retry_concurrency,
    };
  }

  /** Whether one more retry may be under way. A budget is a share of the requests that are; it replaces the limit. */
  canRetry(): boolean {
    if (!this.#budget) return this.retries < this.#maxRetries;
    const active = this.requests + this.pending;
    return this.retries < Math.max(this.#budget.minRetries, active * this.#budget.share);
  }
}
