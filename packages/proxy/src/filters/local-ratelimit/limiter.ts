/** Which token buckets a request takes from (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/local_rate_limit_filter). */
import type { Clock } from '../../clock.ts';
import type { Counts } from '../../counts/cells.ts';
import type { Descriptor, DescriptorEntry } from '../../stack/rate-limit-actions.ts';
import type { BucketSize } from '../../token-bucket.ts';
import { type Bucket, makeBucket } from './token-bucket.ts';

/** A bucket for requests with these entries; an empty value stands for any, with a bucket for each. */
export interface BucketRule {
  readonly entries: readonly DescriptorEntry[];
  readonly size: BucketSize;
  /** Counts, and lets everything pass. */
  readonly isShadow: boolean;
}

export interface LimiterOptions {
  /** Undefined: only descriptors limit. */
  readonly size: BucketSize | undefined;
  readonly rules: readonly BucketRule[];
  /** Whether a request takes from the bucket for all although a descriptor has one for it. */
  readonly alwaysTakesFromAll: boolean;
  /** How many buckets a rule with an empty value keeps: those that were used last. */
  readonly maxDynamic: number;
  /** What all threads count together, and the name of this limiter there; absent where it is one thread's alone. */
  readonly shared?: { readonly counts: Counts; readonly name: string } | undefined;
}

export interface LimitVerdict {
  readonly isAllowed: boolean;
  /** Whether a bucket that only counts was empty. */
  readonly isOverShadow: boolean;
  /** The bucket that decided; undefined where there was none. */
  readonly bucket: Bucket | undefined;
  /** What the descriptor says of `x-ratelimit-*` fields. */
  readonly fields: Descriptor['fields'];
}

/** Unlike any other list of entries, whatever keys and values hold. */
export function entriesKey(entries: readonly DescriptorEntry[]): string {
  return JSON.stringify(entries.flatMap(({ key, value }) => [key, value]));
}

/** The buckets of one rule. */
interface Buckets {
  readonly rule: BucketRule;
  /** By the entries of requests, the one that was used last at the end. */
  readonly known: Map<string, Bucket>;
}

interface Matched {
  readonly bucket: Bucket;
  readonly isShadow: boolean;
  readonly descriptor: Descriptor;
}

function matches({ entries }: BucketRule, given: readonly DescriptorEntry[]): boolean {
  return (
    entries.length === given.length &&
    entries.every(({ key, value }, i) => key === given[i]?.key && (value === '' || value === given[i].value))
  );
}

export class LocalLimiter {
  readonly #options: LimiterOptions;
  readonly #clock: Clock;
  readonly #all: Bucket | undefined;
  readonly #exact = new Map<string, { readonly bucket: Bucket; readonly isShadow: boolean }>();
  readonly #dynamic: readonly Buckets[];

  constructor(options: LimiterOptions, clock: Clock) {
    const nowMs = clock.monotonicMs();
    this.#options = options;
    this.#clock = clock;
    this.#all = options.size && this.#make(options.size, 'all', nowMs);
    const isDynamic = ({ entries }: BucketRule): boolean => entries.some(({ value }) => value === '');
    for (const rule of options.rules) {
      if (isDynamic(rule)) continue;
      const bucket = this.#make(rule.size, entriesKey(rule.entries), nowMs);
      this.#exact.set(entriesKey(rule.entries), { bucket, isShadow: rule.isShadow });
    }
    this.#dynamic = options.rules.filter(isDynamic).map((rule) => ({ rule, known: new Map() }));
  }

  #make(size: BucketSize, name: string, nowMs: number): Bucket {
    const { shared } = this.#options;
    return makeBucket(size, `${shared?.name} ${name}`, shared?.counts, nowMs);
  }

  /** Takes from every bucket that the request has to do with, the slowest first, up to one that is empty. */
  take(descriptors: readonly Descriptor[]): LimitVerdict {
    const nowMs = this.#clock.monotonicMs();
    const matched = descriptors.length === 0 ? [] : this.#match(descriptors, nowMs);
    if (matched.length > 1) matched.sort((a, b) => a.bucket.tokensPerMs - b.bucket.tokensPerMs);
    let isOverShadow = false;
    for (const { bucket, isShadow, descriptor } of matched) {
      if (descriptor.isGivenBack && descriptor.hits !== undefined) bucket.giveBack(nowMs, descriptor.hits);
      else if (bucket.take(nowMs, descriptor.hits)) continue;
      else if (isShadow) isOverShadow = true;
      else return { isAllowed: false, isOverShadow, bucket, fields: descriptor.fields };
    }
    const [first] = matched;
    const all = this.#all;
    if (all && (!first || this.#options.alwaysTakesFromAll) && !all.take(nowMs)) {
      // One that is never filled has nothing to tell.
      return { isAllowed: false, isOverShadow, bucket: all.maxTokens === 0 ? undefined : all, fields: 'UNSPECIFIED' };
    }
    const fields = first?.descriptor.fields ?? 'UNSPECIFIED';
    return { isAllowed: true, isOverShadow, bucket: first?.bucket ?? all, fields };
  }

  #match(descriptors: readonly Descriptor[], nowMs: number): Matched[] {
    return descriptors.flatMap((descriptor) => {
      const key = entriesKey(descriptor.entries);
      const exact = this.#exact.get(key);
      if (exact) return [{ ...exact, descriptor }];
      const buckets = this.#dynamic.find(({ rule }) => matches(rule, descriptor.entries));
      if (!buckets) return [];
      return [{ bucket: this.#dynamicBucket(buckets, key, nowMs), isShadow: buckets.rule.isShadow, descriptor }];
    });
  }

  /** The bucket for these values; the one that was used longest ago goes where there are too many. */
  #dynamicBucket({ rule, known }: Buckets, key: string, nowMs: number): Bucket {
    const bucket = known.get(key) ?? this.#make(rule.size, key, nowMs);
    known.delete(key);
    known.set(key, bucket);
    if (known.size > this.#options.maxDynamic) known.delete(known.keys().next().value as string);
    return bucket;
  }
}
