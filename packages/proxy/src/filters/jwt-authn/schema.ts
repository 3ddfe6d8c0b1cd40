/** Schemas of the JWT filter (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/filters/http/jwt_authn/v3/config.proto). */
import { dataSource, stringMatcher } from '../../config/core.ts';
import { routeMatch } from '../../config/route-match.ts';
import {
  built,
  durationMs,
  flag,
  later,
  list,
  map,
  message,
  name,
  number,
  optional,
  type Parsed,
  type Place,
  presence,
  required,
  type Schema,
  text,
} from '../../config/schema.ts';
import { httpUri } from '../../config/services.ts';
import { isChangeable } from '../changeable-field.ts';
import { type KeySet, parseJwks } from './jwks.ts';

const JWT = 'envoy.extensions.filters.http.jwt_authn.v3';
const MAX_UINT32 = 0xffff_ffff;

/** The name of a field that is added to requests; '' where the field may be absent and is. */
function addedField(schema: Schema<string>): Schema<string> {
  return built(schema, (given, place) => {
    const field = given.toLowerCase();
    if (field !== '' && !isChangeable(field)) place.refuse(`${JSON.stringify(given)} is not a field that may be added`);
    return field;
  });
}

const jwtHeader = message(`${JWT}.JwtHeader`, { name: name(), value_prefix: text() });

const pathSegment = message(`${JWT}.JwtClaimToHeader.PathSegment`, { key: name() });

const claimToHeader = message(
  `${JWT}.JwtClaimToHeader`,
  { header_name: addedField(name()), claim_name: text(), claim_path: list(pathSegment) },
  ({ claim_name, claim_path }, place) => {
    if ((claim_name === '') === (claim_path.length === 0)) place.refuse('needs either claim_name or claim_path');
  },
);

const retryBackOff = message('envoy.config.core.v3.BackoffStrategy', {
  base_interval: required(durationMs(0, { min: 1 })),
  max_interval: optional(durationMs(0, { min: 1 })),
});

const retryPolicy = message('envoy.config.core.v3.RetryPolicy', {
  retry_back_off: optional(retryBackOff),
  num_retries: number(1, { max: MAX_UINT32 }),
});

const asyncFetch = message(`${JWT}.JwksAsyncFetch`, {
  fast_listener: flag(),
  failed_refetch_duration: durationMs(1000, { min: 1 }),
});

const remoteJwks = message(
  `${JWT}.RemoteJwks`,
  {
    http_uri: required(httpUri),
    cache_duration: durationMs(600_000, { min: 1 }),
    async_fetch: optional(asyncFetch),
    retry_policy: optional(retryPolicy),
  },
  ({ http_uri: { uri } }, place) => {
    if (URL.canParse(uri)) return;
    place.within('http_uri', () => place.within('uri', () => place.refuse(`${uri} is not a URI`)));
  },
);

export type RemoteJwksConfig = Parsed<typeof remoteJwks>;

const localJwks: Schema<KeySet> = built(dataSource, (bytes, place) => {
  const keys = parseJwks(bytes);
  if (typeof keys !== 'string') return keys;
  place.refuse(`holds no keys: ${keys}`);
  return [];
});

const cacheConfig = message(`${JWT}.JwtCacheConfig`, {
  jwt_cache_size: number(0, { max: MAX_UINT32 }),
  jwt_max_token_size: number(0, { max: MAX_UINT32 }),
});

const normalizePayload = message(`${JWT}.JwtProvider.NormalizePayload`, { space_delimited_claims: list(text()) });

const provider = message(
  `${JWT}.JwtProvider`,
  {
    issuer: text(),
    audiences: list(text()),
    subjects: optional(stringMatcher),
    require_expiration: flag(),
    max_lifetime: optional(durationMs()),
    remote_jwks: optional(remoteJwks),
    local_jwks: optional(localJwks),
    forward: flag(),
    from_headers: list(jwtHeader),
    from_params: list(text()),
    from_cookies: list(text()),
    forward_payload_header: addedField(text()),
    pad_forward_payload_header: flag(),
    payload_in_metadata: text(),
    normalize_payload_in_metadata: optional(normalizePayload),
    header_in_metadata: text(),
    failed_status_in_metadata: text(),
    clock_skew_seconds: number(0, { max: MAX_UINT32 }),
    jwt_cache_config: optional(cacheConfig),
    claim_to_headers: list(claimToHeader),
    clear_route_cache: flag(),
  },
  (value, place) => {
    if (!value.remote_jwks && !value.local_jwks) place.refuse('needs remote_jwks or local_jwks');
  },
);

