/** The counts of one edge. Pure. */
import type { Edge } from '@weft/contracts/bus';
import type { Call, EdgeName } from './calls.ts';

/** Upper bounds of the buckets of durations, in milliseconds; one more bucket is without bound. */
export const DURATION_BOUNDS_MS: readonly number[] = [
  0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000,
];

/** How many statuses, and identities a side, an edge tells apart. */
const MAX_STATUSES = 64;
const MAX_IDENTITIES = 16;

export function noCalls({ source, destination, protocol, reporter }: EdgeName): Edge {
  return {
    source,
    destination,
    protocol,
    reporter,
    requests: 0,
    errors: 0,
    byStatus: {},
    durationMsSum: 0,
    durationBuckets: [],
    sourceIdentities: [],
    destinationIdentities: [],
    lastSeenMs: 0,
    sentBytes: 0,
    receivedBytes: 0,
  };
}

function addTo(
  counts: Readonly<Record<string, number>>,
  more: Readonly<Record<string, number>>,
): Record<string, number> {
  const sum = { ...counts };
  for (const [status, count] of Object.entries(more)) {
    const known = Object.hasOwn(sum, status) || Object.keys(sum).length < MAX_STATUSES;
    const name = known ? status : 'other';
    sum[name] = (sum[name] ?? 0) + count;
  }
  return sum;
}

function union(some: readonly string[], more: readonly string[]): readonly string[] {
  const missing = more.filter((identity) => !some.includes(identity));
  return missing.length === 0 ? some : [...some, ...missing].slice(0, MAX_IDENTITIES);
}

function sumOfBuckets(some: readonly number[], more: readonly number[]): readonly number[] {
  return Array.from({ length: DURATION_BOUNDS_MS.length + 1 }, (_, index) => (some[index] ?? 0) + (more[index] ?? 0));
}

/** Both counts of one edge together. */
export function sum(some: Edge, more: Edge): Edge {
  return {
    ...some,
    requests: some.requests + more.requests,
    errors: some.errors + more.errors,
    byStatus: addTo(some.byStatus, more.byStatus),
    durationMsSum: some.durationMsSum + more.durationMsSum,
    durationBuckets: sumOfBuckets(some.durationBuckets, more.durationBuckets),
    sourceIdentities: union(some.sourceIdentities, more.sourceIdentities),
    destinationIdentities: union(some.destinationIdentities, more.destinationIdentities),
    lastSeenMs: Math.max(some.lastSeenMs, more.lastSeenMs),
    sentBytes: some.sentBytes + more.sentBytes,
    receivedBytes: some.receivedBytes + more.receivedBytes,
  };
}

/** Counts that grow in place, call by call. */
export class Tally {
  readonly #edge: EdgeName;
  readonly #byStatus = new Map<string, number>();
  readonly #buckets = new Array<number>(DURATION_BOUNDS_MS.length + 1).fill(0);
  readonly #sources = new Set<string>();
  readonly #destinations = new Set<string>();
  #requests = 0;
  #errors = 0;
  #durationMsSum = 0;
  #sentBytes = 0;
  #receivedBytes = 0;
  #lastSeenMs = 0;

  constructor(edge: EdgeName) {
    this.#edge = edge;
  }

  get isEmpty(): boolean {
    return this.#requests === 0;
  }

  add(call: Call, nowMs: number): void {
    this.#requests++;
    if (call.isError) this.#errors++;
    const known = this.#byStatus.has(call.status) || this.#byStatus.size < MAX_STATUSES;
    const status = known ? call.status : 'other';
    this.#byStatus.set(status, (this.#byStatus.get(status) ?? 0) + 1);
    this.#addDuration(call.durationMs ?? 0);
    this.#sentBytes += call.sentBytes;
    this.#receivedBytes += call.receivedBytes;
    this.#lastSeenMs = nowMs;
    if (call.sourceIdentity && this.#sources.size < MAX_IDENTITIES) this.#sources.add(call.sourceIdentity);
    if (call.destinationIdentity && this.#destinations.size < MAX_IDENTITIES) {
      this.#destinations.add(call.destinationIdentity);
    }
  }

  #addDuration(durationMs: number): void {
    this.#durationMsSum += durationMs;
    let bucket = DURATION_BOUNDS_MS.findIndex((bound) => durationMs <= bound);
    if (bucket < 0) bucket = DURATION_BOUNDS_MS.length;
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
  }

  /** What was counted so far. */
  value(): Edge {
    return {
      ...noCalls(this.#edge),
      requests: this.#requests,
      errors: this.#errors,
      byStatus: Object.fromEntries(this.#byStatus),
      durationMsSum: this.#durationMsSum,
      durationBuckets: [...this.#buckets],
      sourceIdentities: [...this.#sources],
      destinationIdentities: [...this.#destinations],
      lastSeenMs: this.#lastSeenMs,
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
    };
  }
}
