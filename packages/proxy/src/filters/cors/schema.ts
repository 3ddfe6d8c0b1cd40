/** Schemas of the CORS filter: the policy stands in routes, virtual hosts and route configurations. */
import { stringMatcher } from '../../config/core.ts';
import { runtimeFraction } from '../../config/runtime.ts';
import { flag, list, message, optional, type Parsed, text } from '../../config/schema.ts';

export const corsFilter = message('envoy.extensions.filters.http.cors.v3.Cors', {});

const fields = {
  allow_origin_string_match: list(stringMatcher),
  allow_methods: text(),
  allow_headers: text(),
  expose_headers: text(),
  max_age: text(),
  allow_credentials: optional(flag()),
  filter_enabled: optional(runtimeFraction),
  shadow_enabled: optional(runtimeFraction),
  allow_private_network_access: optional(flag()),
  forward_not_matching_preflights: optional(flag()),
};

/** What `typed_per_filter_config` says of the filter. */
export const corsPolicy = message('envoy.extensions.filters.http.cors.v3.CorsPolicy', fields);

/** The same in the field `cors` of routes and virtual hosts, which counts where the former says nothing. */
export const routeCorsPolicy = message('envoy.config.route.v3.CorsPolicy', fields);

export type CorsPolicy = Parsed<typeof corsPolicy>;
