/** Schema of redirects that the proxy follows itself. */
import { isToken } from '../http1/characters.ts';
import { anyOf, built, flag, list, message, name, number, optional, type Parsed, type Schema, text } from './schema.ts';

const predicate = message('envoy.config.core.v3.TypedExtensionConfig', {
  name: text(),
  typed_config: anyOf({
    'allow-listed-routes': message(
      'envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig',
      { allowed_route_names: list(name()) },
    ),
    'previous-routes': message('envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig', {}),
    'safe-cross-scheme': message('envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig', {}),
  }),
});

const copiedName: Schema<string> = built(name(), (given, place) => {
  const key = given.toLowerCase();
  if (key === 'host' || !isToken(key)) place.refuse(`${JSON.stringify(given)} is not a field that can be copied`);
  return key;
});

export const internalRedirectPolicy = message('envoy.config.route.v3.InternalRedirectPolicy', {
  max_internal_redirects: optional(number()),
  redirect_response_codes: list(number(), { max: 5 }),
  predicates: list(predicate),
  allow_cross_scheme_redirect: flag(),
  response_headers_to_copy: list(copiedName),
});

export type InternalRedirectConfig = Parsed<typeof internalRedirectPolicy>;
