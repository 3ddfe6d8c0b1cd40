/** Schemas of what a route, or a TCP proxy, hashes of a request so that it goes to the host of others like it. */
import { regexRewrite } from './core.ts';
import { built, durationMs, flag, list, message, name, optional, type Parsed, type Place, text } from './schema.ts';

const ROUTE = 'envoy.config.route.v3.RouteAction.HashPolicy';

const header = message(`${ROUTE}.Header`, { header_name: name(), regex_rewrite: optional(regexRewrite) });

const cookie = message(`${ROUTE}.Cookie`, {
  name: name(),
  ttl: optional(durationMs()),
  path: text(),
  attributes: list(message(`${ROUTE}.CookieAttribute`, { name: name(), value: text() })),
});

const connectionProperties = message(`${ROUTE}.ConnectionProperties`, { source_ip: flag() });

const queryParameter = message(`${ROUTE}.QueryParameter`, { name: name() });

const KINDS = ['header', 'cookie', 'connection_properties', 'query_parameter'] as const;

function checkOne(given: Readonly<Record<string, unknown>>, place: Place): void {
  if (KINDS.filter((kind) => given[kind] !== undefined).length !== 1) place.refuse(`needs one of ${KINDS.join(', ')}`);
}

/** One thing to hash; those of a route are mixed in their order. */
export const hashPolicy = message(
  ROUTE,
  {
    header: optional(header),
    cookie: optional(cookie),
    connection_properties: optional(connectionProperties),
    query_parameter: optional(queryParameter),
    terminal: flag(),
  },
  checkOne,
);

export type HashPolicyConfig = Parsed<typeof hashPolicy>;

/** `envoy.type.v3.HashPolicy` of connections; gives whether the client's address is hashed. */
export const connectionHashPolicy = built(
  message('envoy.type.v3.HashPolicy', {
    source_ip: optional(message('envoy.type.v3.HashPolicy.SourceIp', {})),
  }),
  (given, place) => {
    if (!given.source_ip) place.refuse('needs source_ip');
    return given.source_ip !== undefined;
  },
);
