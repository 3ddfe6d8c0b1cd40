/** Which of a route's weighted clusters a request goes to, chosen as the route is, so that filters know it. */
import type { Hash64 } from '../cluster/balancing/hash64.ts';
import type { WeightedClustersConfig } from '../config/route.ts';
import type { RequestHead } from '../http/message.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { weightedIndex } from '../weighted-index.ts';
import type { HashPolicy } from './hash-policy.ts';
import type { WeightedCluster } from './route-table.ts';
import type { StreamInfo } from './stream-info.ts';

export type ChooseCluster = (head: RequestHead, info: StreamInfo, random: () => number) => WeightedCluster | undefined;

const ignore = (): void => undefined;

function remainder({ high, low }: Hash64, divisor: number): number {
  return Number(((BigInt(high) << 32n) | BigInt(low)) % BigInt(divisor));
}

/** From 0 up to `total`, by what the route takes for chance: a field of the request, its hash, or chance itself. */
function pointOf(
  config: WeightedClustersConfig,
  hash: HashPolicy | undefined,
): (head: RequestHead, info: StreamInfo, total: number, random: () => number) => number {
  const field = config.header_name?.toLowerCase();
  return (head, info, total, random) => {
    if (field !== undefined) {
      const value = head.headers.get(field);
      if (value !== undefined && /^\d{1,20}$/.test(value)) return Number(BigInt(value) % BigInt(total));
    } else if (config.use_hash_policy && hash) {
      const hashed = hash({ head, info, setCookie: ignore });
      if (hashed) return remainder(hashed, total);
    }
    return random() * total;
  };
}

export function compileChoice(
  config: WeightedClustersConfig | undefined,
  clusters: readonly WeightedCluster[],
  hash: HashPolicy | undefined,
  runtime: Runtime,
): ChooseCluster | undefined {
  if (!config) return undefined;
  const point = pointOf(config, hash);
  const { runtime_key_prefix: prefix } = config;
  const fixed = clusters.map(({ weight }) => weight);
  const total = fixed.reduce((sum, weight) => sum + weight, 0);
  const weights = () => clusters.map(({ name, weight }) => runtime.integer(`${prefix}.${name}`, weight));
  const at = (left: number, each: readonly number[]): WeightedCluster | undefined =>
    clusters[weightedIndex(each, left)];
  if (prefix === '') return (head, info, random) => at(point(head, info, total, random), fixed);
  return (head, info, random) => {
    const current = weights();
    const sum = current.reduce((all, weight) => all + weight, 0);
    return sum === 0 ? undefined : at(point(head, info, sum, random), current);
  };
}
