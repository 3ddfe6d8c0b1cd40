/** The `x-ratelimit-*` fields of a response (draft-ietf-httpapi-ratelimit-headers-03), as Envoy writes them. */
import type { Messages } from '@weft/envoy-api';
import type { HeaderList } from '../../http/header-list.ts';
import { asFieldValue } from '../../http1/characters.ts';

export type DescriptorStatus = Messages['envoy.service.ratelimit.v3.RateLimitResponse.DescriptorStatus'];

const DAY = 86_400;

/** Seconds of each unit. */
const UNITS: Readonly<Record<string, number>> = {
  SECOND: 1,
  MINUTE: 60,
  HOUR: 3600,
  DAY,
  WEEK: 7 * DAY,
  MONTH: 30 * DAY,
  YEAR: 365 * DAY,
};

/** Tells of the limit that is nearest, and of all policies; nothing where the service told of no limit. */
export function addLimitFields(headers: HeaderList, statuses: readonly DescriptorStatus[]): void {
  let nearest: DescriptorStatus | undefined;
  let policies = '';
  for (const status of statuses) {
    const limit = status.current_limit;
    if (!limit) continue;
    const seconds = (UNITS[String(limit.unit)] ?? 0) * (limit.unit_multiplier || 1);
    if (seconds > 0) {
      policies += `, ${limit.requests_per_unit ?? 0};w=${seconds}`;
      if (limit.name) policies += `;name="${asFieldValue(limit.name)}"`;
    }
    if (!nearest || (status.limit_remaining ?? 0) < (nearest.limit_remaining ?? 0)) nearest = status;
  }
  if (!nearest) return;
  headers.set('x-ratelimit-limit', `${nearest.current_limit?.requests_per_unit ?? 0}${policies}`);
  headers.set('x-ratelimit-remaining', String(nearest.limit_remaining ?? 0));
  headers.set('x-ratelimit-reset', String(Math.floor(Number.parseFloat(nearest.duration_until_reset ?? '0s'))));
}
