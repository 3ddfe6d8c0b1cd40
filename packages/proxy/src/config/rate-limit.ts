/** Schemas of what routes and virtual hosts say a request is counted under (https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/rate_limit_filter). */
import { compileText } from '../access-log/format.ts';
import { ipRange } from '../net/cidr.ts';
import { compileRateLimit, type RateLimitRule } from '../stack/rate-limit-actions.ts';
import { headerMatcher, queryMatcher } from './header-match.ts';
import {
  built,
  choice,
  flag,
  list,
  message,
  NOT_SUPPORTED,
  name,
  number,
  only,
  optional,
  type Parsed,
  type Place,
  presence,
  required,
  type Schema,
  text,
} from './schema.ts';

const ACTION = 'envoy.config.route.v3.RateLimit.Action';
const MAX_STAGE = 10;
const MAX_HITS = 1_000_000_000;

/** A text with command operators. */
const formatted = (schema: Schema<string>) =>
  built(schema, (given, place) => compileText(given, '', (problem) => place.refuse(problem)));

/**
 * The value of an entry, as it is written. Envoy 1.40 can be told to undo command operators in it (the runtime value
 * `envoy.reloadable_features.enable_formatter_for_ratelimit_action_descriptor_value`) and takes them as text otherwise.
 */
const descriptorValue = built(name(), (given, place) => {
  if (/%[A-Z_]+(\(|%)/.test(given)) place.refuse(`command operators are ${NOT_SUPPORTED} here; use request_headers`);
  return given;
});

const noDefault = only((given) => given === '', 'empty');

const requestHeaders = message(`${ACTION}.RequestHeaders`, {
  header_name: name(),
  descriptor_key: name(),
  skip_if_absent: flag(),
});

const queryParameters = message(`${ACTION}.QueryParameters`, {
  query_parameter_name: name(),
  descriptor_key: name(),
  skip_if_absent: flag(),
});

const maskedRemoteAddress = message(`${ACTION}.MaskedRemoteAddress`, {
  v4_prefix_mask_len: number(32, { max: 32 }),
  v6_prefix_mask_len: number(128, { max: 128 }),
});

const genericKey = message(`${ACTION}.GenericKey`, {
  descriptor_value: descriptorValue,
  default_value: noDefault,
  descriptor_key: text(),
});

const headerValueMatch = message(`${ACTION}.HeaderValueMatch`, {
  descriptor_value: descriptorValue,
  default_value: noDefault,
  descriptor_key: text(),
  expect_match: flag(true),
  headers: list(headerMatcher, { min: 1 }),
});

const queryParameterValueMatch = message(`${ACTION}.QueryParameterValueMatch`, {
  descriptor_value: descriptorValue,
  default_value: noDefault,
  descriptor_key: text(),
  expect_match: flag(true),
  query_parameters: list(queryMatcher, { min: 1 }),
});

const addressRange = built(
  message('xds.core.v3.CidrRange', { address_prefix: name(), prefix_len: number(0, { max: 128 }) }),
  ({ address_prefix, prefix_len }, place) => {
    const range = ipRange(address_prefix, prefix_len);
    if (!range) place.refuse(`${address_prefix} is not an IP address`);
    return range ?? { contains: () => false };
  },
);

const addressMatcher = message('envoy.type.matcher.v3.AddressMatcher', {
  ranges: list(addressRange),
  invert_match: flag(),
});

const remoteAddressMatch = message(`${ACTION}.RemoteAddressMatch`, {
  descriptor_value: descriptorValue,
  default_value: noDefault,
  descriptor_key: text(),
  address_matcher: required(addressMatcher),
});

const metadataKey = built(
  message('envoy.type.metadata.v3.MetadataKey', {
    key: name(),
    path: list(message('envoy.type.metadata.v3.MetadataKey.PathSegment', { key: name() }), { min: 1 }),
  }),
  ({ key: filter, path }) => ({ filter, path: path.map(({ key }) => key) }),
);

const metaData = message(`${ACTION}.MetaData`, {
  descriptor_key: name(),
  metadata_key: required(metadataKey),
  default_value: text(),
  source: choice(['DYNAMIC', 'ROUTE_ENTRY']),
  skip_if_absent: flag(),
});

/** Refuses none, and more than one, of fields of which exactly one must be there. */
function checkOne(value: Readonly<Record<string, unknown>>, place: Place): void {
  const given = Object.keys(value).filter((key) => value[key] !== undefined && value[key] !== false);
  if (given.length !== 1) place.refuse(`needs exactly one of ${Object.keys(value).join(', ')}`);
}

const action = message(
  ACTION,
  {
    source_cluster: presence(),
    destination_cluster: presence(),
    request_headers: optional(requestHeaders),
    query_parameters: optional(queryParameters),
    remote_address: presence(),
    masked_remote_address: optional(maskedRemoteAddress),
    generic_key: optional(genericKey),
    header_value_match: optional(headerValueMatch),
    query_parameter_value_match: optional(queryParameterValueMatch),
    remote_address_match: optional(remoteAddressMatch),
    metadata: optional(metaData),
  },
  checkOne,
);

export const rateLimitUnit = choice(['UNKNOWN', 'SECOND', 'MINUTE', 'HOUR', 'DAY', 'MONTH', 'YEAR']);

const OVERRIDE = 'envoy.config.route.v3.RateLimit.Override';

const override = message(
  OVERRIDE,
  {
    dynamic_metadata: optional(message(`${OVERRIDE}.DynamicMetadata`, { metadata_key: required(metadataKey) })),
    rate_limit: optional(
      message(`${OVERRIDE}.RateLimitOverride`, {
        requests_per_unit: number(0, { max: 0xffff_ffff }),
        unit: rateLimitUnit,
      }),
    ),
  },
  checkOne,
);

const hitsAddend = message(
  'envoy.config.route.v3.RateLimit.HitsAddend',
  {
    number: optional(number(0, { max: MAX_HITS })),
    format: optional(formatted(text())),
    is_negative_hits: flag(),
  },
  (value, place) => {
    if (value.number !== undefined && value.format) place.refuse('has both number and format');
  },
);

const common = {
  stage: number(0, { max: MAX_STAGE }),
  disable_key: text(),
  actions: list(action, { min: 1 }),
  limit: optional(override),
  apply_on_stream_done: flag(),
  x_ratelimit_option: choice(['UNSPECIFIED', 'OFF', 'DRAFT_VERSION_03']),
};

const rateLimitMessage = message('envoy.config.route.v3.RateLimit', { ...common, hits_addend: optional(hitsAddend) });

export type RateLimitConfig = Parsed<typeof rateLimitMessage>;
export type RateLimitActionConfig = Parsed<typeof action>;

/** What a request is counted under, ready to be asked; in the configuration of a filter. */
export const rateLimit: Schema<RateLimitRule> = built(rateLimitMessage, (config) => compileRateLimit(config));

/**
 * The same in routes and virtual hosts. There Envoy passes `hits_addend` over in silence, so that it is refused.
 */
export const routeRateLimit: Schema<RateLimitRule> = built(
  message('envoy.config.route.v3.RateLimit', common),
  (config) => compileRateLimit({ ...config, hits_addend: undefined }),
);
