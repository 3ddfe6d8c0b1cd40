/** One issuer of tokens, as the configuration has it, and what its tokens do to a request that brings one. */

import { valueAt } from '../../config/metadata-path.ts';
import { fieldOf } from '../../http/field-text.ts';
import type { RequestHead } from '../../http/message.ts';
import { isFieldValue } from '../../http1/characters.ts';
import type { FilterContext } from '../filter.ts';
import type { JsonObject } from './json.ts';
import type { KeySet } from './jwks.ts';
import { checkTime, type Jwt } from './jwt.ts';
import { type KeySource, localKeys, RemoteKeys } from './keys.ts';
import type { ProviderConfig } from './schema.ts';
import type { JwtStats } from './stats.ts';
import type { JwtStatus } from './status.ts';
import { TokenCache } from './token-cache.ts';

/** Schemes and a slash at the end are of no account. */
function plainAudience(audience: string): string {
  return audience.replace(/^https?:\/\//, '').replace(/\/$/, '');
}

export type AudienceSet = ReadonlySet<string>;

export function audienceSet(audiences: readonly string[]): AudienceSet {
  return new Set(audiences.map(plainAudience));
}

const DEFAULT_SKEW_S = 60;

/** The text of a claim in a header; undefined where it has none. */
function claimText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    const isWhole = Number.isInteger(value) && value >= 0 && value < 2 ** 64;
    if (isWhole) return BigInt(value).toString();
    // From 1e21 on `toFixed` does not write digits alone.
    return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
  }
  return typeof value === 'object' && value !== null
    ? Buffer.from(JSON.stringify(value)).toString('base64')
    : undefined;
}

export class Provider {
  readonly config: ProviderConfig;
  readonly keys: KeySource;
  readonly cache: TokenCache | undefined;
  readonly #audiences: AudienceSet;
  readonly #skewS: number;
  readonly #claims: readonly { readonly field: string; readonly path: readonly string[] }[];

  constructor(config: ProviderConfig, context: FilterContext, stats: JwtStats) {
    this.config = config;
    this.keys = config.remote_jwks
      ? new RemoteKeys(config.remote_jwks, context, stats)
      : localKeys(config.local_jwks as KeySet);
    const cache = config.jwt_cache_config;
    this.cache = cache && new TokenCache(cache.jwt_cache_size || undefined, cache.jwt_max_token_size || undefined);
    this.#audiences = audienceSet(config.audiences);
    this.#skewS = config.clock_skew_seconds || DEFAULT_SKEW_S;
    this.#claims = config.claim_to_headers.map(({ header_name, claim_name, claim_path }) => ({
      field: header_name,
      path: claim_name === '' ? claim_path.map(({ key }) => key) : claim_name.split('.'),
    }));
  }

  /** Names of the fields that only this proxy may set. */
  get ownFields(): readonly string[] {
    const { forward_payload_header: payload } = this.config;
    return [...(payload === '' ? [] : [payload]), ...this.#claims.map(({ field }) => field)];
  }

  /** Checks everything but the signature. `audiences` stand in place of the provider's own. */
  check(jwt: Jwt, nowS: number, audiences: AudienceSet | undefined): JwtStatus {
    const time = checkTime(jwt, nowS, this.#skewS);
    if (time !== 'ok') return time;
    const { subjects, require_expiration, max_lifetime } = this.config;
    if (subjects && !subjects(jwt.subject)) return 'verification-fail';
    if (require_expiration || max_lifetime !== undefined) {
      const leftS = jwt.expiresS === undefined ? Number.POSITIVE_INFINITY : jwt.expiresS - nowS;
      const isShortEnough = max_lifetime === undefined || leftS < max_lifetime / 1000;
      if (jwt.expiresS === undefined || !isShortEnough) return 'verification-fail';
    }
    const allowed = audiences ?? this.#audiences;
    const isAllowed = allowed.size === 0 || jwt.audiences.some((audience) => allowed.has(plainAudience(audience)));
    return isAllowed ? 'ok' : 'audience-not-allowed';
  }

  /** Adds what a token that is good says to the head. */
  addFields(jwt: Jwt, { headers }: RequestHead): void {
    const { forward_payload_header: field, pad_forward_payload_header: isPadded } = this.config;
    if (field !== '') {
      const padding = isPadded ? '='.repeat((4 - (jwt.encodedPayload.length % 4)) % 4) : '';
      headers.add(field, jwt.encodedPayload + padding);
    }
    for (const { field: name, path } of this.#claims) {
      const text = claimText(valueAt(jwt.payload, path));
      const value = text === undefined ? '' : fieldOf(text);
      // A claim could hold the end of a line.
      if (value !== '' && isFieldValue(value)) headers.add(name, value);
    }
  }

  /** The payload as metadata tells it: texts that list words become lists, where that is asked for. */
  payloadMetadata({ payload }: Jwt): JsonObject {
    const { space_delimited_claims: names = [] } = this.config.normalize_payload_in_metadata ?? {};
    const lists = names.flatMap((name) => {
      const value = Object.hasOwn(payload, name) ? payload[name] : undefined;
      return typeof value === 'string' ? [[name, value.split(' ').filter((word) => word !== '')] as const] : [];
    });
    return lists.length === 0 ? payload : { ...payload, ...Object.fromEntries(lists) };
  }
}