export type ProviderConfig = Parsed<typeof provider>;

/** What a request must bring. */
export type RequirementConfig =
  | { readonly type: 'nothing' }
  /** A token of that provider; `audiences` stand in place of the provider's own where there are any. */
  | { readonly type: 'provider'; readonly provider: string; readonly audiences: readonly string[] }
  | { readonly type: 'any'; readonly of: readonly RequirementConfig[] }
  | { readonly type: 'all'; readonly of: readonly RequirementConfig[] }
  /** Tokens of whatever providers, all of them good. */
  | { readonly type: 'allow-missing' }
  | { readonly type: 'allow-missing-or-failed' };

const nested = later(`${JWT}.JwtRequirement`, () => requirement);

const requirementList = (kind: 'Or' | 'And') =>
  message(`${JWT}.JwtRequirement${kind}List`, { requirements: list(nested, { min: 2 }) });

export const requirement: Schema<RequirementConfig> = built(
  message(`${JWT}.JwtRequirement`, {
    provider_name: optional(text()),
    provider_and_audiences: optional(
      message(`${JWT}.ProviderWithAudiences`, { provider_name: text(), audiences: list(text()) }),
    ),
    requires_any: optional(requirementList('Or')),
    requires_all: optional(requirementList('And')),
    allow_missing_or_failed: presence(),
    allow_missing: presence(),
  }),
  (given): RequirementConfig => {
    const { provider_and_audiences: both, requires_any: any, requires_all: all } = given;
    if (given.provider_name !== undefined) return { type: 'provider', provider: given.provider_name, audiences: [] };
    if (both) return { type: 'provider', provider: both.provider_name, audiences: both.audiences };
    if (any) return { type: 'any', of: any.requirements };
    if (all) return { type: 'all', of: all.requirements };
    if (given.allow_missing_or_failed) return { type: 'allow-missing-or-failed' };
    return { type: given.allow_missing ? 'allow-missing' : 'nothing' };
  },
);

const rule = message(`${JWT}.RequirementRule`, {
  match: required(routeMatch),
  requires: optional(requirement),
  requirement_name: optional(name()),
});

/** Refuses requirements of providers that are not there. */
function checkProviders(given: RequirementConfig, known: ReadonlyMap<string, unknown>, place: Place): void {
  if (given.type === 'provider' && !known.has(given.provider)) {
    place.refuse(`the provider ${JSON.stringify(given.provider)} is not one of providers`);
  }
  if (given.type === 'any' || given.type === 'all') for (const part of given.of) checkProviders(part, known, place);
}

export const jwtAuthentication = message(
  `${JWT}.JwtAuthentication`,
  {
    providers: map(provider),
    rules: list(rule),
    bypass_cors_preflight: flag(),
    requirement_map: map(requirement),
    strip_failure_response: flag(),
    stat_prefix: text(),
  },
  ({ providers, rules, requirement_map: named }, place) => {
    for (const [key, given] of named) {
      place.within('requirement_map', () =>
        place.within(`[${JSON.stringify(key)}]`, () => checkProviders(given, providers, place)),
      );
    }
    for (const [index, { requires, requirement_name: reference }] of rules.entries()) {
      place.within('rules', () =>
        place.within(index, () => {
          if (requires) place.within('requires', () => checkProviders(requires, providers, place));
          if (reference === undefined || named.has(reference)) return;
          place.within('requirement_name', () => place.refuse(`${reference} is not one of requirement_map`));
        }),
      );
    }
  },
);

export type JwtAuthenticationConfig = Parsed<typeof jwtAuthentication>;

export const jwtPerRoute = message(
  `${JWT}.PerRouteConfig`,
  { disabled: flag(), requirement_name: optional(name()) },
  (value, place) => {
    if (!value.disabled && value.requirement_name === undefined) place.refuse('needs disabled or requirement_name');
  },
);
