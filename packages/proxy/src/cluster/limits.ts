/**
 * Circuit breakers of a cluster: how much of everything may be under way at once, for requests of each priority
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/circuit_breaking).
 */
import type { ThresholdsConfig } from '../config/cluster.ts';
import { type Cells, OwnCells } from '../counts/cells.ts';

const DEFAULT_BUDGET_PERCENT = 20;
/** What has no limit, as Envoy shows it. */
const UNLIMITED_POOLS = Number(0xffff_ffff_ffff_ffffn);

/** Of requests: `HIGH` is what a route may ask for. */
export type RoutingPriority = 'DEFAULT' | 'HIGH';

/** `cluster.<name>.circuit_breakers.<priority>.`: 1 where nothing more of the kind may begin. */
export interface BreakerGauges {
  readonly cx_open: number;
  readonly cx_pool_open: number;
  readonly rq_open: number;
  readonly rq_pending_open: number;
  readonly rq_retry_open: number;
  /** How much more may begin; only where the configuration asks for it. */
  readonly remaining_cx?: number;
  readonly remaining_cx_pools?: number;
  readonly remaining_pending?: number;
  readonly remaining_retries?: number;
  readonly remaining_rq?: number;
}

const CONNECTIONS = 0;
const PENDING = 1;
const REQUESTS = 2;
const RETRIES = 3;
/** Of each priority. */
const NUMBERS = 4;
/** Of both: 1 once there was a connection. */
const USED = 2 * NUMBERS;
const BASE: { readonly [P in RoutingPriority]: number } = { DEFAULT: 0, HIGH: NUMBERS };

export interface LimitsOptions {
  readonly priority?: RoutingPriority;
  /** What each host of the cluster may take by itself. */
  readonly perHost?: { readonly max_connections: number | undefined } | undefined;
  /** What is under way, in all threads that have the cluster. */
  readonly cells?: Cells;
  /** In the first of these: how many connections all threads have to a host. Default: as many as the host says. */
  readonly hostCells?: ((host: string) => Cells) | undefined;
}

/** A host, as far as limits go. */
interface LimitedHost {
  readonly key: string;
  readonly connectionsActive: number;
}

export class ClusterLimits {
  readonly maxConnections: number;
  /** To one host; Infinity where there is no such limit. */
  readonly #maxHostConnections: number;
  readonly maxPending: number;
  readonly maxRequests: number;
  readonly #maxRetries: number;
  readonly #budget: { readonly share: number; readonly minRetries: number } | undefined;
  readonly #tracksRemaining: boolean;
  readonly #cells: Cells;
  readonly #base: number;
  readonly #hostCells: LimitsOptions['hostCells'];
  readonly #hosts = new WeakMap<LimitedHost, Cells>();

  constructor(thresholds: ThresholdsConfig | undefined, options: LimitsOptions = {}) {
    const { priority = 'DEFAULT', perHost, cells = new OwnCells(), hostCells } = options;
    this.#cells = cells;
    this.#base = BASE[priority];
    this.#hostCells = hostCells;
    this.maxConnections = thresholds?.max_connections ?? 1024;
    this.#maxHostConnections = perHost?.max_connections ?? Number.POSITIVE_INFINITY;
    this.maxPending = thresholds?.max_pending_requests ?? 1024;
    this.maxRequests = thresholds?.max_requests ?? 1024;
    this.#maxRetries = thresholds?.max_retries ?? 3;
    this.#tracksRemaining = thresholds?.track_remaining ?? false;
    const budget = thresholds?.retry_budget;
    this.#budget = budget && {
      share: (budget.budget_percent?.value ?? DEFAULT_BUDGET_PERCENT) / 100,
      minRetries: budget.min_retry_concurrency,
    };
  }

  get connections(): number {
    return this.#cells.get(this.#base + CONNECTIONS);
  }

  get pending(): number {
    return this.#cells.get(this.#base + PENDING);
  }

  get requests(): number {
    return this.#cells.get(this.#base + REQUESTS);
  }

  get retries(): number {
    return this.#cells.get(this.#base + RETRIES);
  }

  /** Whether there was ever a connection, of any priority. */
  get wasUsed(): boolean {
    return this.#cells.get(USED) === 1;
  }

  /** Whether one more connection may be made to a host. */
  canConnect(host: LimitedHost): boolean {
    if (this.connections >= this.maxConnections) return false;
    if (this.#maxHostConnections === Number.POSITIVE_INFINITY) return true;
    return (this.#cellsOf(host)?.get(0) ?? host.connectionsActive) < this.#maxHostConnections;
  }

  /** Undefined where what the host counts is all. */
  #cellsOf(host: LimitedHost): Cells | undefined {
    if (!this.#hostCells) return undefined;
    const known = this.#hosts.get(host);
    if (known) return known;
    const cells = this.#hostCells(host.key);
    this.#hosts.set(host, cells);
    return cells;
  }

  /** A connection is being made, or (-1) is no more. */
  countConnection(host: LimitedHost, change: 1 | -1): void {
    this.#cells.add(this.#base + CONNECTIONS, change);
    this.#cells.swap(USED, 1);
    this.#cellsOf(host)?.add(0, change);
  }

  countPending(change: 1 | -1): void {
    this.#cells.add(this.#base + PENDING, change);
  }

  countRequest(change: 1 | -1): void {
    this.#cells.add(this.#base + REQUESTS, change);
  }

  countRetry(change: 1 | -1): void {
    this.#cells.add(this.#base + RETRIES, change);
  }

  /** How many retries may be under way. A budget is a share of the requests that are; it replaces the limit. */
  get #retryLimit(): number {
    if (!this.#budget) return this.#maxRetries;
    return Math.max(this.#budget.minRetries, Math.floor((this.requests + this.pending) * this.#budget.share));
  }

  /** Whether one more retry may be under way. */
  canRetry(): boolean {
    return this.retries < this.#retryLimit;
  }

  get gauges(): BreakerGauges {
    const open = {
      cx_open: this.connections >= this.maxConnections ? 1 : 0,
      cx_pool_open: 0,
      rq_open: this.requests >= this.maxRequests ? 1 : 0,
      rq_pending_open: this.pending >= this.maxPending ? 1 : 0,
      rq_retry_open: this.canRetry() ? 0 : 1,
    };
    if (!this.#tracksRemaining) return open;
    return {
      ...open,
      remaining_cx: Math.max(0, this.maxConnections - this.connections),
      remaining_cx_pools: UNLIMITED_POOLS,
      remaining_pending: Math.max(0, this.maxPending - this.pending),
      remaining_retries: Math.max(0, this.#retryLimit - this.retries),
      remaining_rq: Math.max(0, this.maxRequests - this.requests),
    };
  }
}
